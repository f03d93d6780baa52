"""The net as numbers: places by index, markings as tuples of counts, one row per way to fire.

Data, guards and correlation are left out (guards become free choice), so that firing is arithmetic. A transition with
several alternatives becomes several rows of the same name; the rows' labels tell them apart as `name [place]`. Arcs
that meet in one place are added up. Next: `reachability.py`.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from workflows.core.net import Arc, Net, Transition

Marking = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """One way to fire one transition. Pairs are (place index, count), each place once."""

    transition: str
    label: str
    takes: tuple[tuple[int, int], ...]
    gives: tuple[tuple[int, int], ...]
    change: tuple[tuple[int, int], ...]
    """`gives - takes`, places with no change left out."""
    needs: tuple[tuple[int, int], ...]
    """Tokens that must be there: taken and read ones together."""
    blocks: tuple[tuple[int, int], ...]
    """Not enabled when the place holds this many or more: inhibitors, and capacities as what still fits."""
    resets: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class PlainNet:
    places: tuple[str, ...]
    rows: tuple[Row, ...]
    initial: Marking
    shared: frozenset[int] = frozenset()
    """Places whose tokens belong to all cases: they are no work of this case that is left over."""

    @property
    def transitions(self) -> tuple[str, ...]:
        """Each transition's name once, in order of definition."""
        return tuple(dict.fromkeys(row.transition for row in self.rows))

    @property
    def is_plain(self) -> bool:
        """Whether incidence arithmetic says everything: no inhibitor, capacity or reset."""
        return not any(row.blocks or row.resets for row in self.rows)

    def own(self, marking: Marking) -> int:
        """How many tokens the case itself has."""
        return sum(marking) - sum(marking[at] for at in self.shared)

    def without(self, transitions: Collection[str]) -> "PlainNet":
        """The net in which these never fire."""
        kept = tuple(row for row in self.rows if row.transition not in transitions)
        return PlainNet(self.places, kept, self.initial, self.shared)

    def named(self, marking: Marking) -> dict[str, int]:
        """The marked places by name."""
        return {name: count for name, count in zip(self.places, marking, strict=True) if count}


def plain_net(net: Net, initial: Mapping[str, int] | None = None) -> PlainNet:
    """The numbers of a net; `initial` is by place and defaults to one token in the net's initial place.

    Raises KeyError for a marked place that the net does not have.
    """
    places = tuple(net.places)
    index = {place: position for position, place in enumerate(places)}
    counts = [0] * len(places)
    for place, count in (initial or {net.initial_place: 1}).items():
        counts[index[place]] = count
    rows = tuple(
        _row(net, index, transition, arcs)
        for transition in net.transitions.values()
        for arcs in dict.fromkeys(transition.alternatives)
    )
    shared = frozenset(index[place.id] for place in net.places.values() if place.scope != "case")
    return PlainNet(places, rows, tuple(counts), shared)


def _row(net: Net, index: Mapping[str, int], transition: Transition, arcs: tuple[Arc, ...]) -> Row:
    takes, gives, reads = _added(index, arcs), _added(index, transition.outputs), _added(index, transition.reads)
    resets = tuple(sorted({index[place] for place in transition.resets}))
    net_change = {place: gives.get(place, 0) - takes.get(place, 0) for place in {*takes, *gives}}
    needs = {place: takes.get(place, 0) + reads.get(place, 0) for place in {*takes, *reads}}
    label = transition.id
    if len(transition.alternatives) > 1:
        label = f"{transition.id} [{', '.join(_written(arc) for arc in arcs)}]"
    return Row(
        transition=transition.id,
        label=label,
        takes=_pairs(takes),
        gives=_pairs(gives),
        change=tuple((place, change) for place, change in sorted(net_change.items()) if change),
        needs=_pairs(needs),
        blocks=_blocks(net, index, transition, takes, gives, resets),
        resets=resets,
    )


def _written(arc: Arc) -> str:
    return arc.place if arc.weight == 1 else f"{arc.weight}*{arc.place}"


def _blocks(
    net: Net,
    index: Mapping[str, int],
    transition: Transition,
    takes: Mapping[int, int],
    gives: Mapping[int, int],
    resets: tuple[int, ...],
) -> tuple[tuple[int, int], ...]:
    thresholds: dict[int, int] = {}
    for arc in transition.inhibitors:
        place = index[arc.place]
        thresholds[place] = min(arc.weight, thresholds.get(place, arc.weight))
    for position, place_definition in enumerate(net.places.values()):
        capacity = place_definition.capacity
        given = gives.get(position, 0)
        if capacity is None or not given:
            continue
        if position in resets:
            # Emptied first: either it always fits, or (a weight above the capacity) it never does.
            full = 0 if given > capacity else None
        else:
            full = capacity - given + takes.get(position, 0) + 1
        if full is not None:
            thresholds[position] = min(full, thresholds.get(position, full))
    return _pairs(thresholds)


def _added(index: Mapping[str, int], arcs: tuple[Arc, ...]) -> dict[int, int]:
    total: dict[int, int] = {}
    for arc in arcs:
        place = index[arc.place]
        total[place] = total.get(place, 0) + arc.weight
    return total


def _pairs(counts: Mapping[int, int]) -> tuple[tuple[int, int], ...]:
    return tuple(sorted(counts.items()))
