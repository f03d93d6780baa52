"""The firing rule: what a binding takes, what a firing makes, and what holds after any number of them."""

import itertools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workflows.core.firing import Binding, amend, available, find_binding, fire
from workflows.core.marking import Change, DamagedLog, Marking, Token, fold
from workflows.core.net import Net
from workflows.core.notation import compile_definition


def net_of(*transitions: dict[str, Any], places: tuple[Any, ...] = ("a", "b", "c", "d")) -> Net:
    written = {"name": "n", "places": list(places), "initialPlace": "a", "transitions": list(transitions)}
    return compile_definition(written).net


def marking_of(**places: int) -> Marking:
    count = itertools.count(1)
    return Marking(
        Token(f"{place}{number}", place, {place: number}, entered=next(count))
        for place, amount in places.items()
        for number in range(1, amount + 1)
    )


def bind(net: Net, name: str, marking: Marking, token: str) -> Any:
    found = marking.find(token)
    assert found is not None
    return find_binding(net, net.transitions[name], marking, found)


def ids(tokens: tuple[Token, ...]) -> list[str]:
    return [token.id for token in tokens]


def kinds(reasons: Any) -> list[str]:
    assert isinstance(reasons, list)
    return [reason["kind"] for reason in reasons]


def test_a_join_takes_the_named_token_and_the_oldest_partners() -> None:
    net = net_of({"id": "join", "inputs": ["a", {"place": "b", "weight": 2}], "outputs": ["c", "d"]})
    marking = marking_of(a=2, b=3)
    binding = bind(net, "join", marking, "a2")
    assert ids(binding.consumed) == ["a2", "b1", "b2"]
    change = fire(binding, {"x": 1}, {"m": 1}, 9, iter(["new"]).__next__)
    carrier, child = change.produced
    assert (carrier.id, carrier.place, carrier.version, carrier.entered) == ("a2", "c", 2, 9)
    assert (child.id, child.place, child.version, child.entered) == ("new", "d", 1, 9)
    # The oldest partner's fields win over the younger's, the named token's over both, what is handed in over all.
    assert carrier.data == {"b": 1, "a": 2, "x": 1}
    assert (carrier.metadata, child.data) == ({"m": 1}, carrier.data)
    assert marking.apply(change).counts() == {"a": 1, "b": 1, "c": 1, "d": 1}


def test_the_named_token_is_among_those_of_its_own_place() -> None:
    net = net_of({"id": "pair", "inputs": [{"place": "a", "weight": 2}], "outputs": ["b"]})
    assert ids(bind(net, "pair", marking_of(a=3), "a3").consumed) == ["a3", "a1"]


def test_any_of_takes_from_the_place_the_token_is_in() -> None:
    net = net_of({"id": "t", "fromPlaces": ["a", "b"], "toPlace": "c"})
    assert ids(bind(net, "t", marking_of(a=1, b=1), "b1").consumed) == ["b1"]


def test_a_token_elsewhere_is_told_where_it_must_be() -> None:
    net = net_of({"id": "t", "fromPlaces": ["a", "b"], "toPlace": "c"})
    (reason,) = bind(net, "t", marking_of(c=1), "c1")
    assert reason["message"] == 'the token is in "c" and must be in "a" or "b"'


def test_each_reason_why_not_has_its_kind() -> None:
    net = net_of(
        {
            "id": "t",
            "inputs": ["a", {"place": "b", "weight": 2}],
            "outputs": ["d"],
            "inhibitors": [{"place": "c", "weight": 2}],
        },
        places=("a", "b", "c", {"id": "d", "capacity": 1}),
    )
    assert kinds(bind(net, "t", marking_of(a=1, b=1, c=2, d=1), "a1")) == ["missing_tokens", "inhibited", "full"]
    assert isinstance(bind(net, "t", marking_of(a=1, b=2, c=1), "a1"), Binding)


def test_read_arcs_want_their_tokens_among_the_rest() -> None:
    net = net_of({"id": "t", "inputs": ["a"], "outputs": ["b"], "reads": ["a"]})
    assert kinds(bind(net, "t", marking_of(a=1), "a1")) == ["missing_tokens"]
    assert ids(bind(net, "t", marking_of(a=2), "a1").consumed) == ["a1"]


def test_a_reset_sweeps_the_rest_of_the_place_and_frees_its_capacity() -> None:
    net = net_of(
        {"id": "t", "inputs": ["a"], "outputs": ["b"], "resets": ["b", "a"]}, places=("a", {"id": "b", "capacity": 1})
    )
    binding = bind(net, "t", marking_of(a=2, b=1), "a2")
    assert ids(binding.swept) == ["b1", "a1"]
    after = marking_of(a=2, b=1).apply(fire(binding, {}, {}, 5, str))
    assert after.counts() == {"b": 1}


def test_taking_from_a_full_place_makes_room_in_it() -> None:
    net = net_of({"id": "t", "fromPlaces": ["a"], "toPlace": "a"}, places=({"id": "a", "capacity": 1},))
    assert isinstance(bind(net, "t", marking_of(a=1), "a1"), Binding)


def test_the_guard_chooses_the_first_partner_that_passes() -> None:
    rule = {"type": "FieldEquals", "field": "b", "value": 3}
    net = net_of({"id": "t", "inputs": ["a", "b"], "outputs": ["c"], "conditions": [rule]})
    assert ids(bind(net, "t", marking_of(a=1, b=4), "a1").consumed) == ["a1", "b3"]
    (reason,) = bind(net, "t", marking_of(a=1, b=2), "a1")
    assert reason == {"kind": "guard", "condition": 0, "message": "b is 1 and must equal 3"}


def test_the_search_for_partners_ends() -> None:
    rule = {"type": "FieldEquals", "field": "b", "value": -1}
    net = net_of({"id": "t", "inputs": ["a", {"place": "b", "weight": 5}, "c"], "outputs": ["d"], "conditions": [rule]})
    assert kinds(bind(net, "t", marking_of(a=1, b=60, c=60), "a1")) == ["guard", "search_limit"]


def test_an_amended_token_keeps_its_turn() -> None:
    token = Token("t", "a", {"x": 1, "y": {"z": 1}}, {"m": 1}, version=3, entered=2)
    change = amend(token, {"y": {}}, {"n": 2})
    assert change == Change((token,), (Token("t", "a", {"x": 1, "y": {}}, {"m": 1, "n": 2}, 4, 2),))


def test_a_log_that_does_not_fit_together_is_found() -> None:
    token = Token("t", "a")
    with pytest.raises(DamagedLog, match="is consumed but not there"):
        fold([Change((token,), ())])
    with pytest.raises(DamagedLog, match="version 2 is consumed but there as version 1"):
        fold([Change((), (token,)), Change((Token("t", "a", version=2),), ())])
    with pytest.raises(DamagedLog, match="is produced but is there already"):
        fold([Change((), (token,)), Change((), (token,))])


PLACES = ("p0", "p1", "p2", "p3")
arc = st.builds(lambda place, weight: {"place": place, "weight": weight}, st.sampled_from(PLACES), st.integers(1, 2))


def arcs(least: int = 0) -> st.SearchStrategy[list[dict[str, Any]]]:
    return st.lists(arc, min_size=least, max_size=2, unique_by=lambda each: each["place"])


@st.composite
def nets(draw: st.DrawFn) -> Net:
    capacities = draw(st.lists(st.none() | st.integers(1, 4), min_size=4, max_size=4))
    transitions = [
        {
            "id": f"t{number}",
            "inputs": draw(arcs(1)),
            "outputs": draw(arcs()),
            "reads": draw(arcs()),
            "inhibitors": draw(arcs()),
            "resets": draw(st.lists(st.sampled_from(PLACES), max_size=1)),
        }
        for number in range(draw(st.integers(1, 4)))
    ]
    places = [{"id": place, "capacity": capacity} for place, capacity in zip(PLACES, capacities, strict=True)]
    written = {"name": "random", "places": places, "initialPlace": "p0", "transitions": transitions}
    return compile_definition(written).net


@settings(max_examples=200, deadline=None)
@given(
    net=nets(),
    start=st.lists(st.sampled_from(PLACES), min_size=1, max_size=6),
    picks=st.lists(st.integers(0, 10**6), max_size=25),
)
def test_the_marking_is_the_fold_of_the_log_and_no_version_is_used_twice(
    net: Net, start: list[str], picks: list[int]
) -> None:
    def run() -> tuple[Marking, list[Change]]:
        new = (f"n{number:04}" for number in itertools.count())
        log = [Change((), (Token(f"s{number}", place, entered=0),)) for number, place in enumerate(start)]
        marking = fold(log)
        for seq, pick in enumerate(picks, 1):
            choices = [(token, step) for token in marking.tokens() for step in available(net, marking, token)]
            if not choices:
                break
            token, step = choices[pick % len(choices)]
            before = marking.counts()
            binding = find_binding(net, step, marking, token)
            assert isinstance(binding, Binding)
            assert token in binding.consumed
            change = fire(binding, {"seq": seq}, {}, seq, lambda: next(new))
            marking = marking.apply(change)
            log.append(change)
            _follows_the_rule(net, step, before, marking.counts())
        return marking, log

    marking, log = run()
    assert fold(log) == marking
    assert run() == (marking, log), "the same choices replay to the same log"
    consumed = [(token.id, token.version) for change in log for token in change.consumed]
    produced = [(token.id, token.version) for change in log for token in change.produced]
    assert len(consumed) == len(set(consumed))
    assert len(produced) == len(set(produced))
    assert set(consumed) <= set(produced)


def _follows_the_rule(net: Net, step: Any, before: dict[str, int], after: dict[str, int]) -> None:
    """The counts obey W- and W+, resets, capacities and inhibitors, worked out here without the engine."""
    taken = {arc.place: arc.weight for arc in step.alternatives[0]}
    given_out = {arc.place: arc.weight for arc in step.outputs}
    for place in PLACES:
        left = 0 if place in step.resets else before.get(place, 0) - taken.get(place, 0)
        assert before.get(place, 0) >= taken.get(place, 0)
        assert after.get(place, 0) == left + given_out.get(place, 0)
        if given_out.get(place):
            assert after.get(place, 0) <= (net.places[place].capacity or 10**9)
    for arc in step.inhibitors:
        assert before.get(arc.place, 0) < arc.weight
    for arc in step.reads:
        assert before.get(arc.place, 0) - taken.get(arc.place, 0) >= arc.weight
