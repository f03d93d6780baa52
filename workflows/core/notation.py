"""Definitions as JSON, and their compilation to a net. Two forms may be mixed within one definition.

    {"name": "...", "places": ["draft", {"id": "review", "capacity": 3}], "initialPlace": "draft", "transitions": [
        {"id": "submit", "fromPlaces": ["draft", "revision"], "toPlace": "review", "conditions": [RULE, ...]},
        {"id": "merge", "inputs": ["legal", {"place": "ready", "weight": 2}], "outputs": ["done"], "resets": [...]}]}

Short form: `fromPlaces` means any of these. Full form: `inputs` are all needed; also `reads`, `inhibitors`, `resets`,
`priority`. Every fault raises BadDefinition with its path; an unknown key is a fault; nothing is ignored silently.
Next: `net.py` for what comes out, `guard.py` for rules.
"""

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from workflows.core.errors import BadDefinition, BadInput
from workflows.core.guard import parse_rule
from workflows.core.net import Arc, Net, Place, Transition
from workflows.core.payload import checked_object, checked_text

MAXIMUM_PLACES = 1_000
MAXIMUM_TRANSITIONS = 5_000
MAXIMUM_ARCS = 100
MAXIMUM_CONDITIONS = 100
MAXIMUM_WEIGHT = 1_000
MAXIMUM_DESCRIPTION = 10_000

_DEFINITION_KEYS = ("id", "name", "description", "places", "transitions", "initialPlace")
_SHORT_KEYS = ("fromPlaces", "toPlace")
_FULL_KEYS = ("inputs", "outputs")
_TRANSITION_KEYS = (
    *("id", "name", "description", "conditions", "priority", "reads", "inhibitors", "resets"),
    *_SHORT_KEYS,
    *_FULL_KEYS,
)


@dataclass(frozen=True, slots=True)
class Compiled:
    """A checked definition: as written (keys without a value left out, ids filled in), and as a net."""

    definition: Mapping[str, Any]
    net: Net


def compile_definition(written: Any) -> Compiled:
    """The net a definition describes; raises BadDefinition with the path of the first fault."""
    try:
        definition = _without_nothing(checked_object(written, "definition"))
    except BadInput as error:
        raise BadDefinition("", str(error)) from error
    _only(definition, "", _DEFINITION_KEYS)
    _text(definition.get("name"), "name")
    _text(definition.get("description", "-"), "description", MAXIMUM_DESCRIPTION)
    places = _places(definition.get("places"))
    initial_place = _place(definition.get("initialPlace"), "initialPlace", places)
    listed = _list(definition.get("transitions"), "transitions", MAXIMUM_TRANSITIONS)
    transitions: dict[str, Transition] = {}
    kept: list[dict[str, Any]] = []
    for index, item in enumerate(listed):
        path = f"transitions[{index}]"
        if not isinstance(item, Mapping):
            raise BadDefinition(path, f"must be an object, not {type(item).__name__}")
        filled = _with_id(_without_nothing(item), path)
        if filled["id"] in transitions:
            raise BadDefinition(f"{path}.id", f'there is a transition "{filled["id"]}" already')
        transitions[filled["id"]] = _transition(filled, path, places)
        kept.append(filled)
    return Compiled({**definition, "transitions": kept}, Net(places, transitions, initial_place))


def nearest(name: Any, known: Iterable[str]) -> str:
    """`; did you mean "review"?` when a known name is close, else an empty string."""
    close = difflib.get_close_matches(str(name)[:200], list(known), n=1)
    return f'; did you mean "{close[0]}"?' if close else ""


def _places(written: Any) -> dict[str, Place]:
    places: dict[str, Place] = {}
    for index, item in enumerate(_list(written, "places", MAXIMUM_PLACES, least=1)):
        path = f"places[{index}]"
        if isinstance(item, Mapping):
            _only(item, path, ("id", "capacity"))
            name = _text(item.get("id"), f"{path}.id")
            capacity = item.get("capacity")
            place = Place(name, None if capacity is None else _count(capacity, f"{path}.capacity", 10**9))
        else:
            place = Place(_text(item, path))
        if place.id in places:
            raise BadDefinition(path, f'there is a place "{place.id}" already')
        places[place.id] = place
    return places


def _transition(written: Mapping[str, Any], path: str, places: Mapping[str, Place]) -> Transition:
    _only(written, path, _TRANSITION_KEYS)
    _text(written.get("description", "-"), f"{path}.description", MAXIMUM_DESCRIPTION)
    alternatives, outputs = _flow(written, path, places)
    conditions = _list(written.get("conditions", []), f"{path}.conditions", MAXIMUM_CONDITIONS)
    priority = written.get("priority", 0)
    if isinstance(priority, bool) or not isinstance(priority, int) or abs(priority) > 10**6:
        raise BadDefinition(f"{path}.priority", "must be an integer between -1000000 and 1000000")
    resets = _list(written.get("resets", []), f"{path}.resets", MAXIMUM_ARCS)
    return Transition(
        id=written["id"],
        name=_text(written.get("name", written["id"]), f"{path}.name"),
        alternatives=alternatives,
        outputs=outputs,
        reads=_arcs(written.get("reads", []), f"{path}.reads", places),
        inhibitors=_arcs(written.get("inhibitors", []), f"{path}.inhibitors", places),
        resets=tuple(_place(item, f"{path}.resets[{index}]", places) for index, item in enumerate(resets)),
        guard=tuple(parse_rule(rule, f"{path}.conditions[{index}]") for index, rule in enumerate(conditions)),
        priority=priority,
    )


def _flow(
    written: Mapping[str, Any], path: str, places: Mapping[str, Place]
) -> tuple[tuple[tuple[Arc, ...], ...], tuple[Arc, ...]]:
    """Alternatives and outputs, from whichever of the two forms is used."""
    short = [key for key in _SHORT_KEYS if key in written]
    full = [key for key in _FULL_KEYS if key in written]
    if short and full:
        raise BadDefinition(
            f"{path}.{full[0]}", f"use either fromPlaces and toPlace or inputs and outputs, not {short[0]} too"
        )
    if full:
        inputs = _arcs(written.get("inputs"), f"{path}.inputs", places, least=1)
        return (inputs,), _arcs(written.get("outputs", []), f"{path}.outputs", places)
    sources = _list(written.get("fromPlaces"), f"{path}.fromPlaces", MAXIMUM_ARCS, least=1)
    named = [_place(item, f"{path}.fromPlaces[{index}]", places) for index, item in enumerate(sources)]
    target = _place(written.get("toPlace"), f"{path}.toPlace", places)
    return tuple((Arc(place),) for place in dict.fromkeys(named)), (Arc(target),)


def _arcs(written: Any, path: str, places: Mapping[str, Place], least: int = 0) -> tuple[Arc, ...]:
    arcs: dict[str, Arc] = {}
    for index, item in enumerate(_list(written, path, MAXIMUM_ARCS, least)):
        here = f"{path}[{index}]"
        if isinstance(item, Mapping):
            _only(item, here, ("place", "weight"))
            place = _place(item.get("place"), f"{here}.place", places)
            weight = _count(1 if item.get("weight") is None else item["weight"], f"{here}.weight", MAXIMUM_WEIGHT)
        else:
            place, weight = _place(item, here, places), 1
        if place in arcs:
            raise BadDefinition(here, f'there is an arc with "{place}" already; give it a weight instead')
        arcs[place] = Arc(place, weight)
    return tuple(arcs.values())


def _place(written: Any, path: str, places: Mapping[str, Place]) -> str:
    name = _text(written, path)
    if name not in places:
        raise BadDefinition(path, f'no place "{name}"{nearest(name, places)}')
    return name


def _with_id(written: Mapping[str, Any], path: str) -> dict[str, Any]:
    """The transition with its id; one made of the name where it has none."""
    given = written.get("id")
    if given is None:
        name = _text(written.get("name"), f"{path}.id", 200)
        given = re.sub(r"\W+", "_", name.lower()).strip("_")
    return {**written, "id": _text(given, f"{path}.id")}


def _without_nothing(written: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in written.items() if value is not None}


def _text(written: Any, path: str, maximum: int = 200) -> str:
    if written is None:
        raise BadDefinition(path, "is missing")
    try:
        return checked_text(written, path, maximum)
    except BadInput as error:
        raise BadDefinition(path, str(error).removeprefix(f"{path}: ")) from error


def _list(written: Any, path: str, maximum: int, least: int = 0) -> list[Any]:
    if written is None:
        raise BadDefinition(path, "is missing")
    if not isinstance(written, list | tuple):
        raise BadDefinition(path, f"must be a list, not {type(written).__name__}")
    if not least <= len(written) <= maximum:
        raise BadDefinition(path, f"has {len(written)} entries; {least} to {maximum} are accepted")
    return list(written)


def _count(written: Any, path: str, maximum: int) -> int:
    if isinstance(written, bool) or not isinstance(written, int) or not 1 <= written <= maximum:
        raise BadDefinition(path, f"must be an integer from 1 to {maximum}")
    return written


def _only(written: Mapping[str, Any], path: str, known: tuple[str, ...]) -> None:
    for key in written:
        if key not in known:
            where = f"{path}.{key}" if path else key
            raise BadDefinition(where, f"unknown key{nearest(key, known) or '; known: ' + ', '.join(known)}")
