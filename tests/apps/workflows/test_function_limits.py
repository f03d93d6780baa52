"""Limits of time, memory, processes and output hold, and no program outlives its run or its worker."""

import os
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import Any

import pytest

from tests.apps.workflows.allowing import PYTHON, Allow, failure, gone, processes_with, run
from workflows.actions.functions import TimedOut


def test_a_program_that_hangs_is_stopped_with_all_it_started(allow: Allow) -> None:
    mark = f"mark-{uuid.uuid4()}"
    program = (
        "import os, subprocess, sys, time\n"
        "for _ in range(3):\n"
        f"    subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)', '{mark}'], start_new_session=True)\n"
        "print('waiting', file=sys.stderr, flush=True)\n"
        "time.sleep(60)"
    )
    allow(hang={"python": program, "limits": {"seconds": 1.5}})
    began = time.monotonic()
    error = failure("hang")
    assert isinstance(error, TimedOut)
    assert str(error) == "hang was stopped after 1.5 s. It said: waiting"
    assert time.monotonic() - began < 10
    assert gone(mark, 0.5), "a process that made a session of its own got away"


def test_what_a_finished_program_left_running_is_ended(allow: Allow) -> None:
    mark = f"mark-{uuid.uuid4()}"
    program = (
        "import subprocess, sys; "
        f"subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)', '{mark}'], start_new_session=True)"
    )
    allow(litter={"python": program})
    assert run("litter") == {}
    assert gone(mark, 0.5)


def test_a_fork_bomb_stays_small_and_is_ended(allow: Allow) -> None:
    mark = f"mark-{uuid.uuid4()}"
    program = (
        f"import os, time; '{mark}'\n"
        "refused = False\n"
        "while True:\n"
        "    try:\n"
        "        os.fork()\n"
        "    except OSError:\n"
        "        refused = True\n"
        "        time.sleep(0.01)\n"
    )
    allow(bomb={"python": program, "limits": {"seconds": 2, "processes": 20}})
    import threading

    most = 0
    ended = threading.Event()

    def count() -> None:
        nonlocal most
        while not ended.wait(0.1):
            most = max(most, len(processes_with(mark)))

    counter = threading.Thread(target=count)
    counter.start()
    try:
        error = failure("bomb")
    finally:
        ended.set()
        counter.join()
    assert isinstance(error, TimedOut)
    assert 2 < most <= 20
    assert gone(mark, 0.5)


def test_too_much_output_too_much_talk(allow: Allow) -> None:
    allow(
        loud={"python": "while True: print('x' * 10000)", "limits": {"output_bytes": 50_000}},
        talker={
            "python": "import sys; [print('y' * 1000, file=sys.stderr) for _ in range(5000)]; sys.exit('the end')",
        },
    )
    assert str(failure("loud")) == "loud wrote more than 50000 bytes and was stopped."
    said = str(failure("talker"))
    assert said.endswith("the end")
    assert len(said) < 1_200


@pytest.mark.parametrize(
    ("program", "limits", "said"),
    [
        ("x = bytearray(300 * 2**20)", {"memory_mb": 100}, "MemoryError"),
        ("while True: pass", {"cpu_seconds": 1}, "SIGXCPU: it used 1 s of processor time"),
        ("open('f', 'wb').write(bytes(3 * 2**20))", {"file_mb": 1}, "File too large"),
        ("x = [open('/dev/null') for _ in range(100)]", {"open_files": 20}, "Too many open files"),
    ],
)
def test_limits_hold(allow: Allow, program: str, limits: dict[str, Any], said: str) -> None:
    allow(f={"python": program, "limits": limits})
    assert said in str(failure("f"))


def test_a_worker_that_is_killed_takes_its_programs_with_it(tmp_path: Path) -> None:
    mark = f"mark-{uuid.uuid4()}"
    file = tmp_path / "worker.py"
    file.write_text(
        "from workflows.actions.processes import Program, run_program\n"
        "from workflows.core.functions import Limits\n"
        f"run_program(Program([{PYTHON!r}, '-c', 'import time; time.sleep(60)', {mark!r}], {{}}), b'', Limits())\n"
    )
    root = Path(__file__).resolve().parents[3]
    folder = tmp_path / "temporary"
    folder.mkdir()
    environment = {**os.environ, "PYTHONPATH": str(root), "TMPDIR": str(folder)}
    worker = subprocess.Popen([sys.executable, str(file)], cwd=root, env=environment)
    try:
        until = time.monotonic() + 20
        while not processes_with(mark):
            assert time.monotonic() < until
            time.sleep(0.05)
    finally:
        worker.send_signal(signal.SIGKILL)
        worker.wait()
    assert gone(mark)
    until = time.monotonic() + 5
    while any(folder.iterdir()):
        assert time.monotonic() < until, "its directory is still there"
        time.sleep(0.05)
