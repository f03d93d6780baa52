"""What fires by itself, in which order and when; choices, joins that correlate, outputs that say their data."""

from typing import Any

import pytest

from workflows.core import run
from workflows.core.errors import NotEnabled
from workflows.core.firing import available
from workflows.core.net import Net
from workflows.core.notation import compile_definition


def net_with(*transitions: dict[str, Any], places: str = "a b c d") -> Net:
    written = {"name": "N", "places": places.split(), "initialPlace": "a", "transitions": [*transitions]}
    return compile_definition(written).net


def auto(id_: str, source: str, target: str, **more: Any) -> dict[str, Any]:
    return {"id": id_, "kind": "automatic", "inputs": [source], "outputs": [target], **more}


def fired(case: run.Case) -> list[str]:
    return [entry.transition for entry in case.log if entry.transition]


def refusal(case: run.Case, token: str, transition: str) -> dict[str, Any]:
    with pytest.raises(NotEnabled) as caught:
        run.fire_named(case, token, transition)
    reason: dict[str, Any] = caught.value.details["reasons"][0]
    return reason


def test_automatic_transitions_fire_until_the_net_is_quiet() -> None:
    case = run.settle(run.put(run.Case(net_with(auto("s", "a", "b"), auto("t", "b", "c"))), "a"))
    assert fired(case) == ["s", "t"]
    assert case.marking.counts() == {"c": 1}


def test_highest_priority_first_then_the_oldest_enabling_then_the_order_of_definition() -> None:
    net = net_with(
        auto("low", "a", "d", priority=-1), auto("one", "b", "d"), auto("two", "c", "d"), auto("three", "c", "d")
    )
    case = run.Case(net)
    for place in ("a", "c", "b"):
        case = run.put(case, place)
    assert fired(run.settle(case)) == ["two", "one", "low"]


def test_a_named_firing_ignores_priority() -> None:
    case = run.put(run.Case(net_with(auto("low", "a", "b", priority=-1), auto("high", "a", "c", priority=1))), "a")
    assert fired(run.fire_named(case, "t1", "low")) == ["low"]


@pytest.mark.parametrize(("score", "way"), [(9, "good"), (1, "bad"), (5, "rest")])
def test_an_else_fires_where_no_condition_holds(score: int, way: str) -> None:
    net = net_with(
        auto("rest", "a", "d", **{"else": True}),
        auto("good", "a", "b", conditions=[{"type": "FieldGreaterThan", "field": "score", "value": 7}]),
        auto("bad", "a", "c", conditions=[{"type": "Expression", "expression": "data.score < 3"}]),
    )
    case = run.put(run.Case(net), "a", {"score": score})
    assert fired(run.settle(case)) == [way]
    if way != "rest":
        assert refusal(case, "t1", "rest") == {
            "kind": "else",
            "transition": way,
            "message": f'it is the else of "{way}", whose conditions hold',
        }


def test_a_timer_fires_when_it_is_due_and_not_before() -> None:
    case = run.put(
        run.Case(net_with({"id": "t", "kind": "timer", "fromPlaces": ["a"], "toPlace": "b", "after": 10})), "a"
    )
    case = run.wait(case, 9.9)
    assert fired(case) == []
    assert refusal(case, "t1", "t")["kind"] == "not_yet"
    assert [(entry.transition, entry.at) for entry in run.wait(case, 1).log[1:]] == [("t", 10.0)]


def test_a_timer_with_a_deadline_may_be_fired_from_after_and_fires_at_the_deadline() -> None:
    net = net_with({"id": "t", "kind": "timer", "fromPlaces": ["a"], "toPlace": "b", "after": 2, "deadline": 5})
    case = run.wait(run.put(run.Case(net), "a"), 3)
    assert fired(case) == []
    assert fired(run.fire_named(case, "t1", "t")) == ["t"]
    assert run.wait(case, 3).log[-1].at == 5.0


def test_a_token_that_came_back_waits_from_the_start() -> None:
    net = net_with(
        {"id": "t", "kind": "timer", "fromPlaces": ["a"], "toPlace": "b", "after": 10},
        {"id": "touch", "fromPlaces": ["a"], "toPlace": "a"},
    )
    case = run.fire_named(run.wait(run.put(run.Case(net), "a"), 9), "t1", "touch")
    assert fired(run.wait(case, 9)) == ["touch"]
    assert fired(run.wait(case, 10)) == ["touch", "t"]


def test_a_manual_transition_keeps_its_interval() -> None:
    net = net_with({"id": "t", "fromPlaces": ["a"], "toPlace": "b", "after": 1, "deadline": 3})
    case = run.put(run.Case(net), "a")
    assert refusal(case, "t1", "t")["kind"] == "not_yet"
    assert fired(run.fire_named(run.wait(case, 2), "t1", "t")) == ["t"]
    assert refusal(run.wait(case, 4), "t1", "t")["kind"] == "too_late"


def test_a_timer_held_back_by_an_inhibitor_fires_when_that_is_gone() -> None:
    net = net_with(
        {"id": "t", "kind": "timer", "inputs": ["a"], "outputs": ["b"], "after": 5, "inhibitors": ["c"]},
        {"id": "free", "fromPlaces": ["c"], "toPlace": "d"},
    )
    case = run.wait(run.put(run.put(run.Case(net), "a"), "c"), 8)
    assert fired(case) == []
    assert fired(run.settle(run.fire_named(case, "t2", "free"))) == ["free", "t"]


def test_tokens_meet_only_where_the_correlation_is_equal() -> None:
    net = net_with(
        {"id": "join", "inputs": ["a", "b"], "outputs": ["c"], "correlation": {"a": "data.id", "b": "data.order"}}
    )
    case = run.put(run.Case(net), "a", {"id": 7})
    for order in (1, 2, 7):
        case = run.put(case, "b", {"order": order})
    assert {token.id for token in run.fire_named(case, "t1", "join").log[-1].change.consumed} == {"t1", "t4"}
    case = run.put(run.put(run.Case(net), "a", {"id": 7}), "b", {"order": 8})
    assert refusal(case, "t1", "join")["message"] == '"b" has 0 of the 1 tokens needed where data.order = 7'
    case = run.put(run.put(run.Case(net), "a", {}), "b", {})
    assert refusal(case, "t1", "join")["kind"] == "correlation"


def test_correlation_finds_a_partner_behind_more_tokens_than_the_search_looks_at() -> None:
    case = run.Case(net_with({"id": "join", "inputs": ["a", "b"], "outputs": ["c"], "correlation": "data.k"}))
    marking = [run.Token(f"b{k}", "b", {"k": k}, entered=k + 1) for k in range(1_500)]
    case = run.Case(case.net, run.Marking([*marking, run.Token("x", "a", {"k": 1_499})]))
    after = run.fire_named(case, "x", "join")
    assert {token.id for token in after.log[-1].change.consumed} == {"x", "b1499"}


def test_outputs_say_what_their_tokens_carry() -> None:
    net = net_with(
        {
            "id": "t",
            "inputs": ["a", "b"],
            "outputs": [
                {"place": "c", "data": {"sum": "tokens[0].data.n + tokens[1].data.n", "by": "input.by"}},
                {"place": "d", "set": "{'copy': true}"},
            ],
        }
    )
    case = run.put(run.put(run.Case(net), "a", {"n": 1}), "b", {"n": 5})
    tokens = run.fire_named(case, "t1", "t", {"by": "me"}).marking.tokens()
    assert [(token.place, token.data) for token in tokens] == [
        ("c", {"sum": 6, "by": "me"}),
        ("d", {"n": 1, "by": "me", "copy": True}),
    ]
    reason = refusal(case, "t1", "t")
    assert (reason["kind"], reason["place"]) == ("expression", "c")
    assert reason["message"] == 'the output to "c": input.by: Key not found in map : "by"'


def test_a_failing_output_holds_back_only_its_own_transition() -> None:
    broken = {"place": "b", "data": {"n": "data.missing"}}
    net = net_with(auto("broken", "a", "b", outputs=[broken]), auto("next", "a", "c", priority=-1))
    assert fired(run.settle(run.put(run.Case(net), "a"))) == ["next"]


def test_a_step_starts_by_itself_and_its_outcomes_are_not_offered() -> None:
    net = net_with({"id": "ask", "kind": "agent", "fromPlaces": ["a"], "toPlace": "b", "work": {"agent": "x"}, "timeout": 60, "outcomes": {"cancelled": ["d"]}})  # fmt: skip
    case = run.settle(run.put(run.Case(net), "a"))
    token = case.marking.at("ask.running")[0]
    assert [each.id for each in available(net, case.marking, token, now=case.now)] == ["ask.cancelled"]
    assert fired(run.fire_named(case, "t1", "ask.ok")) == ["ask", "ask.ok"]
    assert run.wait(case, 61).marking.counts() == {"ask.failed": 1}


def test_an_endless_loop_of_automatic_transitions_stops_at_the_limit() -> None:
    case = run.put(run.Case(net_with(auto("s", "a", "b"), auto("t", "b", "a"))), "a")
    assert len(run.settle(case, limit=50).log) == 51
