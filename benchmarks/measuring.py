"""What the rows share: programs under test started and ended, turns taken, results written with their date.

A row is a module of this package with `main() -> None`; it prints both figures and their ratio. Everything listens on
loopback, on ports 31xx, and lives in a temporary folder. Nothing is left running, whatever happens.
"""

import json
import os
import platform
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from llm.gateway import compiled

ROOT = Path(__file__).resolve().parent.parent
Round = TypeVar("Round")
RESULTS = Path(__file__).resolve().parent / "results"


class Missing(Exception):
    """A program the row needs is not installed; the message is the one line to print."""


def need(*programs: str) -> None:
    """Raises Missing."""
    absent = [name for name in programs if shutil.which(name, path=_search_path()) is None]
    if absent:
        raise Missing(f"skipped: {' and '.join(absent)} not installed (Debian: apt install {' '.join(absent)})")


@contextmanager
def running(command: Sequence[str], environment: Mapping[str, str] | None = None) -> Iterator[subprocess.Popen[str]]:
    """A program, ended with SIGTERM when the block is left (and killed if that does not help)."""
    process = subprocess.Popen(
        command, cwd=ROOT, env={**os.environ, **(environment or {})}, stdout=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(timeout=15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@contextmanager
def nginx(folder: Path, servers: str) -> Iterator[subprocess.Popen[str]]:
    """nginx with one worker and these `http` blocks."""
    folder.mkdir(parents=True)
    configuration = folder / "nginx.conf"
    configuration.write_text(
        f"""daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 16384; }}
http {{
  access_log off; keepalive_requests 1000000000; client_body_buffer_size 256k;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  {servers}
}}
"""
    )
    program = shutil.which("nginx", path=_search_path())
    assert program is not None
    with running([program, "-c", str(configuration), "-p", str(folder), "-e", str(folder / "error.log")]) as process:
        yield process


def wait_for_port(port: int, seconds: float = 15.0) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise RuntimeError(f"Nothing listens on port {port} after {seconds:g} seconds.")


def alternate(contenders: Mapping[str, Callable[[], Round]], rounds: int) -> dict[str, list[Round]]:
    """A B A B ...: what disturbs one round disturbs all of them alike."""
    results: dict[str, list[Round]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, measure in contenders.items():
            results[name].append(measure())
    return results


def write_result(row: int, name: str, figures: Mapping[str, Any]) -> Path:
    """A dated file under `results/`, one per run."""
    now = datetime.now(UTC)
    document = {
        "row": row,
        "name": name,
        "at": now.isoformat(timespec="seconds"),
        "machine": {
            "cpus": os.cpu_count(),
            "python": platform.python_version(),
            "system": platform.platform(),
            "compiled": compiled.is_current(),
        },
        **figures,
    }
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{now:%Y-%m-%d-%H%M%S}-row{row:02d}-{name}.json"
    path.write_text(json.dumps(document, indent=2) + "\n")
    return path


def python(*arguments: str) -> list[str]:
    return [sys.executable, *arguments]


def _search_path() -> str:
    return os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin"


def keep(row: int, name: str, figures: Mapping[str, Any]) -> None:
    """Write the dated result and say where."""
    print(f"kept in {write_result(row, name, figures).relative_to(ROOT)}")
