"""A P/T net as PNML has it: nodes and arcs with what tools keep beside them, as XML text that nobody here looks into.

Pages are gone: their nodes are listed together, and references are replaced by what they stand for.
Next: `reading.py`.
"""

from dataclasses import dataclass
from typing import Literal

from workflows.core.errors import WorkflowError

ArcKind = Literal["normal", "inhibitor", "read", "reset"]


class BadPnml(WorkflowError):
    """A file that is no P/T net in PNML, or one that cannot become a workflow; `place` leads to the fault."""

    code = "BAD_PNML"

    def __init__(self, place: str, message: str) -> None:
        super().__init__(f"{place}: {message}" if place else message, place=place)
        self.place = place


@dataclass(frozen=True, slots=True)
class PnmlNode:
    """A place or a transition. `kept`: its `graphics` and `toolspecific` elements as they came."""

    id: str
    name: str = ""
    marking: int = 0
    """Of a place."""
    kept: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PnmlArc:
    id: str
    source: str
    target: str
    weight: int = 1
    kind: ArcKind = "normal"
    """Inhibitor, read and reset arcs lead from a place to a transition."""
    kept: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PnmlNet:
    id: str
    name: str
    places: tuple[PnmlNode, ...]
    transitions: tuple[PnmlNode, ...]
    arcs: tuple[PnmlArc, ...]
    kept: tuple[str, ...] = ()
