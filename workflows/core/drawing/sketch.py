"""What a picture of a net shows, before anything has a position: shapes, their sizes and texts, and the arcs between.

Places are circles with their tokens, transitions boxes with their name, kind and guard. An arc's style says what it
does: takes or gives (arrow), reads (dashed, no head), inhibits (ends in a ring), empties (double arrow). A step that
works outside is one box, its outcomes labelled arcs; `refined` shows the transitions it is made of instead. Pure; names
are made printable here, so that what comes after need not look at them again. Next: `layout.py`, `svg.py` or `dot.py`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from workflows.core.drawing import text
from workflows.core.drawing.wording import said_arc, said_guard, said_kind, said_place
from workflows.core.net import Arc, Net, Transition

NAME_SIZE = 12.0
NOTE_SIZE = 10.5
LINE_HEIGHT = 15.0
CIRCLE = 34.0
PLACE_ROOM = 104.0
BOX_ROOM = 150.0
BOX_PADDING = 10.0
LEAST_BOX = 44.0

ArcStyle = Literal["takes", "gives", "reads", "inhibits", "empties"]
LineStyle = Literal["name", "guard", "note"]


@dataclass(frozen=True, slots=True)
class Line:
    text: str
    style: LineStyle


@dataclass(frozen=True, slots=True)
class Shape:
    """A place or a transition. `width` and `height` are pixels and hold all its texts."""

    key: tuple[str, str]
    """("place" or "transition", id): ids of the two may be equal."""
    lines: tuple[Line, ...]
    title: str
    width: float
    height: float
    capacity: int | None = None
    initial: bool = False
    final: bool = False
    any_of: bool = False
    """The transition takes from one of its sources, not from all."""
    running: str = ""
    """The place whose tokens are under way in this step."""

    @property
    def is_place(self) -> bool:
        return self.key[0] == "place"


@dataclass(frozen=True, slots=True)
class Connection:
    """An arc; `source` and `target` are positions in `Sketch.shapes`."""

    source: int
    target: int
    style: ArcStyle
    label: str
    title: str


@dataclass(frozen=True, slots=True)
class Sketch:
    shapes: tuple[Shape, ...]
    connections: tuple[Connection, ...]


def sketch(net: Net, notes: Mapping[str, Sequence[str]] | None = None, refined: bool = False) -> Sketch:
    """The shapes and arcs of a net. `notes` are further lines for a place or a transition, by id, e.g. its agent."""
    said = notes or {}
    places = [name for name in net.places if refined or name not in net.running]
    steps = [step for step in net.transitions.values() if refined or step.role in ("", "start")]
    taken = {place for step in net.transitions.values() for place in (*step.source_places, *step.resets)}
    shapes = [_place(net, name, name not in taken, said.get(name, ())) for name in places]
    shapes += [_transition(net, step, said.get(step.id, ()), refined) for step in steps]
    at = {shape.key: position for position, shape in enumerate(shapes)}
    connections = [each for step in steps for each in _connections(net, step, at, refined)]
    return Sketch(tuple(shapes), tuple(connections))


def _place(net: Net, name: str, final: bool, notes: Sequence[str]) -> Shape:
    place = net.places[name]
    shown = text.printable(name)
    notes = [note for note in (said_place(place), *map(text.printable, notes)) if note]
    lines = [Line(each, "name") for each in text.wrap(shown, NAME_SIZE, PLACE_ROOM, 2)]
    lines += [Line(text.shorten(note, NOTE_SIZE, PLACE_ROOM), "note") for note in notes]
    facts = [shown]
    if name == net.initial_place:
        facts.append("a case begins here")
    if final:
        facts.append("nothing is taken from here")
    if place.capacity is not None:
        facts.append(f"holds at most {place.capacity}")
    # The texts are below the circle; as much room above keeps the circle in the middle, where its arcs arrive.
    return Shape(
        key=("place", name),
        lines=tuple(lines),
        title="; ".join((*facts, *notes)),
        width=max(CIRCLE, _widest(lines)),
        height=CIRCLE + 2 * (len(lines) * LINE_HEIGHT + 4),
        capacity=place.capacity,
        initial=name == net.initial_place,
        final=final,
    )


def _transition(net: Net, step: Transition, notes: Sequence[str], refined: bool) -> Shape:
    shown, guard, kind = text.printable(step.name), said_guard(step), said_kind(step)
    notes = [note for note in (kind, *map(text.printable, notes)) if note]
    lines = [Line(each, "name") for each in text.wrap(shown, NAME_SIZE, BOX_ROOM, 2)]
    if guard:
        lines.append(Line(text.shorten(f"[{guard}]", NOTE_SIZE, BOX_ROOM), "guard"))
    lines += [Line(text.shorten(note, NOTE_SIZE, BOX_ROOM), "note") for note in notes]
    facts = [shown if step.name == step.id else f"{shown} ({text.printable(step.id)})"]
    if guard:
        facts.append(f"if {guard}")
    if step.priority:
        facts.append(f"priority {step.priority}")
    if len(step.alternatives) > 1:
        facts.append("takes from one of its sources")
    return Shape(
        key=("transition", step.id),
        lines=tuple(lines),
        title="; ".join((*facts, *notes)),
        width=max(LEAST_BOX, _widest(lines) + 2 * BOX_PADDING),
        height=len(lines) * LINE_HEIGHT + 14,
        any_of=len(step.alternatives) > 1,
        running=net.steps[step.step].running if step.role == "start" and not refined else "",
    )


def _widest(lines: Sequence[Line]) -> float:
    return max(text.width(line.text, NAME_SIZE if line.style == "name" else NOTE_SIZE) for line in lines)


def _connections(net: Net, step: Transition, at: Mapping[tuple[str, str], int], refined: bool) -> Iterator[Connection]:
    name, here = text.printable(step.name), at["transition", step.id]

    def arc(style: ArcStyle, one: Arc, title: str, label: str = "") -> Connection:
        place = at["place", one.place]
        source, target = (here, place) if style in ("gives", "empties") else (place, here)
        weight = f"{one.weight}" if one.weight > 1 else ""
        return Connection(source, target, style, " ".join(filter(None, (weight, label))), text.printable(title))

    for one in dict.fromkeys(each for alternative in step.alternatives for each in alternative):
        yield arc("takes", one, f"{name} takes {said_arc(one)}")
    for one in step.reads:
        yield arc("reads", one, f"{name} needs {said_arc(one)} and leaves it")
    for one in step.inhibitors:
        yield arc("inhibits", one, f"{name} waits while {one.place} has {one.weight} or more")
    for place in step.resets:
        yield arc("empties", Arc(place), f"{name} empties {place}")
    if refined or step.role != "start":
        for one in step.outputs:
            yield arc("gives", one, f"{name} puts {said_arc(one)}")
        return
    for outcome, part in net.steps[step.step].outcomes.items():
        for one in net.transitions[part].outputs:
            label = "" if outcome == "ok" else outcome
            yield arc("gives", one, f"{name} puts {said_arc(one)} when it ends {outcome}", label)
