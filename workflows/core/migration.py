"""May a running case go on by another version of its workflow?

Its marking is mapped place by place, and refused where a place is missing or too small, or where the case could be
finished before and no longer can. Both questions are answered by the reachability graphs of the two nets from where
the case stands; past the limit the answer is UNKNOWN, a refusal unless the caller insists. Guards count as free choice,
so a promise that a case can finish still depends on its data. Next: `workflows/services/migration.py`.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from workflows.core.analysis.plain import plain_net
from workflows.core.analysis.properties import GRAPH, terminal_components
from workflows.core.analysis.reachability import Graph, explore
from workflows.core.analysis.verdict import Answer, Verdict, unknown, until
from workflows.core.ending import final_places
from workflows.core.net import Net

Counts = Mapping[str, int]
STATES, SECONDS = 20_000, 10.0
"""Markings looked at for one case and one net, and how long; the case waits meanwhile."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """Whether a case may migrate. `trace` and `before` are firing sequences in the new and in the old net."""

    allowed: bool
    certain: bool
    """False where the limit was reached: the caller may insist."""
    reason: str = ""
    trace: tuple[str, ...] = ()
    """Into a marking of the new net from which the case can never finish."""
    before: tuple[str, ...] = ()
    """How the case could have finished by the old net."""
    warning: str = ""


def map_counts(counts: Counts, mapping: Mapping[str, str]) -> dict[str, int]:
    """The marking after the mapping; places that are not named keep their names."""
    mapped: dict[str, int] = {}
    for place, count in counts.items():
        target = mapping.get(place, place)
        mapped[target] = mapped.get(target, 0) + count
    return mapped


def judge(
    old: Net, counts: Counts, new: Net, mapped: Counts, limit: int = STATES, shared: tuple[Counts, Counts] = ({}, {})
) -> Judgement:
    """Whether a case with these tokens in `old` may go on with the mapped ones in `new`.

    `shared`: the tokens in places that cases share, by the old and by the new net; the case may count on them.
    """
    for place, count in mapped.items():
        if place not in new.places:
            return Judgement(False, True, f'the new version has no place "{place}"; map it to another')
        if new.places[place].scope != "case":
            return Judgement(False, True, f'"{place}" is shared in the new version; map it to a place of the case')
        capacity = new.places[place].capacity
        if capacity is not None and count > capacity:
            return Judgement(False, True, f'"{place}" would hold {count} tokens and has room for {capacity}')
    counts, mapped = {**counts, **shared[0]}, {**mapped, **shared[1]}
    graph = explore(plain_net(new, mapped), limit, until(SECONDS))
    after = can_finish(new, graph)
    if after.answer is Answer.TRUE:
        return Judgement(True, True, warning=_new_trap(old, counts, new, graph, limit))
    before = can_finish(old, explore(plain_net(old, counts), limit, until(SECONDS)))
    if before.answer is Answer.FALSE:
        return Judgement(True, True, warning="the case could not finish by its old version either")
    if after.answer is Answer.UNKNOWN:
        reason = f"whether the case can still finish is not known ({after.note})"
        return Judgement(False, False, reason, before=before.trace or ())
    left = ", ".join(after.witness) or "no token"
    reason = f"the case could never finish by the new version; it would end with {left}"
    return Judgement(False, True, reason, after.trace or (), before.trace or ())


def can_finish(net: Net, graph: Graph) -> Verdict:
    """Whether a marking with all tokens in final places can be reached; FALSE shows where it would end instead."""
    finals = _final_states(net, graph)
    if finals:
        return Verdict(Answer.TRUE, GRAPH, graph.trace(finals[0]))
    if not graph.complete:
        return unknown(GRAPH, f"the search stopped at {graph.stopped}")
    end = min(min(component) for component in terminal_components(graph))
    return Verdict(Answer.FALSE, GRAPH, graph.trace(end), _said(graph, end))


def _new_trap(old: Net, counts: Counts, new: Net, graph: Graph, limit: int) -> str:
    """Says so if the new net has a marking without a way to the end, where the old one had none."""
    trap = _trap(new, graph)
    if trap is None:
        return ""
    was = explore(plain_net(old, counts), limit, until(SECONDS))
    if was.complete and _trap(old, was) is None:
        way = ", ".join(graph.trace(trap)) or "nothing"
        return f"the case can get stuck, which it could not before: after {way}, with {', '.join(_said(graph, trap))}"
    return ""


def _trap(net: Net, graph: Graph) -> int | None:
    """The first state of a complete graph from which no final one can be reached."""
    if not graph.complete:
        return None
    before: list[list[int]] = [[] for _ in graph.states]
    for state, leaving in enumerate(graph.edges):
        for _, to in leaving:
            before[to].append(state)
    work = _final_states(net, graph)
    reached = set(work)
    while work:
        for state in before[work.pop()]:
            if state not in reached:
                reached.add(state)
                work.append(state)
    return next((state for state in range(len(graph.states)) if state not in reached), None)


def _final_states(net: Net, graph: Graph) -> list[int]:
    final = final_places(net)
    others = [index for index, place in enumerate(graph.net.places) if place not in final]
    return [number for number, state in enumerate(graph.states) if not any(state[index] for index in others)]


def _said(graph: Graph, state: int) -> tuple[str, ...]:
    return tuple(f"{place}: {count}" for place, count in graph.net.named(graph.states[state]).items())
