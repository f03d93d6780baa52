"""Reads one written transition: its arcs, its guard, and what its kind needs. A working step comes out as its parts.

Which keys a kind may have stands in `_KINDS`; a key of another kind is a fault, not ignored. Next: `refinement.py`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, get_args

from workflows.core.errors import BadDefinition
from workflows.core.expressions import parse_expression
from workflows.core.guard import Rule, parse_rule
from workflows.core.net import WORKING, Arc, Compensation, Correlation, Kind, Place, Retries, Step, Transition
from workflows.core.refinement import refine
from workflows.core.work import OUTCOMES, read_work
from workflows.core.written import (
    MAXIMUM_ARCS,
    only,
    read_arcs,
    read_choice,
    read_count,
    read_flag,
    read_list,
    read_object,
    read_place,
    read_seconds,
    read_text,
)

MAXIMUM_CONDITIONS = 100
MAXIMUM_DESCRIPTION = 10_000
MAXIMUM_ATTEMPTS = 100

_SHORT_KEYS = ("fromPlaces", "toPlace")
_FULL_KEYS = ("inputs", "outputs")
_KEYS = (
    *("id", "name", "description", "kind", "conditions", "else", "priority", "reads", "inhibitors", "resets"),
    *("after", "deadline", "correlation", "carrier"),
    *_SHORT_KEYS,
    *_FULL_KEYS,
)
_WORKING_KEYS = ("work", "start", "outcomes", "retries", "timeout", "compensation")
_KINDS = tuple(kind for kind in get_args(Kind) if kind != "outcome")


@dataclass(frozen=True, slots=True)
class ReadTransition:
    """What one written transition became. `parts` is one transition, or a step's (the start first)."""

    path: str
    parts: tuple[Transition, ...]
    places: tuple[Place, ...] = ()
    step: Step | None = None


def read_transition(
    written: Mapping[str, Any], path: str, places: Mapping[str, Place], rules: Mapping[str, Rule]
) -> ReadTransition:
    """The transition written at `path`, which has its id already; raises BadDefinition."""
    only(written, path, (*_KEYS, *_WORKING_KEYS))
    kind: Kind = read_choice(written.get("kind", "manual"), f"{path}.kind", _KINDS)  # type: ignore[assignment]
    for key in _WORKING_KEYS:
        if key in written and kind not in WORKING and (kind, key) != ("signal", "work"):
            raise BadDefinition(
                f"{path}.{key}", f"a transition of kind {kind} has none; kinds with it: {', '.join(WORKING)}"
            )
    read_text(written.get("description", "-"), f"{path}.description", MAXIMUM_DESCRIPTION)
    alternatives, outputs = _flow(written, path, places)
    priority = written.get("priority", 0)
    if isinstance(priority, bool) or not isinstance(priority, int) or abs(priority) > 10**6:
        raise BadDefinition(f"{path}.priority", "must be an integer between -1000000 and 1000000")
    resets = read_list(written.get("resets", []), f"{path}.resets", MAXIMUM_ARCS)
    guard = _guard(written, path, rules)
    after, deadline = _interval(written, path, kind)
    whole = Transition(
        id=written["id"],
        name=read_text(written.get("name", written["id"]), f"{path}.name"),
        alternatives=alternatives,
        outputs=outputs,
        reads=read_arcs(written.get("reads", []), f"{path}.reads", places),
        inhibitors=read_arcs(written.get("inhibitors", []), f"{path}.inhibitors", places),
        resets=tuple(read_place(item, f"{path}.resets[{index}]", places) for index, item in enumerate(resets)),
        guard=guard,
        priority=priority,
        kind=kind,
        spontaneous=kind in ("automatic", "timer") or (kind in WORKING and _starts_itself(written, path)),
        otherwise=read_flag(written.get("else", False), f"{path}.else"),
        after=after,
        deadline=deadline,
        work=read_work(kind, written.get("work"), f"{path}.work"),
    )
    whole = replace(whole, correlation=_correlation(written.get("correlation"), f"{path}.correlation", whole))
    return _step(whole, written, path, places) if kind in WORKING else ReadTransition(path, (whole,))


def with_id(written: Mapping[str, Any], path: str) -> dict[str, Any]:
    """The transition with its id; one made of the name where it has none."""
    given = written.get("id")
    if given is None:
        name = read_text(written.get("name"), f"{path}.id", 200)
        given = re.sub(r"\W+", "_", name.lower()).strip("_")
    return {**written, "id": read_text(given, f"{path}.id")}


def _step(whole: Transition, written: Mapping[str, Any], path: str, places: Mapping[str, Place]) -> ReadTransition:
    given = read_object(written.get("outcomes", {}), f"{path}.outcomes")
    only(given, f"{path}.outcomes", tuple(outcome for outcome in OUTCOMES if outcome != "ok"))
    arcs = {
        outcome: read_arcs(given[outcome], f"{path}.outcomes.{outcome}", places, outputs=True)
        for outcome in OUTCOMES
        if outcome in given
    }
    timeout = written.get("timeout")
    seconds = None if timeout is None else read_seconds(timeout, f"{path}.timeout")
    retries = _retries(written.get("retries", {}), f"{path}.retries")
    undo = written.get("compensation")
    compensation = None if undo is None else _compensation(undo, f"{path}.compensation")
    step, parts, made = refine(whole, path, arcs, retries, seconds, compensation)
    return ReadTransition(path, tuple(parts), tuple(made), step)


def _flow(
    written: Mapping[str, Any], path: str, places: Mapping[str, Place]
) -> tuple[tuple[tuple[Arc, ...], ...], tuple[Arc, ...]]:
    """Alternatives and outputs, from whichever of the two forms is used; the carrier's arc first."""
    short = [key for key in _SHORT_KEYS if key in written]
    full = [key for key in _FULL_KEYS if key in written]
    if short and full:
        raise BadDefinition(
            f"{path}.{full[0]}", f"use either fromPlaces and toPlace or inputs and outputs, not {short[0]} too"
        )
    if full:
        inputs = read_arcs(written.get("inputs"), f"{path}.inputs", places, least=1)
        outputs = read_arcs(written.get("outputs", []), f"{path}.outputs", places, outputs=True)
        return (inputs,), _carrier_first(outputs, written.get("carrier"), f"{path}.carrier")
    sources = read_list(written.get("fromPlaces"), f"{path}.fromPlaces", MAXIMUM_ARCS, least=1)
    named = [read_place(item, f"{path}.fromPlaces[{index}]", places) for index, item in enumerate(sources)]
    target = read_place(written.get("toPlace"), f"{path}.toPlace", places)
    flow = (Arc(target),)
    return tuple((Arc(place),) for place in dict.fromkeys(named)), _carrier_first(
        flow, written.get("carrier"), f"{path}.carrier"
    )


def _carrier_first(outputs: tuple[Arc, ...], carrier: Any, path: str) -> tuple[Arc, ...]:
    if carrier is None:
        return outputs
    if carrier not in [arc.place for arc in outputs]:
        raise BadDefinition(path, f"{carrier!r} is no output place of this transition")
    return tuple(sorted(outputs, key=lambda arc: arc.place != carrier))


def _guard(written: Mapping[str, Any], path: str, rules: Mapping[str, Rule]) -> tuple[Rule, ...]:
    conditions = read_list(written.get("conditions", []), f"{path}.conditions", MAXIMUM_CONDITIONS)
    if conditions and written.get("else"):
        raise BadDefinition(f"{path}.else", "an else has no conditions: it is what fires when the others' fail")
    return tuple(parse_rule(rule, f"{path}.conditions[{index}]", stored=rules) for index, rule in enumerate(conditions))


def _interval(written: Mapping[str, Any], path: str, kind: Kind) -> tuple[float, float | None]:
    after, deadline = written.get("after"), written.get("deadline")
    if kind == "timer" and after is None and deadline is None:
        raise BadDefinition(f"{path}.after", "a timer says after which time it fires")
    start = 0.0 if after is None else read_seconds(after, f"{path}.after")
    end = None if deadline is None else read_seconds(deadline, f"{path}.deadline")
    if end is not None and end < start:
        raise BadDefinition(f"{path}.deadline", "comes before `after`")
    return start, end


def _correlation(written: Any, path: str, whole: Transition) -> Correlation | None:
    """One expression for every input place, or one for each of the named places (inputs and reads)."""
    if written is None:
        return None
    if isinstance(written, str):
        return Correlation((("", parse_expression(written, path)),))
    given = read_object(written, path)
    known = (*whole.source_places, *(arc.place for arc in whole.reads))
    only(given, path, known)
    for place in whole.source_places:
        if place not in given:
            raise BadDefinition(path, f'says nothing of the input place "{place}"')
    return Correlation(tuple((place, parse_expression(each, f"{path}.{place}")) for place, each in given.items()))


def _starts_itself(written: Mapping[str, Any], path: str) -> bool:
    return read_choice(written.get("start", "automatic"), f"{path}.start", ("automatic", "manual")) == "automatic"


def _retries(written: Any, path: str) -> Retries:
    given = read_object(written, path)
    only(given, path, ("maxAttempts", "backoffSeconds", "factor", "longestSeconds"))
    usual = Retries()
    factor = given.get("factor", usual.factor)
    if isinstance(factor, bool) or not isinstance(factor, int | float) or not 1 <= factor <= 10:
        raise BadDefinition(f"{path}.factor", "must be a number from 1 to 10")
    return Retries(
        attempts=read_count(given.get("maxAttempts", usual.attempts), f"{path}.maxAttempts", MAXIMUM_ATTEMPTS),
        backoff=read_seconds(given.get("backoffSeconds", usual.backoff), f"{path}.backoffSeconds"),
        factor=float(factor),
        longest=read_seconds(given.get("longestSeconds", usual.longest), f"{path}.longestSeconds"),
    )


def _compensation(written: Any, path: str) -> Compensation:
    given = read_object(written, path)
    only(given, path, ("transition", "kind", "reference", "payload"))
    if "transition" in given:
        only(given, path, ("transition",))
        return Compensation(transition=read_text(given["transition"], f"{path}.transition"))
    return Compensation(
        kind=read_text(given.get("kind"), f"{path}.kind", 50),
        reference=read_text(given.get("reference"), f"{path}.reference"),
        payload=read_object(given.get("payload", {}), f"{path}.payload"),
    )
