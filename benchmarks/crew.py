"""Several processes that do the same at once, each on one connection: how rows 9 and 10 load a database.

A program answers lines on its standard input by lines of JSON: nothing until it is ready, then `run SECONDS` with
`{"steps", "seconds", "cpu_seconds", "server_cpu_seconds"}`, whatever it had time for, each step checked. Processes and
not threads, because a deployment that wants more firings a second starts more control processes: threads of one Python
process share its one interpreter lock, which favours whoever does least work outside the database.
"""

import json
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.measuring import ROOT

PROGRAMS = Path(__file__).resolve().parent / "step_programs"


@dataclass(frozen=True, slots=True)
class Pace:
    """One turn of a contender."""

    rate: float
    """Steps a second, all processes together."""
    cpu_us: float = 0.0
    """Microseconds of processor time a step took in the client's process."""
    server_cpu_us: float = 0.0
    """The same in the database's process for its connection; 0 where that cannot be seen."""


class Answer(msgspec.Struct):
    """What a process says of one turn."""

    steps: int
    seconds: float
    cpu_seconds: float
    server_cpu_seconds: float


class Crew:
    """The started processes."""

    def __init__(self, processes: "list[subprocess.Popen[str]]", said: Path) -> None:
        self._processes, self._said = processes, said
        self.ask("ready")

    def run(self, seconds: float) -> Pace:
        """All at once for so long."""
        answers = [msgspec.convert(each, Answer) for each in self.ask(f"run {seconds}")]
        steps = sum(each.steps for each in answers)
        if not steps:
            raise SystemExit("no step was done; the figure counts as nothing")
        return Pace(
            sum(each.steps / each.seconds for each in answers),
            sum(each.cpu_seconds for each in answers) / steps * 1e6,
            sum(each.server_cpu_seconds for each in answers) / steps * 1e6,
        )

    def ask(self, line: str) -> list[Any]:
        """Each process's answer; they work on it at the same time. SystemExit if one ends instead."""
        for process in self._processes:
            assert process.stdin is not None
            with suppress(BrokenPipeError):  # it has ended, which its missing answer tells
                process.stdin.write(f"{line}\n")
                process.stdin.flush()
        answers = []
        for process in self._processes:
            assert process.stdout is not None
            answer = process.stdout.readline()
            if not answer:
                last = (self._said.read_text().strip().splitlines() or ["no reason given"])[-1][:500]
                raise SystemExit(f"a process ended at {line!r} with {process.wait()}: {last}")
            answers.append(json.loads(answer))
        return answers


@contextmanager
def crew(
    interpreter: str, program: str, size: int, environment: Mapping[str, str], *arguments: str, bare: bool = False
) -> Iterator[Crew]:
    """`size` processes of `step_programs/PROGRAM.py`, each told its number from 0; ended when the block is left.

    `bare`: of another product, to which nothing of this environment is handed on.
    """
    with tempfile.TemporaryDirectory(prefix="benchmark-crew-") as folder, ExitingProcesses() as processes:
        said = Path(folder) / "stderr"
        inherited = {"PATH": os.environ["PATH"], "HOME": folder, "LANG": "C.UTF-8"} if bare else dict(os.environ)
        with said.open("w") as errors:
            for number in range(size):
                processes.append(
                    subprocess.Popen(
                        [interpreter, str(PROGRAMS / f"{program}.py"), str(number), *arguments],
                        cwd=folder if bare else ROOT,
                        env={**inherited, "PYTHONPATH": "" if bare else str(ROOT), **environment},
                        stdin=subprocess.PIPE,
                        stdout=subprocess.PIPE,
                        stderr=errors,
                        text=True,
                    )
                )
        yield Crew(processes, said)


class ExitingProcesses(list["subprocess.Popen[str]"]):
    """Ends them all: their input is closed first, and who still runs ten seconds later is killed."""

    def __enter__(self) -> "ExitingProcesses":
        return self

    def __exit__(self, *_: object) -> None:
        for process in self:
            for pipe in (process.stdin, process.stdout):
                with suppress(BrokenPipeError):
                    assert pipe is not None
                    pipe.close()
        deadline = time.monotonic() + 10
        for process in self:
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
