"""A net run in memory: named firings, and after each everything that fires by itself, as the durable engine does it.

For tests, simulations and quotes: no database, a clock that the caller moves, ids that count. What a step does outside
is up to the caller, who fires its outcome. `Case` is a value; every function gives a new one. The durable twin is
`workflows/services/cascade.py`; both use `choose` and `fire` of `firing.py`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from workflows.core.binding import Binding, find_binding
from workflows.core.errors import NotEnabled
from workflows.core.firing import choose, fire, next_due
from workflows.core.marking import Change, Marking, Token
from workflows.core.net import Net

FIRINGS_MAXIMUM = 10_000


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the log: what fired (empty: a token was put there), and what it did."""

    seq: int
    transition: str
    at: float
    change: Change


@dataclass(frozen=True, slots=True)
class Case:
    """A marking, the log that led to it, and the time."""

    net: Net
    marking: Marking = field(default_factory=Marking)
    log: tuple[Entry, ...] = ()
    now: float = 0.0


def put(case: Case, place: str, data: Mapping[str, Any] | None = None) -> Case:
    """The case with a new token; its id is `t<seq>`. Nothing fires yet: see `settle`."""
    seq = len(case.log) + 1
    token = Token(f"t{seq}", place, dict(data or {}), {}, entered=seq, arrived=case.now)
    return _appended(case, "", Change((), (token,)))


def fire_named(case: Case, token_id: str, transition_id: str, data: Mapping[str, Any] | None = None) -> Case:
    """The case after firing a transition with a token; raises NotEnabled. Nothing else fires yet: see `settle`."""
    transition, token = case.net.transitions[transition_id], case.marking.find(token_id)
    if token is None:
        raise NotEnabled(transition_id, [{"kind": "token_consumed", "message": "there is no such token"}])
    found = find_binding(case.net, transition, case.marking, token, case.now)
    if not isinstance(found, Binding):
        raise NotEnabled(transition_id, found)
    return _fired(case, found, data or {})


def step(case: Case) -> Case | None:
    """The case after the one firing that comes next by itself; None if it is quiet. Failing outputs are passed over."""
    failed: frozenset[str] = frozenset()
    while (binding := choose(case.net, case.marking, case.now, skip=failed)) is not None:
        try:
            return _fired(case, binding, {})
        except NotEnabled:
            failed |= {binding.transition.id}
    return None


def settle(case: Case, limit: int = FIRINGS_MAXIMUM) -> Case:
    """The case once it is quiet, or after `limit` firings."""
    for _ in range(limit):
        after = step(case)
        if after is None:
            return case
        case = after
    return case


def wait(case: Case, seconds: float, limit: int = FIRINGS_MAXIMUM) -> Case:
    """The case after this time: timers fire when they are due, each followed by what it sets going."""
    end = case.now + seconds
    for _ in range(limit):
        case = settle(case, limit)
        due = next_due(case.net, case.marking, case.now)
        if due is None or due > end:
            break
        case = replace(case, now=due)
    return settle(replace(case, now=end), limit)


def _fired(case: Case, binding: Binding, data: Mapping[str, Any]) -> Case:
    seq = len(case.log) + 1
    numbers = iter(range(1, 1_000_000))
    change = fire(binding, data, {}, seq, lambda: f"t{seq}.{next(numbers)}", case.now)
    return _appended(case, binding.transition.id, change)


def _appended(case: Case, transition: str, change: Change) -> Case:
    entry = Entry(len(case.log) + 1, transition, case.now, change)
    return replace(case, marking=case.marking.apply(change), log=(*case.log, entry))
