"""A Postgres of a test's own, in a temporary folder, that may be stopped at once in the middle of anything."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.services import need


class OwnPostgres:
    """`url` names its database; `crash` stops it without a word to anyone and starts it again."""

    def __init__(self, programs: Path, folder: Path, port: int, user: str | None) -> None:
        self._programs, self._folder, self._port, self._user = programs, folder, port, user
        self.url = f"postgres://postgres@127.0.0.1:{port}/postgres"

    def run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [str(self._programs / program), *arguments],
            check=True, user=self._user, cwd=self._folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=120,
        )  # fmt: skip

    def start(self) -> None:
        options = f"-p {self._port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={self._folder}"
        data, log = str(self._folder / "data"), str(self._folder / "log")
        self.run("pg_ctl", "-D", data, "-l", log, "-w", "-t", "100", "-o", options, "start")

    def stop(self) -> None:
        self.run("pg_ctl", "-D", str(self._folder / "data"), "-m", "immediate", "-w", "stop")

    def crash(self) -> None:
        self.stop()
        self.start()


@contextmanager
def own_postgres() -> Iterator[OwnPostgres]:
    """Skips the test, or fails it under CI, where Postgres is not installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb")) or [Path(p) for p in [shutil.which("initdb")] if p]
    need(bool(found), "Postgres' own programs (initdb, pg_ctl) are not installed")
    user = None
    if os.geteuid() == 0:  # initdb refuses to run as root
        need("postgres" in [each.pw_name for each in pwd.getpwall()], "there is no user postgres to run a server as")
        user = "postgres"
    folder = Path(tempfile.mkdtemp(prefix="own-postgres-"))
    try:
        if user:
            shutil.chown(folder, user)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        server = OwnPostgres(found[-1].parent, folder, port, user)
        server.run("initdb", "-D", str(folder / "data"), "-U", "postgres", "-A", "trust", "-N")
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
