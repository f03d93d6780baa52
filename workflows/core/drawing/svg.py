"""A net as SVG: a text that stands alone as a file and can be put inside an HTML page as it is.

Every name is escaped, nothing is loaded, there is no script. Hovering shows the whole name, guard or meaning of an arc.
The legend explains the kinds of arcs that occur. Next: `layout.py` for positions, `style.py` for colours.
"""

from collections.abc import Collection, Mapping, Sequence
from html import escape

from workflows.core.drawing import style, text
from workflows.core.drawing.layout import Point, lay_out
from workflows.core.drawing.sketch import CIRCLE, LINE_HEIGHT, ArcStyle, Connection, Shape, Sketch, sketch
from workflows.core.net import Net

MARGIN = 24.0
CORNER = 7.0
MOST_DOTS = 5
LEGEND_HEIGHT = 26.0
_SAID: dict[ArcStyle, str] = {
    "reads": "needs, and leaves",
    "inhibits": "waits while there are tokens",
    "empties": "empties the place",
}
_DOTS: dict[int, tuple[Point, ...]] = {
    0: (),
    1: ((0.0, 0.0),),
    2: ((-5.5, 0.0), (5.5, 0.0)),
    3: ((0.0, -6.0), (-5.5, 4.5), (5.5, 4.5)),
    4: ((-5.0, -5.0), (5.0, -5.0), (-5.0, 5.0), (5.0, 5.0)),
    5: ((0.0, 0.0), (-6.5, -6.5), (6.5, -6.5), (-6.5, 6.5), (6.5, 6.5)),
}


def render(
    net: Net,
    marking: Mapping[str, int] | None = None,
    notes: Mapping[str, Sequence[str]] | None = None,
    enabled: Collection[str] = (),
    refined: bool = False,
) -> str:
    """The picture of a net.

    `marking`: tokens by place, as dots up to five, as a number from there on. `notes`: further lines for a place or a
    transition by id, e.g. the agent that works there. `enabled`: transitions to point out. `refined`: a step that works
    outside as the transitions it is made of, instead of one box. Raises TooLargeToDraw.
    """
    drawn = sketch(net, notes, refined)
    found = lay_out(drawn)
    counts = marking or {}
    parts = [
        *(
            _connection(one, way, spot)
            for one, way, spot in zip(drawn.connections, found.ways, found.label_spots, strict=True)
        ),
        *(
            _place(shape, centre, counts.get(shape.key[1], 0))
            if shape.is_place
            else _transition(shape, centre, counts.get(shape.running, 0), shape.key[1] in enabled)
            for shape, centre in zip(drawn.shapes, found.centres, strict=True)
        ),
    ]
    used = [kind for kind in _SAID if any(one.style == kind for one in drawn.connections)]
    width, height = found.width + 2 * MARGIN, found.height + 2 * MARGIN
    legend = ""
    if used:
        legend = _legend(used, height)
        width, height = max(width, 30 + 190.0 * len(used)), height + LEGEND_HEIGHT
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="cb-net" role="img" viewBox="0 0 {_n(width)} {_n(height)}" '
        f'width="{_n(width)}" height="{_n(height)}">'
        f"<title>{_described(drawn, counts)}</title><style>{style.SHEET}</style><defs>{style.HEADS}</defs>"
        f'<g transform="translate({_n(MARGIN)} {_n(MARGIN)})">{"".join(parts)}</g>{legend}</svg>\n'
    )


def _described(drawn: Sketch, counts: Mapping[str, int]) -> str:
    """What a reader who cannot see the picture is told."""
    places = sum(shape.is_place for shape in drawn.shapes)
    marked = ", ".join(f"{count} in {text.printable(place)}" for place, count in sorted(counts.items()) if count)
    said = f"Petri net with {places} places and {len(drawn.shapes) - places} transitions"
    return escape(f"{said}; tokens: {marked}" if marked else said)


def _connection(one: Connection, way: Sequence[Point], spot: Point | None) -> str:
    head = style.HEAD_OF.get(one.style)
    end = f' marker-end="url(#{head})"' if head else ""
    label = f'<text class="weight" x="{_n(spot[0])}" y="{_n(spot[1] + 4)}">{escape(one.label)}</text>' if spot else ""
    title = f"<title>{escape(one.title)}</title>"
    return f'<g>{title}<path class="arc {one.style}" d="{_path(way)}"{end}/>{label}</g>'


def _path(way: Sequence[Point]) -> str:
    """The corners of a way, rounded."""
    said = [f"M{_n(way[0][0])} {_n(way[0][1])}"]
    for position in range(1, len(way) - 1):
        before, corner, after = way[position - 1 : position + 2]
        start, end = _towards(corner, before), _towards(corner, after)
        said.append(f"L{_n(start[0])} {_n(start[1])}Q{_n(corner[0])} {_n(corner[1])} {_n(end[0])} {_n(end[1])}")
    return f"{''.join(said)}L{_n(way[-1][0])} {_n(way[-1][1])}"


def _towards(corner: Point, other: Point) -> Point:
    across, up = other[0] - corner[0], other[1] - corner[1]
    length = (across**2 + up**2) ** 0.5 or 1.0
    part = min(CORNER, length / 2) / length
    return corner[0] + across * part, corner[1] + up * part


def _place(shape: Shape, centre: Point, count: int) -> str:
    radius = CIRCLE / 2
    parts = [f'<circle class="circle" r="{_n(radius)}"/>']
    if shape.final:
        parts.append(f'<circle class="ring" r="{_n(radius - 4)}"/>')
    if shape.initial:
        parts.append(f'<path class="start" d="M{_n(-radius - 13)} -6 {_n(-radius - 3)} 0 {_n(-radius - 13)} 6z"/>')
    if shape.capacity is not None:
        parts.append(f'<text class="small" x="{_n(radius + 8)}" y="{_n(-radius + 2)}">≤{shape.capacity}</text>')
    parts.append(_tokens(count))
    for number, line in enumerate(shape.lines):
        y = radius + 4 + (number + 0.75) * LINE_HEIGHT
        parts.append(f'<text class="{line.style}" y="{_n(y)}">{escape(line.text)}</text>')
    title = f"{shape.title}: {count} tokens" if count else shape.title
    return _group("place marked" if count else "place", centre, title, parts)


def _tokens(count: int) -> str:
    if count > MOST_DOTS:
        return f'<text class="count" y="4.5">{_short(count)}</text>'
    return "".join(f'<circle class="dot" cx="{_n(x)}" cy="{_n(y)}" r="3.6"/>' for x, y in _DOTS[count])


def _transition(shape: Shape, centre: Point, running: int, enabled: bool) -> str:
    left, top = -shape.width / 2, -shape.height / 2
    size = f'width="{_n(shape.width)}" height="{_n(shape.height)}"'
    parts = [f'<rect class="box" x="{_n(left)}" y="{_n(top)}" {size} rx="3"/>']
    if shape.any_of:
        parts.append(f'<rect class="pill" x="-17" y="{_n(top - 7)}" width="34" height="13" rx="6.5"/>')
        parts.append(f'<text class="small" y="{_n(top + 3)}">any of</text>')
    for number, line in enumerate(shape.lines):
        y = top + 7 + (number + 0.75) * LINE_HEIGHT
        parts.append(f'<text class="{line.style}" y="{_n(y)}">{escape(line.text)}</text>')
    title = shape.title
    if running:
        parts.append(
            f'<g transform="translate({_n(-left)} {_n(top)})"><circle class="circle" r="12"/>{_tokens(running)}</g>'
        )
        title += f": {running} under way"
    kind = "transition" + (" marked" if running else "") + (" enabled" if enabled else "")
    return _group(kind, centre, title, parts)


def _group(kind: str, centre: Point, title: str, parts: Sequence[str]) -> str:
    where = f"translate({_n(centre[0])} {_n(centre[1])})"
    return f'<g class="{kind}" transform="{where}"><title>{escape(title)}</title>{"".join(parts)}</g>'


def _legend(used: Sequence[ArcStyle], top: float) -> str:
    parts = []
    for position, kind in enumerate(used):
        x = MARGIN + 190.0 * position
        head = style.HEAD_OF.get(kind)
        end = f' marker-end="url(#{head})"' if head else ""
        parts.append(f'<path class="arc {kind}" d="M{_n(x)} {_n(top)}h28"{end}/>')
        parts.append(
            f'<text class="small" style="text-anchor:start" x="{_n(x + 34)}" y="{_n(top + 3.5)}">{_SAID[kind]}</text>'
        )
    return "".join(parts)


def _short(count: int) -> str:
    for size, unit in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if count >= size:
            return f"{count // size}{unit}"
    return str(count)


def _n(value: float) -> str:
    """A coordinate with one decimal at most."""
    return (
        f"{value:.1f}".removesuffix(".0").replace("-0", "0") if abs(value) < 0.05 else f"{value:.1f}".removesuffix(".0")
    )
