"""The firing rule, for one named token or for those that fire by themselves.

`binding.py` says what is enabled; `fire` says what a firing makes of it, `choose` which comes first when nobody asked:
highest priority, then the binding that was ready first, then order of definition. Deterministic: the same marking,
names and new ids give the same change, so a log replays. Next: `run.py`.
"""

import itertools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from workflows.core.binding import CLOCK_GRAIN, SEARCH_LIMIT, Binding, bindings, find_any, find_binding
from workflows.core.errors import NotEnabled
from workflows.core.expressions import ExpressionFailed, evaluate_text, fill
from workflows.core.marking import Change, Marking, Request, Token
from workflows.core.net import LONGEST_PERSON, Net, Transition
from workflows.core.reasons import Reason

__all__ = [
    "SEARCH_LIMIT",
    "Binding",
    "Reason",
    "amend",
    "available",
    "choose",
    "find_binding",
    "fire",
    "next_due",
    "refusals",
]


def fire(
    binding: Binding,
    data: Mapping[str, Any],
    metadata: Mapping[str, Any],
    seq: int,
    new_id: Callable[[], str],
    now: float = 0.0,
) -> Change:
    """The change a firing makes.

    The named token goes along the first output arc under its own id, the next version; every further output token is
    new. Data is merged shallowly: partners' (oldest first), over that the named token's, over that what is handed in;
    an output arc's own expressions say over that what its tokens carry. Raises NotEnabled if such an expression fails.
    """
    merged_data = {**binding.merged("data"), **data}
    merged_metadata = {**binding.merged("metadata"), **metadata}
    view = None
    produced: list[Token] = []
    for arc in binding.transition.outputs:
        put = merged_data
        if arc.data is not None:
            view = view or replace(binding.view(), data=merged_data, metadata=merged_metadata, input=data)
            try:
                put = fill(arc.data, view, merged_data)
            except ExpressionFailed as error:
                reason = {"kind": "expression", "message": f'the output to "{arc.place}": {error}', "place": arc.place}
                raise NotEnabled(binding.transition.id, [reason]) from error
        for _ in range(arc.weight):
            carried = not produced and binding.transition.carries
            id_, version = (binding.named.id, binding.named.version + 1) if carried else (new_id(), 1)
            produced.append(Token(id_, arc.place, put, merged_metadata, version, entered=seq, arrived=now))
    return Change(binding.consumed, tuple(produced), _requests(binding, produced))


def refusals(binding: Binding) -> list[Reason]:
    """Why an expression of a transition that fires by itself keeps it from it; empty where none does.

    Of one that is asked for nothing is said: what is handed in with the firing may give the expression what it lacks.
    """
    if not binding.transition.spontaneous:
        return []
    try:
        fire(binding, {}, {}, 0, lambda: "")
    except NotEnabled as error:
        reasons: list[Reason] = error.details["reasons"]
        return reasons
    return []


def _requests(binding: Binding, produced: list[Token]) -> tuple[Request, ...]:
    """What a step's start hands to the work outside. Raises NotEnabled if its `input`, or whom it is for, fails."""
    transition = binding.transition
    if transition.role != "start" or transition.work is None:
        return ()
    token, work = produced[0], transition.work
    if work.input is None and not work.people:
        return (Request(transition.step, token.id, token.data, work.settings),)
    view = replace(binding.view(), data=token.data, metadata=token.metadata)
    where = "input"
    try:
        given = token.data if work.input is None else fill(work.input, view, token.data)
        settings = dict(work.settings)
        for where, expression in work.people:
            _put(settings, where, evaluate_text(expression, view, LONGEST_PERSON))
    except ExpressionFailed as error:
        reason = {"kind": "expression", "message": f"work.{where} of the step: {error}", "path": f"work.{where}"}
        raise NotEnabled(transition.id, [reason]) from error
    return (Request(transition.step, token.id, given, settings),)


def _put(settings: dict[str, Any], key: str, value: str) -> None:
    """Set a key, or one of an object in it: escalation.group."""
    outer, _, inner = key.partition(".")
    settings[outer] = {**settings.get(outer, {}), inner: value} if inner else value


def amend(token: Token, data: Mapping[str, Any], metadata: Mapping[str, Any]) -> Change:
    """The change that merges fields into a token where it lies; it keeps its turn in the place."""
    merged = replace(
        token, data={**token.data, **data}, metadata={**token.metadata, **metadata}, version=token.version + 1
    )
    return Change((token,), (merged,))


def available(net: Net, marking: Marking, token: Token, now: float | None = None) -> list[Transition]:
    """The transitions that may be fired with this token now, in order of definition; never a step's outcomes."""
    return [
        transition
        for transition in net.leaving.get(token.place, ())
        if transition.kind != "outcome" and isinstance(find_binding(net, transition, marking, token, now), Binding)
    ]


def choose(
    net: Net,
    marking: Marking,
    now: float,
    among: Iterable[Transition] | None = None,
    skip: frozenset[str] = frozenset(),
) -> Binding | None:
    """The firing that comes next by itself, of all spontaneous transitions or of these; None: the net is quiet.

    `skip` holds ids of transitions whose firing just failed.
    """
    best: tuple[tuple[int, float, int], Binding] | None = None
    for transition in net.spontaneous if among is None else among:
        if transition.id in skip or (best is not None and transition.priority < -best[0][0]):
            continue
        binding = find_any(net, transition, marking, now)
        if binding is None or binding.ready_at > now + CLOCK_GRAIN:
            continue
        rank = (-transition.priority, binding.ready_at, binding.since[1])
        if best is None or rank < best[0]:
            best = (rank, binding)
    return best[1] if best else None


def next_due(net: Net, marking: Marking, now: float) -> float | None:
    """The earliest time after `now` at which a spontaneous transition becomes due if nothing else happens."""
    due: list[float] = []
    for transition in net.spontaneous:
        if transition.due:
            ready = (binding.ready_at for binding in bindings(net, transition, marking))
            due.extend(itertools.islice((each for each in ready if each > now + CLOCK_GRAIN), 1))
    return min(due, default=None)
