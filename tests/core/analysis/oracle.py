"""A second, naive analysis to hold the first against: no index, no sharing of code, everything by definition."""

from dataclasses import dataclass

from workflows.core.analysis.plain import Marking, PlainNet


@dataclass(frozen=True)
class Truth:
    """All markings and firings of a small net, found by depth-first search from the definitions of the rule."""

    markings: frozenset[Marking]
    firings: frozenset[tuple[Marking, str, Marking]]

    def after(self, marking: Marking) -> set[Marking]:
        return {to for start, _, to in self.firings if start == marking}

    def reach(self, marking: Marking) -> set[Marking]:
        seen: set[Marking] = set()
        todo = {marking}
        while todo:
            here = todo.pop()
            seen.add(here)
            todo |= self.after(here) - seen
        return seen


def truth(net: PlainNet, most: int = 400) -> Truth | None:
    """The whole state space, or None when it has more than `most` markings."""
    markings, firings, todo = {net.initial}, set(), [net.initial]
    while todo:
        marking = todo.pop()
        for name, to in steps(net, marking):
            firings.add((marking, name, to))
            if to not in markings:
                markings.add(to)
                todo.append(to)
        if len(markings) > most:
            return None
    return Truth(frozenset(markings), frozenset(firings))


def steps(net: PlainNet, marking: Marking) -> list[tuple[str, Marking]]:
    found = []
    for row in net.rows:
        takes, gives = dict(row.takes), dict(row.gives)
        if any(marking[place] < count for place, count in row.needs):
            continue
        if any(marking[place] >= count for place, count in row.blocks):
            continue
        left = [count - takes.get(place, 0) for place, count in enumerate(marking)]
        left = [0 if place in row.resets else count for place, count in enumerate(left)]
        found.append((row.transition, tuple(count + gives.get(place, 0) for place, count in enumerate(left))))
    return found


def replay(net: PlainNet, labels: tuple[str, ...]) -> Marking:
    """The marking a trace leads to; fails the test when a step of it is not enabled."""
    marking = net.initial
    rows = {row.label: row for row in net.rows}
    for label in labels:
        alone = PlainNet(net.places, (rows[label],), marking)
        (step,) = steps(alone, marking)
        marking = step[1]
    return marking
