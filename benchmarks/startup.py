"""Row 16: `manage.py serve` on a set-up checkout, from the command to the first chat reply. Reach: under 3 s.

Each run is a new process on the same data directory; the first, which also migrates, is shown apart and not counted. A
run counts only if the reply is a whole chat completion. The storage is the default one, the provider the sandbox.
"""

import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from benchmarks.measuring import ROOT, write_result

RUNS = 7
REACH_SECONDS = 3.0
GIVE_UP_SECONDS = 60.0


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="circuit-breaker-startup-") as folder:
        first = start_once(Path(folder))
        seconds = [start_once(Path(folder)) for _ in range(RUNS)]
    median = statistics.median(seconds)
    reached = median < REACH_SECONDS
    print(f"first start, with migrations: {first:.2f} s")
    print(f"to the first reply: median {median:.2f} s of {RUNS} runs, {min(seconds):.2f} to {max(seconds):.2f} s")
    print(f"reach: < {REACH_SECONDS:g} s: {'reached' if reached else 'missed'}")
    figures = {"seconds": [round(each, 3) for each in seconds], "median": round(median, 3), "first": round(first, 3)}
    print(f"kept in {write_result(16, 'startup', figures | {'reach': REACH_SECONDS, 'reached': reached})}")
    if not reached:
        raise SystemExit("row 16 missed its target")


def start_once(folder: Path) -> float:
    """Seconds from the command to the first whole reply; the product is ended before this returns."""
    port, control = free_port(), free_port()
    environment = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    environment |= {"DATA_DIR": str(folder), "OPENAI_PORT": str(port), "GRAPHQL_PORT": str(control)}
    environment |= {"ENV_FILE": str(folder / "none"), "OLLAMA_BASE_URL": "http://127.0.0.1:1"}
    began = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "manage.py", "serve"], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
    )
    try:
        while not replied(port):
            if process.poll() is not None or time.monotonic() - began > GIVE_UP_SECONDS:
                raise SystemExit(f"serve did not answer (exit code {process.poll()})")
            time.sleep(0.005)
        return time.monotonic() - began
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=GIVE_UP_SECONDS)


def replied(port: int) -> bool:
    body = json.dumps({"model": "auto", "messages": [{"role": "user", "content": "Hello!"}]}).encode()
    url = f"http://127.0.0.1:{port}/v1/chat/completions"
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=10) as reply:
            answer: dict[str, Any] = json.load(reply)
    except (urllib.error.URLError, ConnectionError):
        return False
    return bool(answer["choices"][0]["message"]["content"]) and int(answer["usage"]["total_tokens"]) > 0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


if __name__ == "__main__":
    main()
