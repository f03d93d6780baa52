"""The reachability graph: every marking a net can come to, breadth first, so that a trace found is a shortest one.

States are numbered in the order they are found; an edge is (row, state). The search stops at its limits (markings,
edges, time) and says so: `Graph.complete` is then False and only what was seen may be concluded. Markings are integers
meanwhile (`packed.py`), and of each new one only the rows that its last firing touched are looked at again.
Next: `properties.py`.
"""

from dataclasses import dataclass, field

from workflows.core.analysis.packed import PackedRow, enabled_after, enabled_of, fields_for, touched_by
from workflows.core.analysis.plain import Marking, PlainNet, Row
from workflows.core.analysis.verdict import Over, never

MAXIMUM_COUNTS = 20_000_000
"""Markings times places that are kept: about 250 MB."""
EDGES_PER_STATE = 12
LOOK_AT_CLOCK = 512
"""Markings between two looks at the clock."""


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
    stopped: str = ""
    """The limit that was reached, if one was."""
    expanded: int = 0
    """How many states, the first ones, were looked at for what they can fire; of the others it is not known."""

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


def explore(net: PlainNet, limit: int, over: Over = never) -> Graph:
    """The graph of everything reachable, or of the first `limit` markings, or of what was seen until `over()`."""
    limit = max(1, min(limit, MAXIMUM_COUNTS // max(1, len(net.places))))
    fields = fields_for(net, limit)
    rows = [fields.row(row) for row in net.rows]
    search = _Search(rows, touched_by(net), fields.pack(net.initial), limit)
    stopped = search.run(over)
    return Graph(
        net,
        [fields.unpack(packed) for packed in search.states],
        search.edges + [[] for _ in range(len(search.states) - len(search.edges))],
        not stopped,
        search.found_by,
        stopped,
        len(search.edges),
    )


def fire(row: Row, marking: Marking) -> Marking | None:
    """The marking after firing `row`, or None where it is not enabled."""
    if any(marking[place] < count for place, count in row.needs):
        return None
    if any(marking[place] >= count for place, count in row.blocks):
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


class _Search:
    """The breadth-first search over packed markings."""

    def __init__(self, rows: list[PackedRow], touched: list[tuple[int, ...]], initial: int, limit: int) -> None:
        self.rows, self.limit = rows, limit
        self.states, self.found_by = [initial], [(-1, -1)]
        self.edges: list[list[tuple[int, int]]] = []
        tests = [row.test(number) for number, row in enumerate(rows)]
        self._touched = [(frozenset(others), [tests[other] for other in others]) for others in touched]
        self._enabled = [enabled_of(tests, initial)]

    def run(self, over: Over) -> str:
        """Fills `states`, `edges` and `found_by`; returns the limit reached, or an empty text."""
        states, edges, found_by, enabled, limit = self.states, self.edges, self.found_by, self._enabled, self.limit
        firings = [(row.change, row.keep, row.gives) for row in self.rows]
        touched = self._touched
        index = {states[0]: 0}
        room, stopped, position = EDGES_PER_STATE * limit, "", 0
        while position < len(states):
            if position % LOOK_AT_CLOCK == 0 and over():
                return "the time limit"
            marking, leaving = states[position], []
            for number in enabled[position]:
                change, keep, gives = firings[number]
                reached = marking + change if keep == -1 else ((marking + change) & keep) + gives
                state = index.get(reached)
                if state is None:
                    if len(states) >= limit:
                        stopped = f"{limit} markings"
                        continue
                    state = index[reached] = len(states)
                    states.append(reached)
                    found_by.append((position, number))
                    others, tests = touched[number]
                    enabled.append(enabled_after(enabled[position], others, tests, reached))
                leaving.append((number, state))
            edges.append(leaving)
            enabled[position] = []
            room -= len(leaving)
            if room < 0:
                return f"{EDGES_PER_STATE * limit} firings"
            position += 1
        return stopped
