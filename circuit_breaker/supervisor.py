"""Keeps child processes running, and ends them: nothing here knows what they do.

A child that ends is started again after FIRST_PAUSE seconds, twice as long each time up to LONGEST_PAUSE, and from the
beginning once it has lived HEALTHY_SECONDS. Until `settled` is called a child that keeps ending fails the whole start.
`stop` ends children stage by stage (TERM, a bounded wait, KILL). Children die with this process whatever kills it, see
`lifeline.py`; they are in sessions of their own, so Ctrl-C in the terminal reaches only us. Next: `serving.py`.
"""

import asyncio
import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from circuit_breaker.console import Console
from circuit_breaker.lifeline import PARENT

FIRST_PAUSE = 0.25
LONGEST_PAUSE = 30.0
HEALTHY_SECONDS = 30.0
START_ATTEMPTS = 3


@dataclass(frozen=True)
class Child:
    """What to run. `arguments` begin with a module name, as after `python -m`."""

    name: str
    arguments: Sequence[str]
    environment: Mapping[str, str]
    stage: int
    """Stages stop in ascending order."""
    first_arguments: Sequence[str] = ()
    """Added for the first start only."""


class StartFailed(Exception):
    """A child ended START_ATTEMPTS times before the product was ready."""


class Supervisor:
    """The children of this process. `register` is a file that always names who runs, for tools and tests."""

    def __init__(self, console: Console, folder: Path, register: Path, database: str = "") -> None:
        """`database`: which one the children use; it stands in the register."""
        self._database = database
        self._console = console
        self._folder = folder
        self._register = register
        self._children: dict[str, Child] = {}
        self._processes: dict[str, asyncio.subprocess.Process] = {}
        self._keepers: dict[str, asyncio.Task[None]] = {}
        self._stopping = False
        self._settled = False
        self._failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def start(self, child: Child) -> None:
        """Start it for the first time; from then on it is kept running."""
        started = time.monotonic()
        process = await self._spawn(child, [*child.arguments, *child.first_arguments])
        self._children[child.name] = child
        self._keepers[child.name] = asyncio.create_task(self._keep(child, process, started))

    def release(self, name: str) -> None:
        """Send the child one line on its standard input: what it waited for is there."""
        pipe = self._processes[name].stdin
        assert pipe is not None
        with contextlib.suppress(ConnectionError):
            pipe.write(b"go\n")

    def settled(self) -> None:
        """The start has succeeded: from here on a child that ends is only ever started again."""
        self._settled = True

    async def failure(self) -> None:
        """Wait for a failed start; raises StartFailed."""
        await asyncio.shield(self._failed)

    async def stop(self, seconds: float) -> None:
        """End every child: each stage gets a third of `seconds`, the last what is left, then KILL."""
        self._stopping = True
        deadline = time.monotonic() + seconds
        stages = sorted({child.stage for child in self._children.values()})
        for number, stage in enumerate(stages, start=1):
            names = [name for name, child in self._children.items() if child.stage == stage]
            until = deadline if number == len(stages) else min(deadline, time.monotonic() + seconds / 3)
            await self._end(names, until)

    def kill(self) -> None:
        """End every child at once."""
        self._stopping = True
        for name in self._processes:
            self._signal(name, signal.SIGKILL)

    async def _end(self, names: Sequence[str], until: float) -> None:
        keepers = [self._keepers[name] for name in names]
        for name in names:
            self._signal(name, signal.SIGTERM)
            if self._processes[name].returncode is not None:
                self._keepers[name].cancel()  # it is between two lives
        _, late = await asyncio.wait(keepers, timeout=max(0.1, until - time.monotonic()))
        for name in names:
            if self._keepers[name] in late:
                self._console.say(f"{name} did not end in time and is killed.")
                self._signal(name, signal.SIGKILL)
        await asyncio.gather(*keepers, return_exceptions=True)

    def _signal(self, name: str, number: signal.Signals) -> None:
        process = self._processes[name]
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(number)
                process.send_signal(signal.SIGCONT)  # a stopped process would never hear it

    async def _keep(self, child: Child, process: asyncio.subprocess.Process, started: float) -> None:
        pause, failures = FIRST_PAUSE, 0
        while True:
            assert process.stdout is not None
            await self._console.copy(child.name, process.stdout)
            code = await process.wait()
            if self._stopping:
                return
            failures += 1
            if not self._settled and failures >= START_ATTEMPTS:
                self._fail(f"{child.name} ended {failures} times while starting ({_ending(code)}).")
                return
            if time.monotonic() - started > HEALTHY_SECONDS:
                pause = FIRST_PAUSE
            self._console.say(f"{child.name} ended ({_ending(code)}); starting it again in {pause:g} s.")
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)
            started = time.monotonic()
            process = await self._spawn_again(child)

    async def _spawn_again(self, child: Child) -> asyncio.subprocess.Process:
        """A machine short of processes, memory or files for a while does not end the keeping."""
        while True:
            try:
                return await self._spawn(child, child.arguments)
            except OSError as error:
                self._console.say(f"{child.name} cannot be started ({error}); trying again in {LONGEST_PAUSE:g} s.")
                await asyncio.sleep(LONGEST_PAUSE)

    def _fail(self, message: str) -> None:
        if not self._failed.done():
            self._failed.set_exception(StartFailed(message))

    async def _spawn(self, child: Child, arguments: Sequence[str]) -> asyncio.subprocess.Process:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "circuit_breaker.lifeline",
            *arguments,
            cwd=self._folder,
            env={**child.environment, PARENT: str(os.getpid()), "PYTHONUNBUFFERED": "1"},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
        self._processes[child.name] = process
        self._write_register()
        return process

    def _write_register(self) -> None:
        children = {name: process.pid for name, process in self._processes.items()}
        unfinished = self._register.with_suffix(".part")
        try:
            content = {"supervisor": os.getpid(), "database": self._database, "children": children}
            unfinished.write_text(json.dumps(content))
            unfinished.rename(self._register)
        except OSError as error:  # a full disk: the register is for people and tests, the children matter more
            self._console.say(f"{self._register} is not up to date: {error}.")


def _ending(code: int) -> str:
    if code < 0:
        return f"signal {signal.Signals(-code).name}"
    return f"exit code {code}"
