"""Definitions as JSON, and their compilation to a net. Two forms may be mixed within one definition.

    {"name": "...", "places": ["draft", {"id": "review", "capacity": 3}], "initialPlace": "draft", "transitions": [
        {"id": "submit", "fromPlaces": ["draft", "revision"], "toPlace": "review", "conditions": [RULE, ...]},
        {"id": "merge", "inputs": ["legal", {"place": "ready", "weight": 2}], "outputs": ["done"], "resets": [...]},
        {"id": "triage", "kind": "agent", "fromPlaces": ["new"], "toPlace": "sorted", "work": {"agent": "..."}}]}

Short form: `fromPlaces` means any of these. Full form: `inputs` are all needed; also `reads`, `inhibitors`, `resets`,
`priority`, `carrier`, `correlation`, `kind` and what a kind needs; docs/reference/workflow-notation.md lists all keys.
Every fault raises BadDefinition with its path; an unknown key is a fault; nothing is ignored silently.
Next: `net.py` for what comes out, `transitions.py` for one transition, `guard.py` for rules.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from workflows.core.errors import BadDefinition, BadInput
from workflows.core.guard import Rule
from workflows.core.named_rules import parse_named_rules
from workflows.core.net import Net, Place, Step, Transition
from workflows.core.payload import checked_object
from workflows.core.transitions import ReadTransition, read_transition, with_id
from workflows.core.written import (
    nearest,
    only,
    read_choice,
    read_count,
    read_list,
    read_object,
    read_place,
    read_text,
    without_nothing,
)

__all__ = ["Compiled", "compile_definition", "nearest"]

MAXIMUM_PLACES = 1_000
MAXIMUM_TRANSITIONS = 5_000
MAXIMUM_RULES = 1_000
MAXIMUM_DESCRIPTION = 10_000

_DEFINITION_KEYS = ("id", "name", "description", "places", "transitions", "initialPlace", "rules", "annotations")


@dataclass(frozen=True, slots=True)
class Compiled:
    """A checked definition: as written (keys without a value left out, ids filled in), and as a net."""

    definition: Mapping[str, Any]
    net: Net


def compile_definition(written: Any) -> Compiled:
    """The net a definition describes; raises BadDefinition with the path of the first fault."""
    try:
        definition = without_nothing(checked_object(written, "definition"))
    except BadInput as error:
        raise BadDefinition("", str(error)) from error
    only(definition, "", _DEFINITION_KEYS)
    read_text(definition.get("name"), "name")
    read_text(definition.get("description", "-"), "description", MAXIMUM_DESCRIPTION)
    places = _places(definition.get("places"))
    initial_place = read_place(definition.get("initialPlace"), "initialPlace", places)
    rules = _rules(definition.get("rules", {}))
    read_object(definition.get("annotations", {}), "annotations")
    kept: list[dict[str, Any]] = []
    found: list[ReadTransition] = []
    for index, item in enumerate(read_list(definition.get("transitions"), "transitions", MAXIMUM_TRANSITIONS)):
        path = f"transitions[{index}]"
        kept.append(with_id(read_object(item, path), path))
        found.append(read_transition(kept[-1], path, places, rules))
    net = _assembled(places, found, initial_place)
    _check_choices(net, found)
    return Compiled({**definition, "transitions": kept}, net)


def _assembled(places: Mapping[str, Place], found: list[ReadTransition], initial_place: str) -> Net:
    """The net of all parts, each name once."""
    transitions: dict[str, Transition] = {}
    all_places, steps = dict(places), dict[str, Step]()
    for each in found:
        for part in each.parts:
            if part.id in transitions:
                raise BadDefinition(f"{each.path}.id", f'there is a transition "{part.id}" already')
            transitions[part.id] = part
        for place in each.places:
            if place.id in all_places:
                raise BadDefinition(f"{each.path}.id", f'needs the name "{place.id}", which is a place already')
            all_places[place.id] = place
        if each.step is not None:
            steps[each.step.id] = each.step
    transitions = {each.id: _carried(each, all_places) for each in transitions.values()}
    for each in found:
        undo = each.step.compensation if each.step is not None else None
        if undo is not None and undo.transition and undo.transition not in transitions:
            hint = nearest(undo.transition, transitions)
            raise BadDefinition(f"{each.path}.compensation.transition", f'no transition "{undo.transition}"{hint}')
    return Net(all_places, transitions, initial_place, steps)


def _carried(transition: Transition, places: Mapping[str, Place]) -> Transition:
    """A token belongs to its case, or to those who share it, for life: the carrier is an output of the case's own."""
    if not any(places[arc.place].scope != "case" for arc in transition.outputs):
        return transition
    outputs = tuple(sorted(transition.outputs, key=lambda arc: places[arc.place].scope != "case"))
    return replace(transition, outputs=outputs, carries=places[outputs[0].place].scope == "case")


def _places(written: Any) -> dict[str, Place]:
    places: dict[str, Place] = {}
    for index, item in enumerate(read_list(written, "places", MAXIMUM_PLACES, least=1)):
        path = f"places[{index}]"
        if isinstance(item, Mapping):
            given = without_nothing(item)
            only(given, path, ("id", "capacity", "scope"))
            capacity, scope = given.get("capacity"), given.get("scope", "case")
            place = Place(
                read_text(given.get("id"), f"{path}.id"),
                None if capacity is None else read_count(capacity, f"{path}.capacity", 10**9),
                read_choice(scope, f"{path}.scope", ("case", "workflow", "account")),  # type: ignore[arg-type]
            )
        else:
            place = Place(read_text(item, path))
        if place.id in places:
            raise BadDefinition(path, f'there is a place "{place.id}" already')
        places[place.id] = place
    return places


def _rules(written: Any) -> dict[str, Rule]:
    """The definition's own rules by name; they may name each other."""
    given = read_object(written, "rules")
    if len(given) > MAXIMUM_RULES:
        raise BadDefinition("rules", f"has {len(given)} entries; at most {MAXIMUM_RULES} are accepted")
    return parse_named_rules(given)


def _check_choices(net: Net, found: list[ReadTransition]) -> None:
    """An else stands against something, and a choice by guards alone has one: or a token could lie there for ever."""
    for each in found:
        first = net.transitions[each.parts[0].id]
        if first.otherwise:
            for arcs in first.alternatives:
                if not net.rivals(first, arcs):
                    places = ", ".join(arc.place for arc in arcs)
                    raise BadDefinition(f"{each.path}.else", f"no transition with conditions takes from {places} alone")
    for place, leaving in net.leaving.items():
        choices = [one for one in leaving if all(len(arcs) == 1 for arcs in one.alternatives)]
        guarded = [one for one in choices if one.guard and one.spontaneous and one.kind != "timer"]
        if len(guarded) > 1 and len(guarded) == len(leaving):
            path = next(each.path for each in found if each.parts[0].id == guarded[-1].id)
            said = ", ".join(f'"{one.id}"' for one in guarded)
            raise BadDefinition(
                f"{path}.conditions",
                f'{said} all leave "{place}" by conditions: where none holds a token would lie there for ever; '
                'give one of them "else": true instead of conditions, or add a transition with it',
            )
