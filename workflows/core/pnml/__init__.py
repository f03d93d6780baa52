"""PNML, the exchange format of Petri nets (ISO/IEC 15909-2): P/T nets in and out.

`reading` makes a `PnmlNet` (`model`) of a file, `writing` a file of it; `definitions` turns it into a workflow's
definition and back. Start at `definitions.py`.
"""

from workflows.core.pnml.definitions import definition_from_pnml, pnml_from_definition
from workflows.core.pnml.model import BadPnml, PnmlArc, PnmlNet, PnmlNode
from workflows.core.pnml.reading import read_pnml
from workflows.core.pnml.writing import write_pnml

__all__ = [
    "BadPnml",
    "PnmlArc",
    "PnmlNet",
    "PnmlNode",
    "definition_from_pnml",
    "pnml_from_definition",
    "read_pnml",
    "write_pnml",
]
