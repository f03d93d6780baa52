"""The product as a process: `manage.py serve` on free ports with a data directory of its own.

    with Running(storage="sqlite", env={"EFFECT_LEASE_SECONDS": "3"}) as product:
        product.gateway_url, product.control_url    # http://127.0.0.1:…
        os.kill(product.pid("worker"), signal.SIGKILL)
        product.logs()                              # everything it has printed so far

Nothing of the developer's own set-up gets in: no `.env`, no provider key, no local Ollama. Postgres gets a database made for it and dropped
afterwards. Leaving the block ends the product and fails if it did not end by itself.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from pathlib import Path
from types import TracebackType

from tests.services import POSTGRES

ROOT = Path(__file__).resolve().parents[2]
READY = "is ready after"
START_SECONDS = 60.0
STOP_SECONDS = 20.0


class Running:
    """One product. `stop` and `start` restart it on the same data and ports."""

    def __init__(
        self,
        storage: str = "memory",
        env: dict[str, str] | None = None,
        data_dir: Path | None = None,
        wait: bool = True,
    ) -> None:
        self.data_dir = data_dir or Path(tempfile.mkdtemp(prefix="circuit-breaker-"))
        self._own_folder = data_dir is None
        self._wait = wait
        openai_port, graphql_port = free_port(), free_port()
        self.gateway_url = f"http://127.0.0.1:{openai_port}"
        self.control_url = f"http://127.0.0.1:{graphql_port}"
        self._database = make_database() if storage == "postgres" else None
        self.environment = clean_environment() | {
            "DATA_DIR": str(self.data_dir),
            "STORAGE_BACKEND": storage,
            "OPENAI_PORT": str(openai_port),
            "GRAPHQL_PORT": str(graphql_port),
        }
        if self._database:
            self.environment["DATABASE_URL"] = database_url(self._database)
        self.environment |= env or {}
        self._lines: list[str] = []
        self.seconds_to_ready = 0.0

    def __enter__(self) -> "Running":
        try:
            self.start()
        except BaseException:
            self._clean_up()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            code = self.stop() if self.process.poll() is None else 0
        finally:
            self._clean_up()
        if error is None:
            assert code == 0, f"serve ended with {code}:\n{self.logs()}"

    def start(self) -> None:
        """Start it, and wait for its banner unless told not to."""
        self._lines.clear()
        began = time.monotonic()
        self.process = subprocess.Popen(
            [sys.executable, "manage.py", "serve"],
            cwd=ROOT,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        if self._wait:
            self.wait_for_line(READY, START_SECONDS)
            self.seconds_to_ready = time.monotonic() - began

    def wait_for_line(self, text: str, seconds: float = 10.0) -> str:
        """The first printed line that contains `text`; an AssertionError with all lines if none comes."""
        deadline = time.monotonic() + seconds
        while True:
            ended = self.process.poll() is not None and not self._reader.is_alive()
            for line in list(self._lines):
                if text in line:
                    return line
            assert not ended, f"serve ended ({self.process.returncode}) without saying {text!r}:\n{self.logs()}"
            assert time.monotonic() < deadline, f"no line with {text!r} within {seconds} s:\n{self.logs()}"
            time.sleep(0.01)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """End it as a user would; the exit code. Kills it, and says so, if it does not end in time."""
        self.process.send_signal(number)
        try:
            code = self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(
                f"serve did not end within {STOP_SECONDS} s of {number.name}:\n{self.logs()}"
            ) from None
        finally:
            self._reader.join(5)
        return code

    def kill(self) -> None:
        """`kill -9` of the supervisor."""
        self.process.kill()
        self.process.wait()

    def pids(self) -> dict[str, int]:
        """Process ids of the children by name, as of now."""
        children: dict[str, int] = json.loads((self.data_dir / "serve.json").read_text())["children"]
        return children

    def pid(self, name: str) -> int:
        return self.pids()[name]

    def logs(self) -> str:
        return "".join(self._lines)

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.append(line)

    def _clean_up(self) -> None:
        if hasattr(self, "process") and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if self._database:
            drop_database(self._database)
        if self._own_folder:
            shutil.rmtree(self.data_dir, ignore_errors=True)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def clean_environment() -> dict[str, str]:
    """What a newcomer's shell has: nothing that configures the product."""
    kept = ("PATH", "HOME", "LANG", "TMPDIR", "CI")
    return {name: os.environ[name] for name in kept if name in os.environ} | {
        "ENV_FILE": "/nonexistent/.env",
        "OLLAMA_BASE_URL": "http://127.0.0.1:1",
        "LOG_LEVEL": "info",
    }


def make_database() -> str:
    import psycopg
    from psycopg import sql

    name = f"cb_running_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(POSTGRES, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    return name


def drop_database(name: str) -> None:
    import psycopg
    from psycopg import sql

    with psycopg.connect(POSTGRES, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def database_url(name: str) -> str:
    """POSTGRES with another database."""
    return POSTGRES.rsplit("/", 1)[0] + f"/{name}"


def alive(pid: int) -> bool:
    """Whether a process runs; a zombie nobody has waited for does not count."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):  # the latter where it ends between the open and the read
        return False
    except NotADirectoryError:
        os.kill(pid, 0)
        return True
    return state not in "ZX"


def wait_until_gone(pids: list[int], seconds: float = 10.0) -> list[int]:
    """Those of `pids` that still run after at most so long."""
    deadline = time.monotonic() + seconds
    while (left := [pid for pid in pids if alive(pid)]) and time.monotonic() < deadline:
        time.sleep(0.02)
    return left
