"""Anthropic's replies, usage and errors into the inner language. Next file: `streaming.py`, replies in pieces.

Finish reasons: refusal gives `content_filter`, max_tokens and model_context_window_exceeded `length`, tool_use
`tool_calls`, all else (end_turn, stop_sequence, pause_turn, what comes later) `stop`.
"""

from typing import Any

import msgspec

from llm.core.conversation import (
    Choice,
    Citation,
    Finish,
    Native,
    Part,
    Refusal,
    Reply,
    SafetyRating,
    Text,
    Thinking,
    ToolCall,
)
from llm.core.dialects.anthropic.rules import ANSWER_TOOL
from llm.core.dialects.translation import broken, refused
from llm.core.errors import ProviderError
from llm.core.operations.anthropic_usage import WireUsage, usage_of

FINISHES: dict[str, Finish] = {
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}
STATUSES = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}
"""Error types and the status they come with, for errors in a stream. Source: docs, api/errors."""
OVERLOADED = 529


class Block(msgspec.Struct):
    """Any content block; `text`, `thinking` and the rest are there by its type."""

    type: str
    text: str = ""
    thinking: str = ""
    signature: str = ""
    data: str = ""
    id: str = ""
    name: str = ""
    input: msgspec.Raw = msgspec.Raw(b"{}")
    citations: list[dict[str, Any]] | None = None


class StopDetails(msgspec.Struct):
    category: str | None = None
    explanation: str | None = None


class WireReply(msgspec.Struct):
    id: str
    model: str
    content: list[msgspec.Raw]
    stop_reason: str | None = None
    stop_sequence: str | None = None
    stop_details: StopDetails | None = None
    usage: WireUsage | None = None


class WireError(msgspec.Struct):
    type: str | None = None
    message: str | None = None


class ErrorBody(msgspec.Struct):
    error: WireError | None = None


_reply = msgspec.json.Decoder(WireReply)
_block = msgspec.json.Decoder(Block)
_error = msgspec.json.Decoder(ErrorBody)


def decode(body: bytes, seed: str) -> Reply:
    """Raises ProviderBroken for what is no answer, ProviderError for an error sent with status 200.

    Not read as a stream of one piece: that takes four times as long, for every answer that is not streamed.
    """
    try:
        wire = _reply.decode(body)
        parts = [part_of(block) for block in wire.content]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        if said(body) is not None:
            raise decode_error(0, body, "anthropic", None) from None
        raise broken("anthropic", body) from None
    if wire.stop_details is not None and wire.stop_details.explanation:
        parts.append(Refusal(wire.stop_details.explanation))
    calls = any(isinstance(part, ToolCall) for part in parts)
    choice = Choice(
        0,
        tuple(parts),
        finish_of(wire.stop_reason, calls),
        wire.stop_sequence,
        wire.stop_reason,
        safety=ratings(wire.stop_details),
    )
    return Reply(wire.id, wire.model, (choice,), usage_of(wire.usage))


def part_of(raw: msgspec.Raw) -> Part:
    block = _block.decode(raw)
    if block.type == "text":
        return Text(block.text, tuple([citation(source) for source in block.citations or ()]))
    if block.type == "tool_use":
        if block.name == ANSWER_TOOL:
            return Text(_compact(block.input))
        return ToolCall(block.id, block.name, _compact(block.input))
    if block.type == "thinking":
        return Thinking(block.thinking, block.signature or None, origin="anthropic")
    if block.type == "redacted_thinking":
        return Thinking(redacted=block.data, origin="anthropic")
    return Native("anthropic", msgspec.json.decode(raw))


def _compact(raw: msgspec.Raw) -> str:
    """JSON without the spaces between, otherwise as it came."""
    return msgspec.json.format(bytes(raw), indent=-1).decode()


def citation(source: dict[str, Any]) -> Citation:
    """Anthropic's places are places in a document, not in the answer, so they stay in `source`."""
    return Citation(
        url=_text(source.get("url")),
        title=_text(source.get("title")) or _text(source.get("document_title")),
        quote=_text(source.get("cited_text")),
        source=source,
    )


def finish_of(reason: str | None, calls: bool) -> Finish:
    """A reason that never came is an answer cut off. A call of our answer tool alone is no call."""
    if reason is None:
        return "length"
    found = FINISHES.get(reason, "stop")
    return "stop" if found == "tool_calls" and not calls else found


def ratings(details: StopDetails | None) -> tuple[SafetyRating, ...]:
    if details is None or details.category is None:
        return ()
    return (SafetyRating(details.category, "refusal", blocked=True),)


def decode_error(status: int, body: bytes, provider: str, secret: str | None) -> ProviderError:
    """`status` 0: the error came in a stream, or with 200; its type says the rest. Overloaded is shown as 503."""
    error = said(body) or WireError()
    kind = error.type
    if status == 0:
        status = STATUSES.get(kind or "", 500)
    shown = 503 if status == OVERLOADED else None
    return refused(status, error.message, provider, secret, kind=kind, code=kind, shown=shown)


def said(body: bytes) -> WireError | None:
    """The `error` of a body, if it has one."""
    try:
        return _error.decode(body).error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
