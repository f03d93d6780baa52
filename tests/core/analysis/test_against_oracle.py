"""Thousands of small random nets: every verdict of the analysis is the naive oracle's, every trace replays."""

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.core.analysis.oracle import Truth, replay, steps, truth
from workflows.core.analysis.plain import PlainNet, plain_net
from workflows.core.analysis.properties import final_places, is_final
from workflows.core.analysis.questions import Prices, unreachable_without
from workflows.core.analysis.reachability import explore
from workflows.core.analysis.report import analyse_plain
from workflows.core.analysis.structure import place_invariants, siphons, state_equation, transition_invariants, traps
from workflows.core.analysis.verdict import Answer, Limits
from workflows.core.analysis.walk import walk
from workflows.core.net import Arc, Net, Place, Transition

MANY = settings(max_examples=400, deadline=None)
LIMITS = Limits(states=400, vectors=5_000)


@st.composite
def nets(draw: st.DrawFn, plain: bool = False) -> PlainNet:
    places = [f"p{number}" for number in range(draw(st.integers(2, 4)))]
    one = st.builds(Arc, st.sampled_from(places), st.integers(1, 2))
    arcs = st.lists(one, max_size=2, unique_by=lambda arc: arc.place)
    some_arcs = st.lists(one, min_size=1, max_size=2, unique_by=lambda arc: arc.place)
    some = st.just(()) if plain else arcs.map(tuple)
    transitions = {}
    for number in range(draw(st.integers(1, 4))):
        name = f"t{number}"
        transitions[name] = Transition(
            name,
            name,
            alternatives=tuple(tuple(draw(some_arcs)) for _ in range(draw(st.integers(1, 2)))),
            outputs=tuple(draw(arcs)),
            reads=draw(some),
            inhibitors=draw(some),
            resets=() if plain else tuple(draw(st.lists(st.sampled_from(places), max_size=1))),
        )
    capacity = st.none() if plain else st.sampled_from([None, None, 2])
    net = Net({place: Place(place, draw(capacity)) for place in places}, transitions, places[0])
    return plain_net(net, {place: draw(st.integers(0, 2)) for place in places})


@MANY
@given(nets())
def test_the_graph_is_the_whole_truth(net: PlainNet) -> None:
    known = truth(net)
    graph = explore(net, LIMITS.states)
    if known is None:
        assert not graph.complete
        return
    assert graph.complete
    assert set(graph.states) == known.markings
    edges = {
        (graph.states[start], net.rows[row].transition, graph.states[to])
        for start, leaving in enumerate(graph.edges)
        for row, to in leaving
    }
    assert edges == known.firings
    assert all(replay(net, graph.trace(state)) == marking for state, marking in enumerate(graph.states))


@MANY
@given(nets(), st.integers(0, 30), st.randoms(use_true_random=False))
def test_a_walk_is_a_run_of_the_net(net: PlainNet, firings: int, chance: random.Random) -> None:
    labels: list[str] = []

    def pick(enabled: list[int]) -> int:
        chosen = chance.choice(enabled)
        labels.append(net.rows[chosen].label)
        return chosen

    found = walk(net, firings, pick)
    assert replay(net, tuple(labels)) == found.marking
    assert found.stuck == (not steps(net, found.marking) and len(labels) < firings)
    assert sum(found.fired) == len(labels) <= firings


@MANY
@given(nets())
def test_every_verdict_is_the_oracles(net: PlainNet) -> None:
    known = truth(net)
    report = analyse_plain(net, Prices(), LIMITS)
    if known is None:
        assert report.bounded.answer is not Answer.TRUE or net.is_plain
        return
    dead = {to for to in known.markings if not known.after(to) and not is_final(net, to)}
    assert report.bounded.answer is Answer.TRUE
    assert (report.deadlock_free.answer is Answer.FALSE) == bool(dead)
    if dead:
        assert replay(net, report.deadlock_free.trace or ()) in dead
    fired = {name for _, name, _ in known.firings}
    assert set(report.dead_transitions.witness) == set(net.transitions) - fired
    assert report.live.holds == all(
        {name for start, name, _ in known.firings if start in known.reach(marking)} == set(net.transitions)
        for marking in known.markings
    )
    assert report.sound.holds == _sound(net, known, fired)


def _sound(net: PlainNet, known: Truth, fired: set[str]) -> bool:
    finals = [marking for marking in known.markings if is_final(net, marking)]
    covers = [marking for marking in known.markings if any(marking[place] for place in final_places(net))]
    return (
        bool(final_places(net))
        and all(any(final in known.reach(marking) for final in finals) for marking in known.markings)
        and all(sum(marking) == 1 for marking in covers)
        and fired == set(net.transitions)
    )


@MANY
@given(nets(plain=True))
def test_plain_nets_are_never_unknown_when_they_pump(net: PlainNet) -> None:
    report = analyse_plain(net, Prices(), LIMITS)
    if report.bounded.answer is Answer.FALSE:
        trace = report.bounded.trace or ()
        grown = replay(net, trace)
        assert any(
            all(there <= here for there, here in zip(replay(net, trace[:cut]), grown, strict=True))
            and replay(net, trace[:cut]) != grown
            for cut in range(len(trace))
        ), "the trace ends above a marking it went through"
    elif truth(net) is not None:
        assert report.bounded.answer is Answer.TRUE


@MANY
@given(nets())
def test_invariants_siphons_and_traps_hold_along_every_firing(net: PlainNet) -> None:
    known = truth(net, most=100)
    if known is None:
        return
    index = {place: at for at, place in enumerate(net.places)}
    for weights in place_invariants(net, 5_000).sets:
        totals = {
            sum(marking[index[place]] * weight for place, weight in weights.items()) for marking in known.markings
        }
        assert len(totals) == 1
    for kind, found in (("siphon", siphons(net, 5_000)), ("trap", traps(net, 5_000))):
        for places in found.sets:
            at = [index[place] for place in places]
            for start, name, to in known.firings:
                resets = any(row.resets for row in net.rows if row.transition == name)
                if kind == "siphon" and not any(start[place] for place in at):
                    assert not any(to[place] for place in at)
                if kind == "trap" and any(start[place] for place in at) and not resets:
                    assert any(to[place] for place in at)
    for weights in transition_invariants(net, 5_000).sets:
        labels = {row.label: dict(row.change) for row in net.rows}
        for place in range(len(net.places)):
            assert sum(labels[label].get(place, 0) * count for label, count in weights.items()) == 0


@MANY
@given(nets(plain=True), st.lists(st.integers(0, 3), min_size=4, max_size=4))
def test_the_state_equation_never_rules_out_a_reachable_marking(net: PlainNet, guess: list[int]) -> None:
    known = truth(net, most=100)
    if known is None:
        return
    for marking in known.markings:
        assert state_equation(net, marking).answer is Answer.UNKNOWN
    target = tuple(guess[: len(net.places)])
    if state_equation(net, target).answer is Answer.FALSE:
        assert target not in known.markings


@MANY
@given(nets(), st.data())
def test_worst_price_is_the_dearest_run(net: PlainNet, data: st.DataObject) -> None:
    known = truth(net, most=60)
    if known is None:
        return
    prices = {name: data.draw(st.integers(0, 3)) for name in net.transitions}
    worst = analyse_plain(net, Prices(prices), LIMITS).worst_price
    best, rounds = dict.fromkeys(known.markings, 0), 0
    while True:  # Bellman's relaxation: still growing after as many rounds as markings means a paying loop
        grown = dict(best)
        for start, name, to in known.firings:
            grown[start] = max(grown[start], prices[name] + best[to])
        rounds += 1
        if grown == best or rounds > len(known.markings):
            break
        best = grown
    if worst.answer is Answer.FALSE:
        assert rounds > len(known.markings)
        rows = {row.label: row.transition for row in net.rows}
        assert sum(prices[rows[label]] for label in worst.loop) > 0
        before = replay(net, worst.trace[: -len(worst.loop)])
        assert replay(net, worst.trace) == before, "the loop comes back to where it began"
    else:
        assert worst.answer is Answer.TRUE
        assert worst.nano == best[net.initial]
        rows = {row.label: row.transition for row in net.rows}
        replay(net, worst.trace)
        assert sum(prices[rows[label]] for label in worst.trace) == worst.nano


@MANY
@given(nets(), st.data())
def test_approval_proof_is_the_oracles(net: PlainNet, data: st.DataObject) -> None:
    action = data.draw(st.sampled_from(net.transitions))
    approvals = data.draw(st.sets(st.sampled_from(net.transitions), max_size=2))
    without = PlainNet(net.places, tuple(row for row in net.rows if row.transition not in approvals), net.initial)
    known = truth(without)
    verdict = unreachable_without(net, action, approvals, LIMITS)
    if known is not None:
        assert verdict.holds == (action not in {name for _, name, _ in known.firings})
