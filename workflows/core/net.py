"""The net: places, transitions and arcs as immutable values.

A coloured Petri net as in Jensen & Kristensen, with read, inhibitor and reset arcs, capacities, priorities and guards.
A transition has one or more `alternatives`: each is a full set of input arcs, and firing takes exactly one of them (the
short form's `fromPlaces` means any-of; an analysis sees one plain transition per alternative). Nets are built by
`notation.compile_definition`, which has checked every name; nothing here checks again. Next: `marking.py`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from workflows.core.guard import Rule


@dataclass(frozen=True, slots=True)
class Arc:
    """Joins a place and a transition; `weight` is how many tokens pass (for an inhibitor: how many block)."""

    place: str
    weight: int = 1


@dataclass(frozen=True, slots=True)
class Place:
    id: str
    capacity: int | None = None
    """The most tokens a case may have here; None: no bound."""


@dataclass(frozen=True, slots=True)
class Transition:
    id: str
    name: str
    alternatives: tuple[tuple[Arc, ...], ...]
    outputs: tuple[Arc, ...]
    """The first output is the carrier: the named token keeps its id there."""
    reads: tuple[Arc, ...] = ()
    inhibitors: tuple[Arc, ...] = ()
    resets: tuple[str, ...] = ()
    guard: tuple[Rule, ...] = ()
    """All must pass."""
    priority: int = 0
    """Orders automatic choices, highest first; a named firing ignores it."""

    @property
    def source_places(self) -> tuple[str, ...]:
        """Each place some alternative takes from, in order of mention."""
        return tuple(dict.fromkeys(arc.place for alternative in self.alternatives for arc in alternative))


@dataclass(frozen=True, slots=True)
class Net:
    places: Mapping[str, Place]
    transitions: Mapping[str, Transition]
    initial_place: str
    leaving: Mapping[str, tuple[Transition, ...]] = field(init=False)
    """For each place, the transitions that can take a token from it, in order of definition."""

    def __post_init__(self) -> None:
        leaving: dict[str, list[Transition]] = {place: [] for place in self.places}
        for transition in self.transitions.values():
            for place in transition.source_places:
                leaving[place].append(transition)
        object.__setattr__(self, "leaving", {place: tuple(found) for place, found in leaving.items()})

    def watched_by(self, transition: Transition) -> frozenset[str]:
        """The places whose tokens decide whether a transition is enabled, or are taken by it."""
        bounded = (arc.place for arc in transition.outputs if self.places[arc.place].capacity is not None)
        arcs = (*transition.reads, *transition.inhibitors)
        return frozenset((*transition.source_places, *(arc.place for arc in arcs), *transition.resets, *bounded))
