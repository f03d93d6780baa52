"""A small program of its own that starts one command under limits and ends everything the command started.

It runs as `python -I -S launcher.py STATUS_FD`: no package of ours, no Django, no thread, so that forking is safe. The
first line of its input is the order, as JSON; the end of its input means stop, so a worker that dies takes its commands
with it. On Linux it is the sub-reaper of all descendants: one that left the process group is found as well. What it
writes to STATUS_FD is one JSON object: exit, signal, stopped (null, "time", "asked"), problem, seconds, cpu_seconds.
Not promised: safety against a command that runs as the launcher's own user and means to kill it. Next: `processes.py`.
"""

import ctypes
import json
import os
import resource
import select
import signal
import sys
import time
from typing import Any, NoReturn

PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS = 36, 38
ENDING_SECONDS = 5.0
NOT_STARTED = 126


def main() -> None:
    status = int(sys.argv[1])
    os.set_inheritable(status, False)
    order = json.loads(_first_line())
    _prctl(PR_SET_CHILD_SUBREAPER)
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake)
    problem_in, problem_out = os.pipe()
    limits = _limits(order)
    began = time.monotonic()
    child = os.fork()
    if child == 0:
        _become(order, limits, problem_out)
    os.close(problem_out)
    stopped, ended = _wait(child, began + order["seconds"], woken)
    _end_all(child)
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    code = os.waitstatus_to_exitcode(ended) if ended is not None else None
    report = {
        "exit": code if code is not None and code >= 0 else None,
        "signal": -code if code is not None and code < 0 else None,
        "stopped": stopped,
        "problem": os.read(problem_in, 4096).decode(errors="replace") or None,
        "seconds": time.monotonic() - began,
        "cpu_seconds": usage.ru_utime + usage.ru_stime,
    }
    if stopped == "asked":
        _clear(order["directory"])
    try:
        os.write(status, json.dumps(report).encode())
    except BrokenPipeError:
        pass  # the worker is gone


def _first_line() -> bytes:
    line = b""
    while not line.endswith(b"\n"):
        piece = os.read(0, 65_536)  # nothing follows the line
        if not piece:
            sys.exit(0)  # nobody wants anything run any more
        line += piece
    return line


def _limits(order: dict[str, Any]) -> list[tuple[int, int]]:
    """(resource, bound) of the child. A bound of processes counts all of a user's, so those there now come on top."""
    bounds: dict[str, int] = order["limits"]
    user = order["user"][0] if order["user"] else os.getuid()
    pairs = [
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_CPU, bounds["cpu_seconds"]),
        (resource.RLIMIT_AS, bounds["memory_bytes"]),
        (resource.RLIMIT_FSIZE, bounds["file_bytes"]),
        (resource.RLIMIT_NOFILE, bounds["open_files"]),
    ]
    if bounds["processes"]:
        pairs.append((resource.RLIMIT_NPROC, bounds["processes"] + _threads_of(user)))
    return pairs


def _threads_of(user: int) -> int:
    """How many processes and threads a user has now; 0 where /proc does not say."""
    count = 0
    for name in _numbers("/proc"):
        try:
            if os.stat(f"/proc/{name}").st_uid == user:
                count += len(os.listdir(f"/proc/{name}/task"))
        except OSError:
            continue
    return count


def _become(order: dict[str, Any], limits: list[tuple[int, int]], problem: int) -> NoReturn:
    """In the child: take the place of the command, or say why not."""
    stage = "the start"
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.setsid()
        os.umask(0o077)
        stage = "reading the input"
        os.dup2(os.open(order["input"], os.O_RDONLY), 0)
        stage = "changing to its directory"
        os.chdir(order["directory"])
        stage = "setting its limits"
        for kind, bound in limits:
            hard = resource.getrlimit(kind)[1]
            hard = 2**62 if hard == resource.RLIM_INFINITY else hard
            least = min(bound, hard)
            later = least + 1 if kind == resource.RLIMIT_CPU and least < hard else least
            resource.setrlimit(kind, (least, later))  # a second between SIGXCPU, which names its reason, and SIGKILL
        if order["user"]:
            stage = "changing to its user"
            user, group = order["user"]
            for pipe in (1, 2):
                os.fchown(pipe, user, group)  # so that it may open /dev/stdout and /dev/stderr by name
            os.setgroups([])
            os.setgid(group)
            os.setuid(user)
        if order["confined"]:
            _prctl(PR_SET_NO_NEW_PRIVS)
        stage = f"starting {order['argv'][0]}"
        os.execve(order["argv"][0], order["argv"], order["environment"])
    except Exception as error:  # noqa: BLE001 - all this process can still do is to report it
        os.write(problem, f"{stage} failed: {getattr(error, 'strerror', None) or error}".encode()[:4096])
    os._exit(NOT_STARTED)


def _wait(child: int, until: float, woken: int) -> tuple[str | None, int | None]:
    """(why it was stopped or None, its wait status or None if it still runs)."""
    while True:
        pid, ended = os.waitpid(child, os.WNOHANG)
        if pid:
            return None, ended
        left = until - time.monotonic()
        if left <= 0:
            return "time", None
        ready, _, _ = select.select([0, woken], [], [], left)
        if 0 in ready and not os.read(0, 1024):
            return "asked", None  # whoever asked has gone, or has enough output
        if woken in ready:
            os.read(woken, 1024)


def _end_all(child: int) -> None:
    """Kill every descendant. All are stopped first: one that forks while it is looked for would get away otherwise."""
    until = time.monotonic() + ENDING_SECONDS
    stopped: set[int] = set()
    while time.monotonic() < until:
        fresh = _descendants() - stopped
        if not fresh:
            break
        for pid in fresh:
            _signal(pid, signal.SIGSTOP)
        stopped |= fresh
    try:
        os.killpg(child, signal.SIGKILL)
    except OSError:
        pass
    while time.monotonic() < until:
        for pid in _descendants():
            _signal(pid, signal.SIGKILL)
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        time.sleep(0.005)


def _descendants() -> set[int]:
    """Everything below this process, zombies left out; empty where there is no /proc."""
    parents: dict[int, int] = {}
    for name in _numbers("/proc"):
        try:
            with open(f"/proc/{name}/stat", "rb") as file:
                state, parent = file.read().rpartition(b")")[2].split()[:2]
        except (OSError, ValueError):
            continue
        if state != b"Z":
            parents[int(name)] = int(parent)
    found: set[int] = set()
    below = {os.getpid()}
    while below:
        below = {pid for pid, parent in parents.items() if parent in below} - found
        found |= below
    return found


def _clear(directory: str) -> None:
    """Whoever asked may be gone, and would have removed it."""
    import shutil  # not above: it takes as long as all the rest to load

    shutil.rmtree(directory, ignore_errors=True)


def _numbers(folder: str) -> list[str]:
    try:
        return [name for name in os.listdir(folder) if name.isdigit()]
    except OSError:
        return []


def _signal(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except OSError:
        pass  # it has ended by itself


def _prctl(option: int) -> None:
    """Where there is no prctl (no Linux), the process group is all that is known of descendants."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, 1, 0, 0, 0)


if __name__ == "__main__":
    main()
