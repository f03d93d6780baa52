"""The supervisor on children made for the purpose: back-off, order of ending, stubborn ones, and no survivors."""

import asyncio
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from circuit_breaker import supervisor as module
from circuit_breaker.console import Console
from circuit_breaker.supervisor import Child, StartFailed, Supervisor
from tests.acceptance.running import ROOT, alive, wait_until_gone

CHILD = "tests.acceptance.serve.child"


class Watched:
    """A supervisor whose console is a string."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.out = io.StringIO()
        self.console = Console(self.out)
        self.register = folder / "serve.json"
        self.supervisor = Supervisor(self.console, ROOT, self.register)

    async def start(self, behaviour: str, *rest: str, name: str = "child", stage: int = 1) -> None:
        child = Child(name, [CHILD, behaviour, *rest], {"PATH": os.environ["PATH"]}, stage)
        await self.supervisor.start(child)

    async def seen(self, text: str, times: int = 1) -> None:
        async with asyncio.timeout(10):
            while self.out.getvalue().count(text) < times:
                await asyncio.sleep(0.01)

    def pid(self, name: str = "child") -> int:
        pid: int = json.loads(self.register.read_text())["children"][name]
        return pid


@pytest.fixture
async def watched(tmp_path: Path) -> AsyncIterator[Watched]:
    made = Watched(tmp_path)
    yield made
    made.supervisor.kill()
    await made.supervisor.stop(2)
    made.console.close()


async def test_a_child_that_ends_is_started_again_after_growing_pauses(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FIRST_PAUSE", 0.05)
    monkeypatch.setattr(module, "LONGEST_PAUSE", 0.2)
    watched.supervisor.settled()
    await watched.start("crash")
    await watched.seen("child     | running crash", times=5)
    said = [line for line in watched.out.getvalue().splitlines() if "ended" in line]
    assert said[:4] == [
        f"child ended (exit code 3); starting it again in {pause} s." for pause in ("0.05", "0.1", "0.2", "0.2")
    ]


async def test_a_killed_child_comes_back_under_another_process_id(watched: Watched) -> None:
    watched.supervisor.settled()
    await watched.start("sleep")
    await watched.seen("running sleep")
    first = watched.pid()
    os.kill(first, signal.SIGKILL)
    await watched.seen("running sleep", times=2)
    assert watched.pid() != first
    assert "child ended (signal SIGKILL)" in watched.out.getvalue()


async def test_a_child_that_cannot_start_fails_the_start(watched: Watched) -> None:
    await watched.start("crash")
    with pytest.raises(StartFailed, match=r"child ended 3 times while starting \(exit code 3\)\."):
        await asyncio.wait_for(watched.supervisor.failure(), 10)


async def test_release_sends_a_line(watched: Watched) -> None:
    await watched.start("wait")
    await watched.seen("running wait")
    watched.supervisor.release("child")
    await watched.seen("heard 'go'")


async def test_stages_end_in_order_each_after_the_one_before(watched: Watched, tmp_path: Path) -> None:
    for name, stage in (("third", 3), ("first", 1), ("second", 2)):
        await watched.start("note", str(tmp_path / name), name=name, stage=stage)
    await watched.seen("running note", times=3)
    await watched.supervisor.stop(10)
    times = [float((tmp_path / name).read_text()) for name in ("first", "second", "third")]
    assert times == sorted(times)
    assert not [pid for pid in map(watched.pid, ("first", "second", "third")) if alive(pid)]


async def test_a_child_that_will_not_end_is_killed_in_time(watched: Watched) -> None:
    await watched.start("stubborn")
    await watched.seen("running stubborn")
    began = time.monotonic()
    await watched.supervisor.stop(0.6)
    assert 0.5 < time.monotonic() - began < 2
    assert not alive(watched.pid())
    await watched.seen("child did not end in time and is killed.")


async def test_stopping_between_two_lives_does_not_wait_for_the_next(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FIRST_PAUSE", 30.0)
    await watched.start("crash")
    await watched.seen("starting it again in 30 s")
    await asyncio.wait_for(watched.supervisor.stop(5), 1)


PARENT = """
import asyncio, os, sys
from pathlib import Path
from circuit_breaker.console import Console
from circuit_breaker.supervisor import Child, Supervisor

async def main():
    supervisor = Supervisor(Console(sys.stdout), Path.cwd(), Path(sys.argv[1]))
    for name in ("one", "two"):
        await supervisor.start(Child(name, [sys.argv[2], "stubborn"], dict(os.environ), 1))
    await asyncio.sleep(60)

asyncio.run(main())
"""


def test_kill_9_of_the_parent_ends_even_stubborn_children(tmp_path: Path) -> None:
    register = tmp_path / "serve.json"
    command = [sys.executable, "-c", PARENT, str(register), CHILD]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        for _ in range(2):
            assert "running stubborn" in parent.stdout.readline()
        children = list(json.loads(register.read_text())["children"].values())
        assert len(children) == 2 and all(map(alive, children))
        parent.kill()
        assert wait_until_gone(children, 5) == []


@pytest.mark.parametrize("how", ["pipe", "kernel"])
def test_each_lifeline_holds_by_itself(how: str, tmp_path: Path) -> None:
    """The pipe is what other systems than Linux have; it is tried here all the same."""
    if how == "kernel" and sys.platform != "linux":
        pytest.skip("PR_SET_PDEATHSIG is Linux's")
    hold = "hold_by_kernel(os.getppid())" if how == "kernel" else "threading.Thread(target=hold_by_pipe).start()"
    child = f"import os, threading, time; from circuit_breaker.lifeline import *; {hold}; print('held', flush=True); time.sleep(60)"
    parent = (
        "import subprocess, sys, time\n"
        f"child = subprocess.Popen([sys.executable, '-c', {child!r}], stdin=subprocess.PIPE, stdout=subprocess.PIPE)\n"
        "child.stdout.readline(); print(child.pid, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", parent], cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        pid = int(process.stdout.readline())
        assert alive(pid)
        process.kill()
        assert wait_until_gone([pid], 5) == []


def test_a_child_whose_parent_died_before_it_could_ask_ends(tmp_path: Path) -> None:
    environment = {"PATH": os.environ["PATH"], "CIRCUIT_BREAKER_PARENT": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "circuit_breaker.lifeline", CHILD, "sleep"], cwd=ROOT, env=environment, timeout=10
    )
    assert done.returncode == 1
