"""Karp and Miller's coverability tree: which places can grow without bound, and what can ever be covered.

Sound and complete for nets whose enabling is monotone, that is without inhibitors, capacities and resets (R. M. Karp,
R. E. Miller, Parallel program schemata, JCSS 3, 1969). With those the question is undecidable or the method wrong, so
callers ask `reachability` instead and answer UNKNOWN past its limit. Next: `properties.py`.
"""

from dataclasses import dataclass

from workflows.core.analysis.plain import PlainNet, Row
from workflows.core.analysis.verdict import Over, never

OMEGA = float("inf")
Covering = tuple[float, ...]
LOOK_AT_CLOCK = 32


@dataclass(frozen=True, slots=True)
class Coverability:
    """The tree's markings with OMEGA where a count can grow past any bound."""

    bounds: dict[str, float]
    """The most tokens each place can hold; OMEGA: no bound."""
    complete: bool
    fired: frozenset[str]
    """Transitions enabled in some covering marking: all others are dead."""
    pump: tuple[str, ...] = ()
    """Where something is unbounded: firings whose last part, from `pump_from` on, can be repeated for ever."""
    pump_from: int = 0

    @property
    def unbounded(self) -> tuple[str, ...]:
        return tuple(place for place, bound in self.bounds.items() if bound == OMEGA)


def cover(net: PlainNet, limit: int, over: Over = never) -> Coverability:
    """The coverability set, or what was seen of it within `limit` nodes or until `over()` (`complete` is then False).

    Raises ValueError for a net that is not plain: the method would be wrong there.
    """
    if not net.is_plain:
        raise ValueError("The coverability tree needs a net without inhibitors, capacities and resets.")
    start: Covering = tuple(float(count) for count in net.initial)
    nodes: list[tuple[Covering, int, int]] = [(start, -1, -1)]
    seen = {start}
    fired: set[str] = set()
    pump: tuple[tuple[str, ...], int] | None = None
    position = 0
    complete = True
    while position < len(nodes):
        if position % LOOK_AT_CLOCK == 0 and over():
            complete = False
            break
        for number, row in enumerate(net.rows):
            reached = _fire(row, nodes[position][0])
            if reached is None:
                continue
            fired.add(row.transition)
            grown, ancestor = _accelerate(nodes, position, reached)
            if ancestor is not None and pump is None:
                pump = _pump(net, nodes, position, number, ancestor)
            if grown in seen:
                continue
            if len(nodes) >= limit:
                complete = False
                continue
            seen.add(grown)
            nodes.append((grown, position, number))
        position += 1
    bounds = {place: max(node[0][at] for node in nodes) for at, place in enumerate(net.places)}
    labels, start_of_loop = pump or ((), 0)
    return Coverability(bounds, complete, frozenset(fired), labels, start_of_loop)


def _fire(row: Row, marking: Covering) -> Covering | None:
    for place, count in row.needs:
        if marking[place] < count:
            return None
    after = list(marking)
    for place, change in row.change:
        after[place] += change
    return tuple(after)


def _accelerate(nodes: list[tuple[Covering, int, int]], parent: int, reached: Covering) -> tuple[Covering, int | None]:
    """OMEGA wherever `reached` is strictly above an ancestor it covers, with the nearest such ancestor."""
    grown, pumped = list(reached), None
    at = parent
    while at >= 0:
        marking, before, _ = nodes[at]
        if all(there <= here for there, here in zip(marking, grown, strict=True)):
            for place, (there, here) in enumerate(zip(marking, reached, strict=True)):
                if there < here and grown[place] != OMEGA:
                    grown[place] = OMEGA
                    pumped = at if pumped is None else pumped
        at = before
    return tuple(grown), pumped


def _pump(
    net: PlainNet, nodes: list[tuple[Covering, int, int]], position: int, row: int, ancestor: int
) -> tuple[tuple[str, ...], int]:
    labels = [net.rows[row].label]
    depth_of_loop = 0
    at = position
    while at > 0:
        if at == ancestor:
            depth_of_loop = len(labels)
        _, before, number = nodes[at]
        labels.append(net.rows[number].label)
        at = before
    depth_of_loop = depth_of_loop or len(labels)
    return tuple(reversed(labels)), len(labels) - depth_of_loop
