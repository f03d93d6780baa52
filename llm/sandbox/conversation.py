"""What a client asks, whichever wire it came by: turns, tools and wishes. Each wire's reader makes a `Conversation`.

Only what the sandbox acts on or counts is here; a wire ignores every other field. `answers.py` decides what to say to
it, `speech.py` cuts that to length and counts.
"""

from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True)
class Called:
    """A tool call made in an earlier turn."""

    id: str
    name: str
    arguments: str = ""


@dataclass(frozen=True)
class Turn:
    """One message. Of a medium only its kind is looked at: it stands in `text` as `[image_url]`, and is counted."""

    role: Literal["system", "user", "assistant", "tool"]
    text: str = ""
    images: int = 0
    """Images and files."""
    sounds: int = 0
    calls: tuple[Called, ...] = ()
    call_id: str = ""
    """Of a `tool` turn: the call whose result it is."""


@dataclass(frozen=True)
class Tool:
    """Something that may be called, with a schema for its arguments; `custom` takes free text instead."""

    name: str
    schema: dict[str, Any] | None = None
    custom: bool = False


@dataclass(frozen=True)
class Conversation:
    """The whole request."""

    turns: tuple[Turn, ...]
    tools: tuple[Tool, ...] = ()
    choice: Literal["auto", "none", "required"] = "auto"
    allowed: tuple[str, ...] | None = None
    """Names of the tools that may be called; None: all."""
    parallel: bool = True
    shape: Literal["text", "object", "schema"] = "text"
    schema: dict[str, Any] = field(default_factory=dict)
    """With shape `schema`."""
    answers: int = 1
    stop: tuple[str, ...] = ()
    limit: int | None = None
    """Tokens of the answer."""
