"""A reply in pieces: the deltas of a stream, the same for every wire. `Delta` is the union of them.

`choice` counts the choices of the reply; `part` counts the parts of a choice from 0 and never goes back, so a part is
whole when the next begins, except tool calls, whose arguments may come interleaved. `index` counts the tool calls of
a choice from 0: no two share one. Next file: `assembly.py`, deltas back into a whole reply.
"""

import msgspec

from billing.core.pricing import Usage
from llm.core.conversation import Audio, Citation, Finish, Image, Native, SafetyRating, TokenLogprob


class Started(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="kind", tag="started"):
    id: str
    model: str


class TextDelta(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="kind", tag="text"):
    choice: int
    part: int
    text: str = ""
    signature: str | None = None


class CitationDelta(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="kind", tag="citation"):
    choice: int
    part: int
    citation: Citation


class RefusalDelta(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="kind", tag="refusal"):
    choice: int
    part: int
    text: str


class ThinkingDelta(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="kind", tag="thinking"):
    choice: int
    part: int
    text: str = ""
    signature: str | None = None
    redacted: str | None = None
    id: str | None = None
    origin: str | None = None


class AudioDelta(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="kind", tag="audio"):
    """More of one sound: `data` is base64 of whole bytes of its own, so pieces are decoded one by one."""

    choice: int
    part: int
    audio: Audio


class NativeDelta(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="kind", tag="native"):
    """A whole block that only one wire knows."""

    choice: int
    part: int
    native: Native


class ImageDelta(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="kind", tag="image"):
    choice: int
    part: int
    image: Image


class ToolCallStarted(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="kind", tag="tool_call"):
    """`index` counts the calls of a choice from 0: no two calls share one."""

    choice: int
    part: int
    index: int
    id: str
    name: str
    signature: str | None = None
    custom: bool = False


class ArgumentsDelta(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="kind", tag="arguments"):
    choice: int
    part: int
    index: int
    text: str
    custom: bool = False
    """Of a custom tool: free text, not JSON."""


class LogprobsDelta(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="kind", tag="logprobs"):
    choice: int
    logprobs: tuple[TokenLogprob, ...]


class Finished(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="kind", tag="finished"):
    choice: int
    finish: Finish
    native: str | None = None
    stop_sequence: str | None = None
    safety: tuple[SafetyRating, ...] = ()


class UsageDelta(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="kind", tag="usage"):
    """What has been used so far in all: a later one replaces an earlier one."""

    usage: Usage


Delta = (
    Started
    | TextDelta
    | CitationDelta
    | RefusalDelta
    | ThinkingDelta
    | ImageDelta
    | AudioDelta
    | NativeDelta
    | ToolCallStarted
    | ArgumentsDelta
    | LogprobsDelta
    | Finished
    | UsageDelta
)
