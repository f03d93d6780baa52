"""What a picture of a net shows, before anything has a position: shapes with their sizes and texts, and the arcs between.

Places are circles with their tokens, transitions boxes with their name and guard. An arc's style says what it does:
takes or gives (arrow), reads (dashed, no head), inhibits (ends in a ring), empties (double arrow). Pure; names are
made printable here, so that what comes after need not look at them again. Next: `layout.py`, then `svg.py` or `dot.py`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from workflows.core.drawing import text
from workflows.core.guard import AllOf, AnyOf, FieldRule, Negation, Rule
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


def sketch(net: Net, notes: Mapping[str, Sequence[str]] | None = None) -> Sketch:
    """The shapes and arcs of a net. `notes` are further lines for a place or a transition, by id, e.g. its agent."""
    said = notes or {}
    taken = {place for step in net.transitions.values() for place in (*step.source_places, *step.resets)}
    places = [_place(net, name, name not in taken, said.get(name, ())) for name in net.places]
    steps = [_transition(step, said.get(step.id, ())) for step in net.transitions.values()]
    at = {shape.key: position for position, shape in enumerate([*places, *steps])}
    connections = [
        connection
        for step in net.transitions.values()
        for connection in _connections(step, {name: at["place", name] for name in net.places}, at["transition", step.id])
    ]
    return Sketch((*places, *steps), tuple(connections))


def said_rule(rule: Rule) -> str:
    """A rule as people write it: `score > 7`."""
    if isinstance(rule, FieldRule):
        sign = {"FieldEquals": "=", "FieldGreaterThan": ">", "FieldLessThan": "<", "FieldContains": "contains"}
        return f"has {rule.field}" if rule.kind == "FieldExists" else f"{rule.field} {sign[rule.kind]} {rule.value!r}"
    if isinstance(rule, Negation):
        return f"not ({said_rule(rule.rule)})"
    assert isinstance(rule, AllOf | AnyOf)
    return (" and " if isinstance(rule, AllOf) else " or ").join(
        f"({said_rule(part)})" if isinstance(part, AllOf | AnyOf) else said_rule(part) for part in rule.rules
    )


def _place(net: Net, name: str, final: bool, notes: Sequence[str]) -> Shape:
    place = net.places[name]
    shown = text.printable(name)
    lines = [Line(each, "name") for each in text.wrap(shown, NAME_SIZE, PLACE_ROOM, 2)]
    lines += [Line(text.shorten(text.printable(note), NOTE_SIZE, PLACE_ROOM), "note") for note in notes]
    facts = [shown]
    if name == net.initial_place:
        facts.append("a case begins here")
    if final:
        facts.append("nothing is taken from here")
    if place.capacity is not None:
        facts.append(f"holds at most {place.capacity}")
    # The texts are below the circle; as much room above keeps the circle in the middle, where its arcs arrive.
    height = CIRCLE + 2 * (len(lines) * LINE_HEIGHT + 4)
    return Shape(
        key=("place", name),
        lines=tuple(lines),
        title=text.printable("; ".join((*facts, *notes))),
        width=max(CIRCLE, _widest(lines)),
        height=height,
        capacity=place.capacity,
        initial=name == net.initial_place,
        final=final,
    )


def _transition(step: Transition, notes: Sequence[str]) -> Shape:
    shown = text.printable(step.name)
    guard = text.printable(" and ".join(said_rule(rule) for rule in step.guard))
    lines = [Line(each, "name") for each in text.wrap(shown, NAME_SIZE, BOX_ROOM, 2)]
    if guard:
        lines.append(Line(text.shorten(f"[{guard}]", NOTE_SIZE, BOX_ROOM), "guard"))
    lines += [Line(text.shorten(text.printable(note), NOTE_SIZE, BOX_ROOM), "note") for note in notes]
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
        title=text.printable("; ".join((*facts, *notes))),
        width=max(LEAST_BOX, _widest(lines) + 2 * BOX_PADDING),
        height=len(lines) * LINE_HEIGHT + 14,
        any_of=len(step.alternatives) > 1,
    )


def _widest(lines: Sequence[Line]) -> float:
    return max(text.width(line.text, NAME_SIZE if line.style == "name" else NOTE_SIZE) for line in lines)


def _connections(step: Transition, place_at: Mapping[str, int], here: int) -> list[Connection]:
    name = text.printable(step.name)
    takes = dict.fromkeys(arc for alternative in step.alternatives for arc in alternative)
    found = [_arc("takes", arc, place_at, here, f"{name} takes {_counted(arc)}") for arc in takes]
    found += [_arc("gives", arc, place_at, here, f"{name} puts {_counted(arc)}") for arc in step.outputs]
    found += [_arc("reads", arc, place_at, here, f"{name} needs {_counted(arc)} and leaves it") for arc in step.reads]
    found += [
        _arc("inhibits", arc, place_at, here, f"{name} waits while there are {arc.weight} or more: {_counted(arc)}")
        for arc in step.inhibitors
    ]
    found += [_arc("empties", Arc(place), place_at, here, f"{name} empties {place}") for place in step.resets]
    return found


def _arc(style: ArcStyle, arc: Arc, place_at: Mapping[str, int], step: int, title: str) -> Connection:
    place = place_at[arc.place]
    source, target = (step, place) if style in ("gives", "empties") else (place, step)
    return Connection(source, target, style, str(arc.weight) if arc.weight > 1 else "", text.printable(title))


def _counted(arc: Arc) -> str:
    return f"{arc.weight} of {arc.place}" if arc.weight > 1 else arc.place
