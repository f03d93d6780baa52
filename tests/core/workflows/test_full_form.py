"""The full form: kinds, intervals, expressions, correlation, steps that work outside; every fault has its path."""

import json
from pathlib import Path
from typing import Any

import pytest

from workflows.core.errors import BadDefinition
from workflows.core.net import Net
from workflows.core.notation import compile_definition


def net_with(*transitions: dict[str, Any], places: list[Any] | None = None, **more: Any) -> Net:
    written = {"name": "N", "places": places or ["a", "b", "c"], "initialPlace": "a", "transitions": [*transitions]}
    return compile_definition(json.loads(json.dumps({**written, **more}))).net


def step(**more: Any) -> dict[str, Any]:
    return {"id": "ask", "kind": "agent", "fromPlaces": ["a"], "toPlace": "b", "work": {"agent": "x"}, **more}


def test_a_working_step_becomes_its_plain_transitions() -> None:
    net = net_with(step(timeout="PT5M", outcomes={"timeout": ["c"], "cancelled": ["a"]}, retries={"maxAttempts": 2}))
    shown = {each.id: (each.kind, each.role, [arc.place for arc in each.outputs]) for each in net.transitions.values()}
    assert shown == {
        "ask": ("agent", "start", ["ask.running"]),
        "ask.ok": ("outcome", "ok", ["b"]),
        "ask.failed": ("outcome", "failed", ["ask.failed"]),
        "ask.timeout": ("timer", "timeout", ["c"]),
        "ask.cancelled": ("manual", "cancelled", ["a"]),
    }
    assert list(net.places) == ["a", "b", "c", "ask.running", "ask.failed"]
    assert (net.transitions["ask.timeout"].due, net.steps["ask"].retries.attempts) == (300.0, 2)
    assert net.running["ask.running"].transition_for("ok") == "ask.ok"


def test_an_outcome_without_a_way_of_its_own_goes_the_way_of_failed() -> None:
    net = net_with(step(outcomes={"failed": ["c"]}))
    assert [net.steps["ask"].transition_for(each) for each in ("ok", "timeout", "cancelled")] == [
        "ask.ok",
        "ask.failed",
        "ask.failed",
    ]
    assert list(net.places) == ["a", "b", "c", "ask.running"]


def test_durations_are_seconds_or_iso_8601() -> None:
    written = {"id": "t", "kind": "timer", "fromPlaces": ["a"], "toPlace": "b"}
    shown = {"P1DT2H": 93_600.0, "PT0.5S": 0.5, "P2W": 1_209_600.0, 90: 90.0}
    assert {each: net_with({**written, "after": each}).transitions["t"].due for each in shown} == shown


def test_the_carrier_is_the_first_output() -> None:
    net = net_with({"id": "t", "inputs": ["a"], "outputs": ["b", "c"], "carrier": "c"})
    assert [arc.place for arc in net.transitions["t"].outputs] == ["c", "b"]


def test_a_string_condition_names_a_stored_rule() -> None:
    rule = {"type": "Expression", "expression": "data.score > 5"}
    net = net_with({"id": "t", "fromPlaces": ["a"], "toPlace": "b", "conditions": ["good"]}, rules={"good": rule})
    assert net.transitions["t"].guard[0].expression.source == "data.score > 5"  # type: ignore[union-attr]


def test_compiling_what_was_kept_gives_the_same_net() -> None:
    written = {
        "name": "N",
        "places": ["a", {"id": "b", "scope": "workflow", "capacity": 2}],
        "initialPlace": "a",
        "transitions": [
            step(compensation={"kind": "webhook", "reference": "undo"}),
            {
                "name": "Go on",
                "inputs": ["a"],
                "outputs": [{"place": "b", "set": {"n": "data.n + 1"}}],
                "after": "PT1S",
            },
        ],
    }
    first = compile_definition(written)
    again = compile_definition(json.loads(json.dumps(first.definition)))
    assert (again.net, again.definition) == (first.net, first.definition)


GUARDED = {"type": "FieldExists", "field": "x"}
FAULTS: dict[str, tuple[list[dict[str, Any]], str]] = {
    "kind": ([{"id": "t", "kind": "agnet", "fromPlaces": ["a"], "toPlace": "b"}], 'transitions[0].kind: \'agnet\' is not known; did you mean "agent"?'),
    "outcome is no kind": ([{"id": "t", "kind": "outcome", "fromPlaces": ["a"], "toPlace": "b"}], "transitions[0].kind: 'outcome' is not known; known: manual, automatic, timer, agent, function, human, workflow, signal"),
    "timer": ([{"id": "t", "kind": "timer", "fromPlaces": ["a"], "toPlace": "b"}], "transitions[0].after: a timer says after which time it fires"),
    "duration": ([{"id": "t", "fromPlaces": ["a"], "toPlace": "b", "after": "5 minutes"}], "transitions[0].after: '5 minutes' is no duration; write seconds, or ISO 8601 such as \"PT15M\" or \"P2D\""),
    "months": ([{"id": "t", "fromPlaces": ["a"], "toPlace": "b", "after": "P1M"}], "transitions[0].after: 'P1M' is no duration; write seconds, or ISO 8601 such as \"PT15M\" or \"P2D\""),
    "interval": ([{"id": "t", "fromPlaces": ["a"], "toPlace": "b", "after": 5, "deadline": 4}], "transitions[0].deadline: comes before `after`"),
    "no agent": ([step(work={})], "transitions[0].work.agent: is missing"),
    "work key": ([step(work={"agent": "x", "inputs": {}})], 'transitions[0].work.inputs: unknown key; did you mean "input"?'),
    "work of manual": ([{"id": "t", "fromPlaces": ["a"], "toPlace": "b", "retries": {}}], "transitions[0].retries: a transition of kind manual has none; kinds with it: agent, function, human, workflow"),
    "outcome place": ([step(outcomes={"failed": ["d"]})], 'transitions[0].outcomes.failed[0]: no place "d"'),
    "outcome": ([step(outcomes={"ok": ["b"]})], "transitions[0].outcomes.ok: unknown key; known: failed, timeout, cancelled"),
    "expression": ([{"id": "t", "inputs": ["a"], "outputs": [{"place": "b", "data": {"n": "dta.n"}}]}], "transitions[0].outputs[0].data.n: is no expression: <input>:1:4: undeclared reference to 'dta.n' (in container '') | dta.n | ...^ [INVALID_ARGUMENT]"),
    "carrier": ([{"id": "t", "inputs": ["a"], "outputs": ["b"], "carrier": "c"}], "transitions[0].carrier: 'c' is no output place of this transition"),
    "correlation": ([{"id": "t", "inputs": ["a", "b"], "outputs": [], "correlation": {"a": "data.k"}}], 'transitions[0].correlation: says nothing of the input place "b"'),
    "else alone": ([{"id": "t", "kind": "automatic", "fromPlaces": ["a"], "toPlace": "b", "else": True}], "transitions[0].else: no transition with conditions takes from a alone"),
    "compensation": ([step(compensation={"transition": "undo"})], 'transitions[0].compensation.transition: no transition "undo"'),
    "name taken": ([{"id": "ask.ok", "fromPlaces": ["a"], "toPlace": "b"}, step()], 'transitions[1].id: there is a transition "ask.ok" already'),
    "no else": (
        [{"id": each, "kind": "automatic", "fromPlaces": ["a"], "toPlace": "b", "conditions": [GUARDED]} for each in ("s", "t")],
        'transitions[1].conditions: "s", "t" all leave "a" by conditions: where none holds a token would lie there for ever; give one of them "else": true instead of conditions, or add a transition with it',
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_told_with_its_path(name: str) -> None:
    transitions, message = FAULTS[name]
    with pytest.raises(BadDefinition) as caught:
        net_with(*transitions)
    assert str(caught.value) == message


def test_the_definition_of_the_reference_page_compiles() -> None:
    page = (Path(__file__).parents[3] / "docs" / "reference" / "workflow-notation.md").read_text()
    written = page.split("```json\n")[1].split("```")[0]
    net = compile_definition(json.loads(written)).net
    assert {each.id for each in net.spontaneous} == {"sort", "sort.timeout", "pay", "review"}
