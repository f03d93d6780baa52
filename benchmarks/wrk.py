"""wrk, the load generator for saturated rows: run, and its report read as figures."""

import json
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.payloads import KEY


class WrkResult(msgspec.Struct, frozen=True):
    """One run. Latencies in milliseconds."""

    requests: int
    seconds: float
    p50: float
    p99: float
    errors: int
    """Answers other than 2xx and 3xx, and socket errors."""
    bytes_read: float
    """wrk prints three digits only."""

    @property
    def rate(self) -> float:
        return self.requests / self.seconds

    @property
    def reply_bytes(self) -> float:
        """Head and body of one answer, on average."""
        return self.bytes_read / max(1, self.requests)


def write_script(path: Path, request: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Path:
    """The Lua file that makes wrk send `request`."""
    fields = {"Content-Type": "application/json", "Authorization": f"Bearer {KEY}", **(headers or {})}
    lines = ["wrk.method = 'POST'", *(f"wrk.headers['{name}'] = '{value}'" for name, value in fields.items())]
    path.write_text("\n".join([*lines, f"wrk.body = [[{json.dumps(request)}]]", ""]))
    return path


def wrk(url: str, script: Path, *, connections: int, seconds: int, threads: int = 1) -> WrkResult:
    """Load `url`; the request is what the Lua `script` says."""
    command = ["wrk", f"-t{threads}", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s", "--latency"]
    done = subprocess.run([*command, "-s", str(script), url], capture_output=True, text=True, check=True)
    return read_wrk(done.stdout)


def read_wrk(said: str) -> WrkResult:
    """wrk's report as figures."""
    total = re.search(r"(\d+) requests in ([\d.]+)(s|m), ([\d.]+\w+) read", said)
    assert total is not None, said
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", said)
    broken = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", said)
    errors = (int(refused[1]) if refused else 0) + (sum(map(int, broken.groups())) if broken else 0)
    return WrkResult(
        requests=int(total[1]),
        seconds=float(total[2]) * (60 if total[3] == "m" else 1),
        p50=_milliseconds(said, "50%"),
        p99=_milliseconds(said, "99%"),
        errors=errors,
        bytes_read=_bytes(total[4]),
    )


def _milliseconds(said: str, label: str) -> float:
    found = re.search(rf"{label}\s+([\d.]+)(us|ms|s|m)\b", said)
    assert found is not None, said
    return float(found[1]) * {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60_000.0}[found[2]]


def _bytes(text: str) -> float:
    found = re.fullmatch(r"([\d.]+)([KMGT]?B)", text)
    assert found is not None, text
    return float(found[1]) * 1024.0 ** ["B", "KB", "MB", "GB", "TB"].index(found[2])
