"""The net: places, transitions and arcs as immutable values.

A coloured Petri net as in Jensen & Kristensen, with read, inhibitor and reset arcs, capacities, priorities, guards,
correlation, output expressions and firing intervals. A transition has one or more `alternatives`: each is a full set of
input arcs, and firing takes exactly one of them (the short form's `fromPlaces` means any-of; an analysis sees one plain
transition per alternative). A step that works outside (agent, function, human, workflow) is several transitions around
a running place, see `refinement.py`. Nets are built by `notation.compile_definition`, which has checked every name;
nothing here checks again. Next: `marking.py`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from workflows.core.expressions import Expression, Template
from workflows.core.guard import Rule

Kind = Literal["manual", "automatic", "timer", "agent", "function", "human", "workflow", "signal", "outcome"]
"""Who fires it. `outcome` is not written by people: it is how a step that works outside comes back."""
WORKING: tuple[Kind, ...] = ("agent", "function", "human", "workflow")
"""The kinds whose work is done outside the firing's transaction, by the effect of the same kind."""
LONGEST_PERSON = 150
"""Characters of the name of an assignee or a group: what a task can hold."""
Scope = Literal["case", "workflow", "account"]
Role = Literal["", "start", "ok", "failed", "timeout", "cancelled"]


@dataclass(frozen=True, slots=True)
class Arc:
    """Joins a place and a transition; `weight` is how many tokens pass (for an inhibitor: how many block)."""

    place: str
    weight: int = 1
    data: Template | None = None
    """Of an output arc: what the tokens put down carry; None: the merged data of the binding."""


@dataclass(frozen=True, slots=True)
class Place:
    id: str
    capacity: int | None = None
    """The most tokens it may hold (of a case, or of all sharers); None: no bound."""
    scope: Scope = "case"
    """Who sees its tokens: one case, all cases of the workflow, or all cases of all workflows with such a place."""
    step: str = ""
    """The id of the step this place was made for; empty for those people wrote."""


@dataclass(frozen=True, slots=True)
class Correlation:
    """Tokens meet only if this is equal for all of them. By place; the key "" is for every input place."""

    by_place: tuple[tuple[str, Expression], ...]

    def of(self, place: str) -> Expression | None:
        return dict(self.by_place).get(place)


@dataclass(frozen=True, slots=True)
class Retries:
    """Waits between attempts: backoff, backoff x factor, … at most `longest` (seconds); `attempts` in all."""

    attempts: int = 5
    backoff: float = 1.0
    factor: float = 2.0
    longest: float = 300.0

    def wait(self, attempt: int) -> float:
        """Seconds to wait after the attempt of this number (from 1) failed."""
        return float(min(self.backoff * self.factor ** min(attempt - 1, 200), self.longest))


@dataclass(frozen=True, slots=True)
class Compensation:
    """What undoes a step that did not go well: a transition fired with the token, or an effect of some kind."""

    transition: str = ""
    kind: str = ""
    reference: str = ""
    payload: Mapping[str, Any] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class Work:
    """What a step does outside, or the signal it waits for."""

    reference: str
    """The agent's id, the function's name, the workflow's id, the signal's name; for a human task its title."""
    input: Template | None = None
    """What the handler is given; None: the token's data."""
    output: Template | None = None
    """What is merged into the token's data, said over `data` and `result`; None: the whole result."""
    settings: Mapping[str, Any] = field(default_factory=dict, hash=False)
    """The kind's own keys as written, durations in seconds; without those that `people` says."""
    people: tuple[tuple[str, Expression], ...] = ()
    """Of a human step: the keys, such as assignee or escalation.group, that an expression says over the token."""
    correlation: tuple[tuple[str, Expression], ...] = ()
    """Of a signal: what each field it carries must equal, said over the token."""


@dataclass(frozen=True, slots=True)
class Transition:
    id: str
    name: str
    alternatives: tuple[tuple[Arc, ...], ...]
    outputs: tuple[Arc, ...]
    """The first output is the carrier: the named token keeps its id there, see `carries`."""
    reads: tuple[Arc, ...] = ()
    inhibitors: tuple[Arc, ...] = ()
    resets: tuple[str, ...] = ()
    guard: tuple[Rule, ...] = ()
    """All must pass."""
    priority: int = 0
    """Orders automatic choices, highest first; a named firing ignores it."""
    kind: Kind = "manual"
    spontaneous: bool = False
    """Fires without being asked: automatic ones and steps' starts when enabled for `after`, timers when due."""
    otherwise: bool = False
    """The else of a choice: enabled only where no guarded transition with the same input places is."""
    after: float = 0.0
    """Seconds for which the binding's youngest token must have lain there."""
    deadline: float | None = None
    """Seconds from then: a timer fires, any other transition no longer can."""
    correlation: Correlation | None = None
    work: Work | None = None
    carries: bool = True
    """Whether the named token goes on along the first output; no token changes between a case and a shared place."""
    step: str = ""
    """The id of the step this transition is a part of, and its part in it."""
    role: Role = ""

    @property
    def source_places(self) -> tuple[str, ...]:
        """Each place some alternative takes from, in order of mention."""
        return tuple(dict.fromkeys(arc.place for alternative in self.alternatives for arc in alternative))

    @property
    def due(self) -> float:
        """Seconds after which it fires by itself, if it is spontaneous."""
        return self.deadline if self.kind == "timer" and self.deadline is not None else self.after


@dataclass(frozen=True, slots=True)
class Step:
    """A step that works outside: its running place and how it comes back. `ok` and `failed` are always there."""

    id: str
    kind: Kind
    work: Work
    running: str
    outcomes: Mapping[str, str] = field(hash=False)
    """The transition for each outcome: ok, failed, and timeout and cancelled where written."""
    retries: Retries = Retries()
    timeout: float | None = None
    compensation: Compensation | None = None

    def transition_for(self, outcome: str) -> str:
        """The transition an outcome fires; one without a way of its own goes the way of `failed`."""
        return self.outcomes.get(outcome, self.outcomes["failed"])


@dataclass(frozen=True, slots=True)
class Net:
    places: Mapping[str, Place]
    transitions: Mapping[str, Transition]
    initial_place: str
    steps: Mapping[str, Step] = field(default_factory=dict)
    leaving: Mapping[str, tuple[Transition, ...]] = field(init=False)
    """For each place, the transitions that can take a token from it, in order of definition."""
    running: Mapping[str, Step] = field(init=False)
    """For each running place, its step."""
    spontaneous: tuple[Transition, ...] = field(init=False)
    """Those that fire without being asked, in order of definition."""
    rooms: frozenset[str] = field(init=False)
    """Places of bounded capacity that a step's end puts tokens into: a result may have to wait for room in them."""
    unasked: tuple[Transition, ...] = field(init=False)
    """The spontaneous ones, and the ends of steps that may have to wait for room."""

    def __post_init__(self) -> None:
        leaving: dict[str, list[Transition]] = {place: [] for place in self.places}
        for transition in self.transitions.values():
            for place in transition.source_places:
                leaving[place].append(transition)
        object.__setattr__(self, "leaving", {place: tuple(found) for place, found in leaving.items()})
        object.__setattr__(self, "running", {step.running: step for step in self.steps.values()})
        object.__setattr__(self, "spontaneous", tuple(each for each in self.transitions.values() if each.spontaneous))
        ends = [each for each in self.transitions.values() if each.kind == "outcome"]
        bounded = {id_ for id_, place in self.places.items() if place.capacity is not None}
        rooms = frozenset(arc.place for end in ends for arc in end.outputs) & bounded
        waiting = (end for end in ends if any(arc.place in rooms for arc in end.outputs))
        object.__setattr__(self, "rooms", rooms)
        object.__setattr__(self, "unasked", (*self.spontaneous, *waiting))

    def watched_by(self, transition: Transition) -> frozenset[str]:
        """The places whose tokens decide whether a transition is enabled, or are taken by it."""
        bounded = (arc.place for arc in transition.outputs if self.places[arc.place].capacity is not None)
        arcs = (*transition.reads, *transition.inhibitors)
        rivals = self.rivals(transition) if transition.otherwise else ()
        beside = (arc.place for rival in rivals for arc in rival.reads)
        return frozenset(
            (*transition.source_places, *(arc.place for arc in arcs), *transition.resets, *bounded, *beside)
        )

    def rivals(self, transition: Transition, arcs: tuple[Arc, ...] | None = None) -> tuple[Transition, ...]:
        """The guarded transitions an else stands against: those with the same input places (of this alternative)."""
        chosen = transition.alternatives if arcs is None else (arcs,)
        wanted = {frozenset(arc.place for arc in each) for each in chosen}
        return tuple(
            each
            for each in self.leaving[chosen[0][0].place]
            if each.guard and any(frozenset(arc.place for arc in other) in wanted for other in each.alternatives)
        )

    def shared_places(self) -> tuple[Place, ...]:
        return tuple(place for place in self.places.values() if place.scope != "case")
