"""Questions people ask before they run a workflow: what can it cost at most, and can an action happen without sign-off?

Prices are integer nano-dollars. Both answers read the reachability graph; past its limit a
plain net's coverability tree still finds a paying loop or proves an action unreachable. Next: `report.py`.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from workflows.core.analysis.coverability import cover
from workflows.core.analysis.plain import PlainNet
from workflows.core.analysis.properties import GRAPH, TREE, component_of
from workflows.core.analysis.reachability import Graph, explore
from workflows.core.analysis.verdict import Answer, Limits, Over, Verdict, never, unknown
from workflows.core.net import Net


@dataclass(frozen=True, slots=True)
class Prices:
    """What a firing costs, by transition, and what the arrival of a token costs, by place (agents work at both).

    Raises ValueError for a negative price.
    """

    transitions: Mapping[str, int] = field(default_factory=dict)
    places: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if any(price < 0 for price in (*self.transitions.values(), *self.places.values())):
            raise ValueError("A price must be zero or more.")

    def with_attempts(self, net: Net) -> "Prices":
        """Where a step that works outside is tried several times, each attempt may cost its price."""
        attempts = {step.id: step.retries.attempts for step in net.steps.values()}
        return Prices({name: price * attempts.get(name, 1) for name, price in self.transitions.items()}, self.places)

    def of_rows(self, net: PlainNet) -> list[int]:
        """The cost of firing each row once."""
        at_places = [self.places.get(place, 0) for place in net.places]
        return [
            self.transitions.get(row.transition, 0) + sum(count * at_places[at] for at, count in row.gives)
            for row in net.rows
        ]

    def of_marking(self, net: PlainNet) -> int:
        return sum(count * self.places.get(place, 0) for place, count in net.named(net.initial).items())


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


def worst_price(graph: Graph, prices: Prices, limits: Limits, over: Over = never) -> WorstPrice:
    """The most a case can cost; what lies in priced places at the beginning is paid for too."""
    cost = prices.of_rows(graph.net)
    if not graph.complete:
        return _worst_past_limit(graph, cost, limits, over)
    component = component_of(graph)
    for state, leaving in enumerate(graph.edges):
        for row, to in leaving:
            if cost[row] and component[state] == component[to]:
                loop = (graph.net.rows[row].label, *_way(graph, to, state))
                return WorstPrice(Answer.FALSE, None, graph.trace(state) + loop, loop, "this loop can be paid for ever")
    found = _dearest_path(graph, cost, component)
    return replace(found, nano=(found.nano or 0) + prices.of_marking(graph.net))


def unreachable_without(
    net: PlainNet, action: str, approvals: Collection[str], limits: Limits, over: Over = never
) -> Verdict:
    """Whether `action` can never fire before one of `approvals` has.

    Proved on the net without the approvals: if the action is dead there, every run to it passes an approval. Raises
    KeyError for a name that is no transition of the net.
    """
    for name in (action, *approvals):
        if name not in net.transitions:
            raise KeyError(name)
    without = net.without(approvals)
    graph = explore(without, limits.states, over)
    for state, leaving in enumerate(graph.edges):
        for row, _ in leaving:
            if without.rows[row].transition == action:
                trace = (*graph.trace(state), without.rows[row].label)
                return Verdict(Answer.FALSE, GRAPH, trace, note="the action fires without sign-off")
    if graph.complete:
        return Verdict(Answer.TRUE, GRAPH)
    if without.is_plain:
        covering = cover(without, limits.states, over)
        if covering.complete and action not in covering.fired:
            return Verdict(Answer.TRUE, TREE)
    return unknown(GRAPH, f"stopped at {graph.stopped}")


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


def _worst_past_limit(graph: Graph, cost: list[int], limits: Limits, over: Over) -> WorstPrice:
    if graph.net.is_plain:
        covering = cover(graph.net, limits.states, over)
        loop = covering.pump[covering.pump_from :]
        costs = {row.label: each for row, each in zip(graph.net.rows, cost, strict=True)}
        if any(costs[label] for label in loop):
            return WorstPrice(Answer.FALSE, None, covering.pump, loop, "this loop can be paid for ever")
    return WorstPrice(Answer.UNKNOWN, None, (), note=f"stopped at {graph.stopped}")


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
