"""Whatever the net and whatever is fired: what must hold does. Random nets, random firings, checked after every one."""

import json
from collections import Counter
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from workflows.core import run
from workflows.core.analysis.plain import plain_net
from workflows.core.analysis.structure import place_invariants
from workflows.core.binding import Binding, find_binding
from workflows.core.errors import NotEnabled
from workflows.core.marking import Marking, fold
from workflows.core.net import Net
from workflows.core.notation import compile_definition

PLACES = ("p0", "p1", "p2", "p3", "p4")
NAMES = st.sampled_from(PLACES)


def arcs(least: int, most: int) -> st.SearchStrategy[list[dict[str, Any]]]:
    arc = st.fixed_dictionaries({"place": NAMES, "weight": st.integers(1, 2)})
    return st.lists(arc, min_size=least, max_size=most, unique_by=lambda each: each["place"])


CONDITION = st.sampled_from(
    [
        {"type": "FieldGreaterThan", "field": "n", "value": 1},
        {"type": "Expression", "expression": "data.n < 3"},
        {"type": "Expression", "expression": "tokens.all(t, t.data.n >= 0)"},
    ]
)
FULL = st.fixed_dictionaries(
    {"inputs": arcs(1, 2), "outputs": arcs(0, 3)},
    optional={
        "reads": arcs(0, 1),
        "inhibitors": arcs(0, 1),
        "resets": st.lists(NAMES, max_size=1),
        "conditions": st.lists(CONDITION, max_size=1),
        "priority": st.integers(-1, 1),
        "correlation": st.just("data.n"),
        "after": st.sampled_from([0, 1, "PT2S"]),
    },
)
PLAIN = st.fixed_dictionaries({"inputs": arcs(1, 2), "outputs": arcs(1, 3)})
KINDS = st.sampled_from([{}, {"kind": "automatic"}, {"kind": "timer", "after": 2}])


@st.composite
def nets(draw: st.DrawFn, *, plain: bool) -> Net:
    capacities = st.none() if plain else st.sampled_from([None, None, 1, 3])
    places = [{"id": place, "capacity": draw(capacities)} for place in PLACES]
    transitions = []
    for index in range(draw(st.integers(1, 6))):
        kind = {} if plain else draw(KINDS)
        transitions.append({"id": f"t{index}", **draw(PLAIN if plain else FULL), **kind})
    written = {"name": "N", "places": places, "initialPlace": "p0", "transitions": transitions}
    guarded = [each for each in transitions if each.get("conditions")]
    for each in guarded if len(guarded) > 1 else []:
        each.pop("conditions")  # a choice by guards alone needs an else; this is not what is tried here
    compiled = compile_definition(json.loads(json.dumps(written)))
    assert compile_definition(json.loads(json.dumps(compiled.definition))).net == compiled.net
    return compiled.net


class Runs(RuleBasedStateMachine):
    """One case of one random net: tokens are put, fired by name, moved by themselves, and time passes."""

    plain = False

    @initialize(data=st.data())
    def begin(self, data: st.DataObject) -> None:
        self.case = run.Case(data.draw(nets(plain=self.plain)))
        self.checked = 0
        self.consumed: Counter[tuple[str, int]] = Counter()
        self.weightings = [dict(found) for found in _invariants(self.case.net)] if self.plain else []
        self.sums: list[int] = [0] * len(self.weightings)

    @rule(place=NAMES, n=st.integers(0, 3))
    def put(self, place: str, n: int) -> None:
        capacity = self.case.net.places[place].capacity
        if capacity is None or len(self.case.marking.at(place)) < capacity:
            self.case = run.put(self.case, place, {"n": n})
            self.sums = [
                total + weights.get(place, 0) for total, weights in zip(self.sums, self.weightings, strict=True)
            ]

    @precondition(lambda self: self.case.marking.tokens())
    @rule(data=st.data())
    def fire(self, data: st.DataObject) -> None:
        token = data.draw(st.sampled_from([each.id for each in self.case.marking.tokens()]))
        transition = data.draw(st.sampled_from(sorted(self.case.net.transitions)))
        before, found = (
            self.case,
            find_binding(
                self.case.net,
                self.case.net.transitions[transition],
                self.case.marking,
                _token(self.case, token),
                self.case.now,
            ),
        )
        try:
            self.case = run.fire_named(self.case, token, transition, {"fired": transition})
        except NotEnabled as refused:
            assert not isinstance(found, Binding)
            assert refused.details["reasons"]
            return
        carrier = self.case.marking.find(token)
        outputs = before.net.transitions[transition].outputs
        assert (carrier.place if carrier else None) == (outputs[0].place if outputs else None)

    @rule(seconds=st.sampled_from([0.0, 1.0, 2.5]))
    def wait(self, seconds: float) -> None:
        self.case = run.wait(self.case, seconds, limit=15)

    @invariant()
    def every_new_entry_keeps_the_rules(self) -> None:
        marking = fold(entry.change for entry in self.case.log[: self.checked])
        for entry in self.case.log[self.checked :]:
            if entry.transition:
                _check_firing(self.case.net, marking, entry)
            for token in entry.change.consumed:
                self.consumed[token.id, token.version] += 1
            marking = marking.apply(entry.change)
        self.checked = len(self.case.log)
        assert marking == self.case.marking
        assert [entry.seq for entry in self.case.log] == list(range(1, self.checked + 1))
        assert not [each for each, times in self.consumed.items() if times > 1]

    @invariant()
    def no_place_is_over_its_capacity(self) -> None:
        for place in self.case.net.places.values():
            assert place.capacity is None or len(self.case.marking.at(place.id)) <= place.capacity

    @invariant()
    def weighted_sums_stay(self) -> None:
        counts = self.case.marking.counts()
        found = [sum(weights.get(place, 0) * n for place, n in counts.items()) for weights in self.weightings]
        assert found == self.sums

    def teardown(self) -> None:
        if hasattr(self, "case"):
            assert _replayed(self.case) == self.case.marking


class PlainRuns(Runs):
    """The same on nets without guards, inhibitors, resets and capacities, where arithmetic says everything."""

    plain = True


def _token(case: run.Case, token_id: str) -> Any:
    return case.marking.find(token_id)


def _invariants(net: Net) -> list[dict[str, int]]:
    return [dict(each) for each in place_invariants(plain_net(net), 500).sets]


def _check_firing(net: Net, marking: Marking, entry: run.Entry) -> None:
    """By counting alone: what was taken and put is what the arcs say, and nothing forbade it."""
    transition = net.transitions[entry.transition]
    taken = Counter(token.place for token in entry.change.consumed)
    put = Counter(token.place for token in entry.change.produced)
    assert put == Counter({arc.place: arc.weight for arc in transition.outputs})
    assert all(len(marking.at(arc.place)) < arc.weight for arc in transition.inhibitors)
    weights = Counter({arc.place: arc.weight for arc in transition.alternatives[0]})
    for place in transition.resets:
        weights[place] = len(marking.at(place))
    assert taken == +weights
    for arc in transition.reads:
        assert len(marking.at(arc.place)) - weights[arc.place] >= arc.weight or arc.place in transition.resets
    bound = entry.change.consumed[: sum(arc.weight for arc in transition.alternatives[0])]
    assert entry.at + 0.01 >= transition.after + max(token.arrived for token in bound)


def _replayed(case: run.Case) -> Marking:
    """The log fired again from its names alone: the same tokens, ids and data."""
    again = run.Case(case.net)
    for entry in case.log:
        again = run.Case(case.net, again.marking, again.log, entry.at)
        if not entry.transition:
            token = entry.change.produced[0]
            again = run.put(again, token.place, token.data)
            continue
        data = {"fired": entry.transition} if _was_named(entry) else {}
        again = run.fire_named(again, entry.change.consumed[0].id, entry.transition, data)
    assert again.log == case.log
    return again.marking


def _was_named(entry: run.Entry) -> bool:
    return not entry.change.produced or entry.change.produced[0].data.get("fired") == entry.transition


QUICK = settings(
    max_examples=60,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
TestRuns = Runs.TestCase
TestRuns.settings = QUICK
TestPlainRuns = PlainRuns.TestCase
TestPlainRuns.settings = QUICK
