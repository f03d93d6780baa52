"""The reachability graph: every marking a net can come to, breadth first, so that a trace found is a shortest one.

States are tuples, numbered in the order they are found; an edge is (row, state). The search stops at a number of states
and says so: `Graph.complete` is then False and only what was seen may be concluded. Next: `properties.py`.
"""

from dataclasses import dataclass, field

from workflows.core.analysis.plain import Marking, PlainNet, Row


@dataclass(slots=True)
class Graph:
    """States and the firings between them; state 0 is the initial marking."""

    net: PlainNet
    states: list[Marking]
    edges: list[list[tuple[int, int]]]
    """For each state, (row index, state reached), in order of definition."""
    complete: bool
    found_by: list[tuple[int, int]] = field(default_factory=list)
    """For each state, (state before, row index) of its first finding; (-1, -1) for the initial one."""

    @property
    def edge_count(self) -> int:
        return sum(len(leaving) for leaving in self.edges)

    def trace(self, state: int) -> tuple[str, ...]:
        """A shortest firing sequence from the initial marking to this state."""
        labels: list[str] = []
        while state > 0:
            state, row = self.found_by[state]
            labels.append(self.net.rows[row].label)
        return tuple(reversed(labels))


def explore(net: PlainNet, limit: int) -> Graph:
    """The graph of everything reachable, or of the first `limit` markings."""
    index: dict[Marking, int] = {net.initial: 0}
    graph = Graph(net, [net.initial], [], True, [(-1, -1)])
    states, edges, found_by = graph.states, graph.edges, graph.found_by
    rows = list(enumerate(net.rows))
    position = 0
    while position < len(states):
        marking = states[position]
        leaving: list[tuple[int, int]] = []
        for number, row in rows:
            reached = fire(row, marking)
            if reached is None:
                continue
            state = index.get(reached)
            if state is None:
                if len(states) >= limit:
                    graph.complete = False
                    continue
                state = index[reached] = len(states)
                states.append(reached)
                found_by.append((position, number))
            leaving.append((number, state))
        edges.append(leaving)
        position += 1
    return graph


def fire(row: Row, marking: Marking) -> Marking | None:
    """The marking after firing `row`, or None where it is not enabled."""
    for place, count in row.needs:
        if marking[place] < count:
            return None
    for place, count in row.blocks:
        if marking[place] >= count:
            return None
    after = list(marking)
    if row.resets:
        for place, count in row.takes:
            after[place] -= count
        for place in row.resets:
            after[place] = 0
        for place, count in row.gives:
            after[place] += count
    else:
        for place, count in row.change:
            after[place] += count
    return tuple(after)
