"""The tools an agent may use: looked up by name, offered to the model by the loop.

This release knows none: an agent that asks for one is refused when it is made, rather than run without it. A tool is
a row of TOOLS; `loop.py` offers the rows of an agent to the model and will run what the model calls.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agents.core.errors import BadDefinition


@dataclass(frozen=True, slots=True)
class Tool:
    """One function the model may call."""

    name: str
    description: str
    parameters: Mapping[str, Any]
    """JSON schema of its arguments."""


TOOLS: Mapping[str, Tool] = {}


def find_tools(names: Sequence[str]) -> list[Tool]:
    """The tools of these names, in order. Raises BadDefinition naming the first unknown one and those that exist."""
    for position, name in enumerate(names):
        if name not in TOOLS:
            known = ", ".join(sorted(TOOLS)) or "none yet"
            raise BadDefinition(f"tools[{position}]", f"there is no tool {name!r}; this release has: {known}.")
    return [TOOLS[name] for name in names]
