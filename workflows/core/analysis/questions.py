"""Questions people ask before they run a workflow: what can it cost at most, and can an action happen without sign-off?

Prices are integer nano-dollars per firing of a transition. Both answers read the reachability graph; past its limit a
plain net's coverability tree still finds a paying loop or proves an action unreachable. Next: `report.py`.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from workflows.core.analysis.coverability import cover
from workflows.core.analysis.plain import PlainNet
from workflows.core.analysis.properties import GRAPH, TREE, component_of
from workflows.core.analysis.reachability import Graph, explore
from workflows.core.analysis.verdict import Answer, Limits, Verdict, unknown


@dataclass(frozen=True, slots=True)
class WorstPrice:
    """The dearest a case can get."""

    answer: Answer
    """TRUE: `nano` is the most; FALSE: there is no most, `trace` ends in the loop; UNKNOWN: past the limit."""
    nano: int | None
    trace: tuple[str, ...]
    """A dearest path, or the way into the paying loop followed by the loop once."""
    loop: tuple[str, ...] = ()
    note: str = ""


def worst_price(graph: Graph, prices: Mapping[str, int], limits: Limits) -> WorstPrice:
    """The most a case can cost when firing transition t costs `prices[t]` (absent: nothing).

    Raises ValueError for a negative price.
    """
    if any(price < 0 for price in prices.values()):
        raise ValueError("A price must be zero or more.")
    if not graph.complete:
        return _worst_past_limit(graph, prices, limits)
    cost = [prices.get(row.transition, 0) for row in graph.net.rows]
    component = component_of(graph)
    for state, leaving in enumerate(graph.edges):
        for row, to in leaving:
            if cost[row] and component[state] == component[to]:
                loop = (graph.net.rows[row].label, *_way(graph, to, state))
                return WorstPrice(Answer.FALSE, None, graph.trace(state) + loop, loop, "this loop can be paid for ever")
    return _dearest_path(graph, cost, component)


def unreachable_without(net: PlainNet, action: str, approvals: Collection[str], limits: Limits) -> Verdict:
    """Whether `action` can never fire before one of `approvals` has.

    Proved on the net without the approvals: if the action is dead there, every run to it passes an approval. Raises
    KeyError for a name that is no transition of the net.
    """
    for name in (action, *approvals):
        if name not in net.transitions:
            raise KeyError(name)
    without = PlainNet(net.places, tuple(row for row in net.rows if row.transition not in approvals), net.initial)
    graph = explore(without, limits.states)
    for state, leaving in enumerate(graph.edges):
        for row, _ in leaving:
            if without.rows[row].transition == action:
                trace = (*graph.trace(state), without.rows[row].label)
                return Verdict(Answer.FALSE, GRAPH, trace, note="the action fires without sign-off")
    if graph.complete:
        return Verdict(Answer.TRUE, GRAPH)
    if without.is_plain:
        covering = cover(without, limits.states)
        if covering.complete and action not in covering.fired:
            return Verdict(Answer.TRUE, TREE)
    return unknown(GRAPH, f"more than {limits.states} markings")


def _dearest_path(graph: Graph, cost: list[int], component: list[int]) -> WorstPrice:
    """Inside a component every step is free: the dearest way on is one figure each; edges lead downwards."""
    best: dict[int, tuple[int, tuple[int, int, int] | None]] = {}
    members: dict[int, list[int]] = {}
    for state, number in enumerate(component):
        members.setdefault(number, []).append(state)
    for number in sorted(members):
        top: tuple[int, tuple[int, int, int] | None] = (0, None)
        for state in members[number]:
            for row, to in graph.edges[state]:
                if component[to] != number and cost[row] + best[component[to]][0] > top[0]:
                    top = (cost[row] + best[component[to]][0], (state, row, to))
        best[number] = top
    labels: list[str] = []
    state, step = 0, best[component[0]][1]
    while step is not None:
        leave, row, to = step
        labels += [*_way(graph, state, leave), graph.net.rows[row].label]
        state, step = to, best[component[to]][1]
    return WorstPrice(Answer.TRUE, best[component[0]][0], tuple(labels))


def _worst_past_limit(graph: Graph, prices: Mapping[str, int], limits: Limits) -> WorstPrice:
    if graph.net.is_plain:
        covering = cover(graph.net, limits.states)
        loop = covering.pump[covering.pump_from :]
        names = {row.label: row.transition for row in graph.net.rows}
        if any(prices.get(names[label], 0) for label in loop):
            return WorstPrice(Answer.FALSE, None, covering.pump, loop, "this loop can be paid for ever")
    return WorstPrice(Answer.UNKNOWN, None, (), note=f"more than {limits.states} markings")


def _way(graph: Graph, start: int, end: int) -> tuple[str, ...]:
    """Labels of a shortest path between two states (there is one whenever this is asked)."""
    came: dict[int, tuple[int, int]] = {start: (-1, -1)}
    work = [start]
    for state in work:
        if state == end:
            break
        for row, to in graph.edges[state]:
            if to not in came:
                came[to] = (state, row)
                work.append(to)
    labels: list[str] = []
    while end != start:
        end, row = came[end]
        labels.append(graph.net.rows[row].label)
    return tuple(reversed(labels))
