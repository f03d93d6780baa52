"""What an analysis answers: a verdict with the method that gave it, its limit, and a firing sequence that shows it.

TRUE and FALSE are proofs about the net with its guards abstracted to free choice: a safety property that holds there
holds for every run, because a guard can only forbid firings. A liveness property (soundness, no deadlock) that holds
there may still fail when a guard forbids every way out; `Verdict.note` says so where it matters. UNKNOWN is never a
guess.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum


class Answer(Enum):
    TRUE = "TRUE"
    FALSE = "FALSE"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True, slots=True)
class Verdict:
    """One property of one net from one initial marking."""

    answer: Answer
    method: str
    """How it was found, e.g. `reachability graph`, `coverability tree`, `P-invariant`."""
    trace: tuple[str, ...] | None = None
    """Transitions, in firing order, from the initial marking to the marking that shows the answer."""
    witness: tuple[str, ...] = ()
    """Names the answer is about: dead transitions, unbounded places, the marking of a deadlock."""
    note: str = ""
    """The limit reached, or what was abstracted."""

    @property
    def holds(self) -> bool:
        return self.answer is Answer.TRUE


@dataclass(frozen=True, slots=True)
class Limits:
    """Where a search gives up and answers UNKNOWN."""

    states: int = 100_000
    vectors: int = 20_000
    """Rows kept while computing invariants, siphons or traps."""
    seconds: float = 60.0
    """For the whole analysis."""


Over = Callable[[], bool]
"""Says whether the time of an analysis is over."""


def never() -> bool:
    """For a search that only its other limits end."""
    return False


def until(seconds: float, clock: Callable[[], float] = time.monotonic) -> Over:
    """Over so many seconds from now."""
    end = clock() + seconds
    return lambda: clock() >= end


def unknown(method: str, note: str) -> Verdict:
    return Verdict(Answer.UNKNOWN, method, note=note)
