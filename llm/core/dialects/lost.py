"""What of a reply a client's wire has no place for, by name, for `x-circuit-breaker-dropped`.

The names begin with `reply.`, so that they are told from fields of the request. A stream's head has left when such a
thing comes: there the names stand in a comment before its last event. Next file: `client_wires.py`.
"""

from llm.core.conversation import Audio, Image, Native, Part, Refusal, Text, Thinking, ToolCall, ToolResult
from llm.core.deltas import (
    ArgumentsDelta,
    AudioDelta,
    CitationDelta,
    Delta,
    ImageDelta,
    LogprobsDelta,
    NativeDelta,
    ThinkingDelta,
)

CHOICES, LOGPROBS, SAFETY, SIGNATURE = "reply.choices", "reply.logprobs", "reply.safety", "reply.signature"


def part_name(part: Part) -> str:
    """What to call a part that is left out."""
    if isinstance(part, Native):
        return f"reply.{part.block.get('type') or next(iter(part.block), part.origin)}"
    if isinstance(part, Audio):
        return "reply.audio"
    if isinstance(part, Image):
        return "reply.image"
    kinds = {Text: "text", Refusal: "refusal", Thinking: "thinking", ToolCall: "tool_call", ToolResult: "tool_result"}
    return f"reply.{kinds.get(type(part), 'file')}"


def delta_name(delta: Delta) -> str:
    """The same of a delta."""
    if isinstance(delta, NativeDelta):
        return part_name(delta.native)
    if isinstance(delta, AudioDelta):
        return part_name(delta.audio)
    if isinstance(delta, ImageDelta):
        return part_name(delta.image)
    if isinstance(delta, LogprobsDelta):
        return LOGPROBS
    kinds = {ArgumentsDelta: "tool_call", CitationDelta: "citation", ThinkingDelta: "thinking"}
    return f"reply.{kinds.get(type(delta), 'text')}"
