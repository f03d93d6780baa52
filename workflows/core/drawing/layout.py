"""Where everything of a sketch lies: the positions come from `graphlay`, a layered layout with routed arcs.

Its time grows steeply with the number of long arcs: nets with many get a quicker, plainer layout, and past the limits
below, which keep the worst at a few seconds, TooLargeToDraw is raised. A layout does not depend on the marking, so the
last ones are kept. The engine may hang, so it runs in `engine.py`, a program of its own. Next: `svg.py`.
"""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import graphlay

from workflows.core.drawing import engine, text
from workflows.core.drawing.sketch import CIRCLE, Connection, Sketch
from workflows.core.errors import WorkflowError

MAXIMUM_SHAPES = 1_500
MAXIMUM_CONNECTIONS = 3_000
CAREFUL_BENDS = 700
MAXIMUM_BENDS = 5_000
"""Layers that the arcs cross, all together: what the time depends on."""
CAREFUL_SECONDS = 6.0
QUICK_SECONDS = 20.0

_OPTIONS: dict[str, Any] = {
    "direction": "leftright",
    "routing": {"style": "orthogonal", "port_sides": "facing_only"},
    "spacing": {"layer_gap": 36.0, "node_gap": 14.0, "dummy_gap": 14.0, "port_gap": 9.0, "isolated_gap": 30.0},
    "wrap": {"viewport_aspect": 1.5},
    "tuning": {"wrap": {"max_rows": 20}},
}
_QUICK: dict[str, Any] = {
    "effort": "fast",
    "coords": {"placement": "brandes_koepf"},
    "tuning": {**_OPTIONS["tuning"], "order": {"kick_rounds": 0, "seeds": 1, "sifting_max_work": 1_000}},
}
Point = tuple[float, float]


class TooLargeToDraw(WorkflowError):
    """The net has more places, transitions or long arcs than a picture can be made of in bounded time."""

    code = "TOO_LARGE_TO_DRAW"


@dataclass(frozen=True, slots=True)
class Layout:
    """Pixels, the origin top left. `centres` follow the sketch's shapes, `ways` and `label_spots` its connections."""

    width: float
    height: float
    centres: tuple[Point, ...]
    ways: tuple[tuple[Point, ...], ...]
    label_spots: tuple[Point | None, ...]


@lru_cache(maxsize=64)
def lay_out(drawn: Sketch) -> Layout:
    """Positions for every shape and arc; the same sketch gives the same. Raises TooLargeToDraw."""
    if len(drawn.shapes) > MAXIMUM_SHAPES or len(drawn.connections) > MAXIMUM_CONNECTIONS:
        raise TooLargeToDraw(
            f"The net has {len(drawn.shapes)} places and transitions and {len(drawn.connections)} arcs; a picture is "
            f"made of at most {MAXIMUM_SHAPES} and {MAXIMUM_CONNECTIONS}. Its DOT text has no limit."
        )
    try:
        found = _positions(drawn)
    except engine.NoLayout as error:
        raise TooLargeToDraw(f"No picture can be made of this net: {error}. Its DOT text has no limit.") from error
    low = found["bounds"]["min"]
    centres = tuple((node["center"]["x"] - low["x"], node["center"]["y"] - low["y"]) for node in found["nodes"])
    ways = tuple(
        _way(connection, edge, drawn, centres, (low["x"], low["y"]))
        for connection, edge in zip(drawn.connections, found["edges"], strict=True)
    )
    spots = tuple(
        None if edge["label_anchor"] is None else _moved(edge["label_anchor"], (low["x"], low["y"]))
        for edge in found["edges"]
    )
    high = found["bounds"]["max"]
    return Layout(high["x"] - low["x"], high["y"] - low["y"], centres, ways, spots)


def _graph(drawn: Sketch) -> graphlay.Graph:
    graph = graphlay.Graph()
    for position, shape in enumerate(drawn.shapes):
        # No `rank: first` for the initial place: with arcs back to it, the engine (0.3.1) loops for ever.
        graph.node(position, width=shape.width, height=shape.height)
    for connection in drawn.connections:
        label: dict[str, Any] = {}
        if connection.label:
            label["label_size"] = {"width": text.width(connection.label, 11.0) + 4, "height": 13.0}
        graph.edge(connection.source, connection.target, **label)
    return graph


def _positions(drawn: Sketch) -> dict[str, Any]:
    """The engine's answer: carefully, or where the arcs are too long for that or it does not end, quickly."""
    graph = _graph(drawn).to_dict()
    try:
        return engine.run(graph, {**_OPTIONS, "limits": {"max_dummies": CAREFUL_BENDS}}, CAREFUL_SECONDS)
    except engine.NoLayout:
        quick = {**_OPTIONS, **_QUICK, "limits": {"max_dummies": MAXIMUM_BENDS}}
        return engine.run(graph, quick, QUICK_SECONDS)


def _way(
    connection: Connection, edge: dict[str, Any], drawn: Sketch, centres: tuple[Point, ...], low: Point
) -> tuple[Point, ...]:
    """The arc's corners from outline to outline: to the layout a place is as large as its texts, not as its circle."""
    points = [_moved(point, low) for point in edge["points"]]
    if drawn.shapes[connection.source].is_place:
        points = _from_circle(centres[connection.source], points)
    if drawn.shapes[connection.target].is_place:
        points = _from_circle(centres[connection.target], points[::-1])[::-1]
    return tuple(point for position, point in enumerate(points) if position == 0 or point != points[position - 1])


def _from_circle(centre: Point, points: list[Point]) -> list[Point]:
    """The way begun at the circle: straight on where that meets it, otherwise in a line towards its middle."""
    radius = CIRCLE / 2
    across, up = points[0][0] - centre[0], points[0][1] - centre[1]
    if abs(up) <= 0.75 * radius:
        reach = math.copysign(math.sqrt(radius**2 - up**2), across)
        return [(centre[0] + reach, points[0][1]), *points[1:]]
    distance = math.hypot(across, up)
    edge = (centre[0] + across / distance * radius, centre[1] + up / distance * radius)
    return [edge, *points]


def _moved(point: dict[str, float], low: Point) -> Point:
    return point["x"] - low[0], point["y"] - low[1]
