"""Pictures of nets: `render` gives SVG, `render_dot` Graphviz's text. Start at `sketch.py`: what is shown."""

from workflows.core.drawing.dot import render_dot
from workflows.core.drawing.layout import TooLargeToDraw
from workflows.core.drawing.svg import render

__all__ = ["TooLargeToDraw", "render", "render_dot"]
