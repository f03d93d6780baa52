"""Definitions compile to nets, and every fault is told with its path."""

from typing import Any

import pytest

from workflows.core.errors import BadDefinition
from workflows.core.guard import AllOf, FieldRule, Negation
from workflows.core.net import Arc, Place
from workflows.core.notation import MAXIMUM_PLACES, compile_definition

REVIEW: dict[str, Any] = {
    "name": "Review",
    "places": ["draft", "review", "done"],
    "initialPlace": "draft",
    "transitions": [
        {"id": "submit", "name": "Submit", "fromPlaces": ["draft", "done"], "toPlace": "review"},
        {"id": "finish", "fromPlaces": ["review"], "toPlace": "done"},
    ],
}


def changed(**changes: Any) -> dict[str, Any]:
    return {**REVIEW, **changes}


def with_transition(**transition: Any) -> dict[str, Any]:
    return changed(transitions=[*REVIEW["transitions"], {"id": "extra", **transition}])


def fault(written: Any) -> str:
    with pytest.raises(BadDefinition) as caught:
        compile_definition(written)
    assert caught.value.details["path"] == caught.value.path
    return str(caught.value)


def test_the_short_form_gives_one_alternative_per_source_place() -> None:
    net = compile_definition(REVIEW).net
    assert list(net.places) == ["draft", "review", "done"]
    assert net.initial_place == "draft"
    submit = net.transitions["submit"]
    assert submit.alternatives == ((Arc("draft"),), (Arc("done"),))
    assert submit.outputs == (Arc("review"),)
    assert [transition.id for transition in net.leaving["draft"]] == ["submit"]
    assert net.transitions["finish"].name == "finish"


def test_the_full_form_needs_all_its_inputs() -> None:
    net = compile_definition(
        changed(
            places=["draft", {"id": "review", "capacity": 3}, "done"],
            transitions=[
                {
                    "id": "all",
                    "inputs": ["draft", {"place": "review", "weight": 2}],
                    "outputs": ["done"],
                    "reads": ["done"],
                    "inhibitors": [{"place": "done", "weight": 5}],
                    "resets": ["draft"],
                    "priority": 7,
                }
            ],
        )
    ).net
    every = net.transitions["all"]
    assert every.alternatives == ((Arc("draft"), Arc("review", 2)),)
    assert (every.reads, every.inhibitors, every.resets, every.priority) == (
        (Arc("done"),),
        (Arc("done", 5),),
        ("draft",),
        7,
    )
    assert net.places["review"] == Place("review", 3)


def test_conditions_are_parsed_once() -> None:
    rule = {
        "type": "And",
        "rules": [
            {"type": "FieldExists", "field": "a"},
            {"type": "Not", "rule": {"type": "FieldEquals", "field": "b", "value": 1}},
        ],
    }
    net = compile_definition(with_transition(fromPlaces=["draft"], toPlace="done", conditions=[rule])).net
    parsed = AllOf((FieldRule("FieldExists", "a"), Negation(FieldRule("FieldEquals", "b", 1))))
    assert net.transitions["extra"].guard == (parsed,)


def test_a_transition_without_an_id_gets_one_of_its_name() -> None:
    compiled = compile_definition(
        changed(transitions=[{"name": "Send it!", "fromPlaces": ["draft"], "toPlace": "done"}])
    )
    assert list(compiled.net.transitions) == ["send_it"]
    assert compiled.definition["transitions"][0]["id"] == "send_it"


def test_what_was_compiled_compiles_again_to_the_same() -> None:
    once = compile_definition({**REVIEW, "description": None})
    again = compile_definition(once.definition)
    assert again.definition == once.definition
    assert "description" not in once.definition


MANY = [f"p{number}" for number in range(MAXIMUM_PLACES + 1)]
FAULTS: dict[str, tuple[Any, str]] = {
    "no object": ([], "definition: must be a JSON object, not list"),
    "no name": (changed(name=None), "name: is missing"),
    "empty name": (changed(name=" "), "name: must be a non-empty string"),
    "places is text": (changed(places="draft"), "places: must be a list, not str"),
    "no place": (changed(places=[]), "places: has 0 entries; 1 to 1000 are accepted"),
    "too many places": (changed(places=MANY), "places: has 1001 entries; 1 to 1000 are accepted"),
    "place twice": (changed(places=["draft", "draft"]), 'places[1]: there is a place "draft" already'),
    "place is a number": (changed(places=[1]), "places[0]: must be a non-empty string"),
    "capacity 0": (
        changed(places=[{"id": "draft", "capacity": 0}]),
        "places[0].capacity: must be an integer from 1 to 1000000000",
    ),
    "initial place": (changed(initialPlace="drat"), 'initialPlace: no place "drat"; did you mean "draft"?'),
    "no initial place": (changed(initialPlace=None), "initialPlace: is missing"),
    "unknown key": (changed(startPlace="draft"), 'startPlace: unknown key; did you mean "initialPlace"?'),
    "transition is text": (changed(transitions=["x"]), "transitions[0]: must be an object, not str"),
    "to place": (
        with_transition(fromPlaces=["draft"], toPlace="revew"),
        'transitions[2].toPlace: no place "revew"; did you mean "review"?',
    ),
    "from place": (
        with_transition(fromPlaces=["draft", "x"], toPlace="done"),
        'transitions[2].fromPlaces[1]: no place "x"',
    ),
    "no from place": (
        with_transition(fromPlaces=[], toPlace="done"),
        "transitions[2].fromPlaces: has 0 entries; 1 to 100 are accepted",
    ),
    "no flow": (with_transition(), "transitions[2].fromPlaces: is missing"),
    "no to place": (with_transition(fromPlaces=["draft"]), "transitions[2].toPlace: is missing"),
    "id twice": (
        changed(transitions=[REVIEW["transitions"][0]] * 2),
        'transitions[1].id: there is a transition "submit" already',
    ),
    "neither id nor name": (
        changed(transitions=[{"fromPlaces": ["draft"], "toPlace": "done"}]),
        "transitions[0].id: is missing",
    ),
    "misspelt key": (
        with_transition(fromPlace=["draft"], toPlace="done"),
        'transitions[2].fromPlace: unknown key; did you mean "fromPlaces"?',
    ),
    "both forms": (
        with_transition(fromPlaces=["draft"], toPlace="done", inputs=["draft"]),
        "transitions[2].inputs: use either fromPlaces and toPlace or inputs and outputs, not fromPlaces too",
    ),
    "weight 0": (
        with_transition(inputs=[{"place": "draft", "weight": 0}], outputs=[]),
        "transitions[2].inputs[0].weight: must be an integer from 1 to 1000",
    ),
    "arc twice": (
        with_transition(inputs=["draft", "draft"]),
        'transitions[2].inputs[1]: there is an arc with "draft" already; give it a weight instead',
    ),
    "reset place": (with_transition(inputs=["draft"], resets=["x"]), 'transitions[2].resets[0]: no place "x"'),
    "priority": (
        with_transition(inputs=["draft"], priority=True),
        "transitions[2].priority: must be an integer between -1000000 and 1000000",
    ),
    "rule type": (
        with_transition(fromPlaces=["draft"], toPlace="done", conditions=[{"type": "FieldIs"}]),
        "transitions[2].conditions[0].type: no rule type 'FieldIs'; known: FieldExists, FieldEquals, FieldGreaterThan, FieldLessThan, FieldContains, And, Or, Not, Expression",
    ),
    "rule inside": (
        with_transition(
            fromPlaces=["draft"], toPlace="done", conditions=[{"type": "Not", "rule": {"type": "FieldExists"}}]
        ),
        "transitions[2].conditions[0].rule.field: must be the dotted path of a field, e.g. document.author",
    ),
    "rule by name": (
        with_transition(fromPlaces=["draft"], toPlace="done", conditions=["is_ready"]),
        "transitions[2].conditions[0]: there is no stored rule 'is_ready'; store it (`createRule`), write the rule itself, "
        'e.g. {"type": "FieldExists", "field": "document"}, or leave it out',
    ),
    "rule with a misspelt key": (
        with_transition(
            fromPlaces=["draft"], toPlace="done", conditions=[{"type": "FieldEquals", "field": "a", "val": 1}]
        ),
        "transitions[2].conditions[0].val: unknown key; a FieldEquals has type, field, value",
    ),
    "rule compares text": (
        with_transition(
            fromPlaces=["draft"], toPlace="done", conditions=[{"type": "FieldLessThan", "field": "a", "value": "1"}]
        ),
        "transitions[2].conditions[0].value: must be a number, not str",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_told_with_its_path(name: str) -> None:
    written, message = FAULTS[name]
    assert fault(written) == message


def test_rules_nested_without_end_are_refused() -> None:
    rule: dict[str, Any] = {"type": "FieldExists", "field": "a"}
    for _ in range(20):
        rule = {"type": "Not", "rule": rule}
    message = fault(with_transition(fromPlaces=["draft"], toPlace="done", conditions=[rule]))
    assert message.endswith("rules are nested more than 16 deep")


def test_a_definition_nested_without_end_is_refused() -> None:
    deep: Any = []
    for _ in range(5_000):
        deep = [deep]
    assert "nested more than 64 deep" in fault(changed(description=deep))
