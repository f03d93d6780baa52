"""A net as DOT text, for Graphviz and the tools that read it. The language: graphviz.org/doc/info/lang.html.

Shows the same as the SVG does, as far as DOT has it: a place's tokens stand inside it, weights at their arcs.
"""

from collections.abc import Mapping, Sequence

from workflows.core.drawing.sketch import Connection, Shape, sketch
from workflows.core.net import Net

MOST_DOTS = 5
_STYLES = {
    "takes": "",
    "gives": "",
    "reads": "style=dashed, arrowhead=none",
    "inhibits": "arrowhead=odot, color=red",
    "empties": "arrowhead=normalnormal, color=darkorange",
}


def render_dot(
    net: Net,
    marking: Mapping[str, int] | None = None,
    notes: Mapping[str, Sequence[str]] | None = None,
    refined: bool = False,
) -> str:
    """The net as a digraph, read from left to right; arguments as for `svg.render`."""
    drawn = sketch(net, notes, refined)
    counts = marking or {}
    lines = ["digraph net {", "  rankdir=LR;", '  node [fontname="Helvetica", fontsize=11];']
    for position, shape in enumerate(drawn.shapes):
        lines.append(
            f"  n{position} [{_node(shape, counts.get(shape.key[1] if shape.is_place else shape.running, 0))}];"
        )
    lines += [f"  n{one.source} -> n{one.target}{_arc(one)};" for one in drawn.connections]
    return "\n".join([*lines, "}"]) + "\n"


def _node(shape: Shape, count: int) -> str:
    said = [line.text for line in shape.lines]
    tooltip = f"tooltip={_quoted(shape.title)}"
    tokens = "●" * count if count <= MOST_DOTS else str(count)
    if not shape.is_place:
        return f"shape=box, label={_quoted(chr(10).join([*said, tokens] if count else said))}, {tooltip}"
    around = [f"≤{shape.capacity}"] if shape.capacity is not None else []
    drawn = "doublecircle" if shape.final else "circle"
    weight = ", penwidth=2" if shape.initial else ""
    outside = f"xlabel={_quoted(chr(10).join([*said, *around]))}"
    return f"shape={drawn}, label={_quoted(tokens)}, {outside}, margin=0, width=0.45{weight}, {tooltip}"


def _arc(one: Connection) -> str:
    attributes = [each for each in (_STYLES[one.style], f"label={_quoted(one.label)}" if one.label else "") if each]
    return f" [{', '.join(attributes)}]" if attributes else ""


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
