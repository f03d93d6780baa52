"""Runs one command through `launcher.py`: clean environment, own directory, bounded output, nothing left behind.

Threads may call `run_program` at the same time: no code runs between fork and exec in this process. The command's
input is a file in its directory; the directory is removed afterwards. Next: `functions.py`.
"""

import contextlib
import json
import os
import pwd
import selectors
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workflows.core.errors import EffectFailed
from workflows.core.functions import Limits

LAUNCHER = Path(__file__).with_name("launcher.py")
NOBODY = "nobody"
SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
STDERR_BYTES = 16_384
"""Kept of what a command says, from its end."""
GRACE_SECONDS = 10.0
"""For the launcher to end everything after the time limit; then it is killed itself."""


@dataclass(frozen=True, slots=True)
class Program:
    """What to start. `confined` is False for the client of a container runtime, which needs its own user's rights."""

    argv: Sequence[str]
    environment: Mapping[str, str]
    user: str = ""
    confined: bool = True


@dataclass(frozen=True, slots=True)
class Ended:
    """How it ended. `stopped`: None, "time", "output" (it wrote too much) or "lost" (the launcher was killed)."""

    output: bytes
    stderr: bytes
    exit: int | None
    signal: int | None
    stopped: str | None
    seconds: float
    cpu_seconds: float


def run_program(program: Program, given: bytes, limits: Limits) -> Ended:
    """Start it with `given` as its input and wait; raises EffectFailed if it cannot be started at all."""
    user = _account(program.user) if program.confined else None
    directory = Path(tempfile.mkdtemp(prefix="function-"))
    try:
        source = directory / "input.json"
        source.write_bytes(given)
        if user:
            os.chown(directory, *user)
            os.chown(source, *user)
        own = {"PATH": SEARCH_PATH, "LANG": "C.UTF-8", "HOME": str(directory), "TMPDIR": str(directory)}
        order = {
            "argv": list(program.argv),
            "environment": own | dict(program.environment),
            "directory": str(directory),
            "input": str(source),
            "user": user,
            "confined": program.confined,
            "seconds": limits.seconds,
            "limits": _bounds(limits, program.confined),
        }
        return _supervise(order, limits)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _account(name: str) -> tuple[int, int] | None:
    """(user, group) to change to; None to stay who we are. Only root can change; by default it becomes nobody."""
    if os.getuid() != 0:
        if name and name != pwd.getpwuid(os.getuid()).pw_name:
            raise EffectFailed(f"Only a worker that runs as root can start a function as user {name!r}.")
        return None
    try:
        found = pwd.getpwnam(name or NOBODY)
    except KeyError:
        raise EffectFailed(f"There is no user {name or NOBODY!r} to run the function as; name one as `user`.") from None
    return found.pw_uid, found.pw_gid


def _bounds(limits: Limits, confined: bool) -> dict[str, int]:
    if not confined:  # the runtime bounds the container; its client is a large program that waits
        most = 2**40
        return {"cpu_seconds": 86_400, "memory_bytes": most, "file_bytes": most, "open_files": 1024, "processes": 0}
    return {
        "cpu_seconds": limits.cpu_seconds,
        "memory_bytes": limits.memory_mb * 2**20,
        "file_bytes": limits.file_mb * 2**20,
        "open_files": limits.open_files,
        "processes": limits.processes,
    }


def _supervise(order: dict[str, Any], limits: Limits) -> Ended:
    status_in, status_out = os.pipe()
    try:
        launcher = subprocess.Popen(  # noqa: S603 - our own program; what it starts the allow-list names
            [sys.executable, "-I", "-S", str(LAUNCHER), str(status_out)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={},
            pass_fds=(status_out,),
            start_new_session=True,
        )
    except OSError as error:
        os.close(status_in)
        raise EffectFailed(f"No process could be started: {error.strerror}.", retryable=True) from None
    finally:
        os.close(status_out)
    with launcher, os.fdopen(status_in, "rb", buffering=0) as status:
        assert launcher.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            launcher.stdin.write(json.dumps(order).encode() + b"\n")
            launcher.stdin.flush()
        output, stderr, report, much = _collect(launcher, status, limits)
    if not report:
        return Ended(output, stderr, None, None, "lost", limits.seconds, 0.0)
    said = json.loads(report)
    if said["problem"]:
        raise EffectFailed(f"The function could not be started: {said['problem']}.")
    stopped = "output" if much else said["stopped"]
    return Ended(output, stderr, said["exit"], said["signal"], stopped, said["seconds"], said["cpu_seconds"])


def _collect(launcher: "subprocess.Popen[bytes]", status: Any, limits: Limits) -> tuple[bytes, bytes, bytes, bool]:
    """(output, end of stderr, the launcher's report, whether the output was too large). Closing its input stops it."""
    assert launcher.stdin and launcher.stdout and launcher.stderr
    until = time.monotonic() + limits.seconds + GRACE_SECONDS
    kept: dict[str, bytes] = {"output": b"", "stderr": b"", "status": b""}
    much = False
    with selectors.DefaultSelector() as selector:
        for pipe, name in ((launcher.stdout, "output"), (launcher.stderr, "stderr"), (status, "status")):
            selector.register(pipe, selectors.EVENT_READ, name)
        while selector.get_map():
            left = until - time.monotonic()
            if left <= 0:
                launcher.kill()
                break
            for key, _ in selector.select(left):
                piece = os.read(key.fd, 65_536)
                if not piece:
                    selector.unregister(key.fileobj)
                elif key.data == "stderr":
                    kept["stderr"] = (kept["stderr"] + piece)[-STDERR_BYTES:]
                elif not much or key.data == "status":
                    kept[key.data] += piece
            if len(kept["output"]) > limits.output_bytes and not much:
                much, kept["output"] = True, b""
                launcher.stdin.close()
    return kept["output"], kept["stderr"], kept["status"], much
