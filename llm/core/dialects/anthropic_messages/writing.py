"""A reply of the inner language as Anthropic's message, and its deltas as Anthropic's events.

Anthropic knows one choice: the first. Blocks follow one another there, so of interleaved tool calls the later wait
until the earlier is whole (held back, as much as the calls are long). Errors are in Anthropic's shape. What a message
has no block for (made images and sound, log probabilities, ratings, further choices, Gemini's signatures of texts and
calls, blocks of another provider's own tools) is left out and named. Next file: `../openai_chat/__init__.py`.
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from billing.core.pricing import Usage
from llm.core.conversation import Choice, Citation, Drops, Native, Part, Refusal, Reply, Text, Thinking, ToolCall
from llm.core.deltas import (
    ArgumentsDelta,
    CitationDelta,
    Delta,
    Finished,
    LogprobsDelta,
    NativeDelta,
    RefusalDelta,
    Started,
    TextDelta,
    ThinkingDelta,
    ToolCallStarted,
    UsageDelta,
)
from llm.core.dialects import lost
from llm.core.dialects.seals import Identities, wrapped
from llm.core.dialects.translation import as_object
from llm.core.error_shapes import anthropic_event
from llm.core.errors import LlmError

Fields = dict[str, Any]
STOPS = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use", "content_filter": "refusal"}
NATIVE = frozenset({"end_turn", "max_tokens", "stop_sequence", "tool_use", "pause_turn", "refusal"})
NATIVE |= {"model_context_window_exceeded"}
_encode = msgspec.json.Encoder().encode


def write(reply: Reply, identity: str, model: str) -> tuple[bytes, tuple[str, ...]]:
    """A whole reply, and what it holds that a message cannot."""
    drops = Drops()
    choice = reply.choices[0] if reply.choices else Choice(0, (), "stop")
    if len(reply.choices) > 1:
        drops.note(lost.CHOICES)
    for kind, given in ((lost.LOGPROBS, choice.logprobs), (lost.SAFETY, choice.safety)):
        if given:
            drops.note(kind)
    blocks: list[Fields] = []
    for part in choice.parts:
        block = _block(part)
        if block is None:
            drops.note(lost.part_name(part))
        else:
            blocks.append(block)
        if isinstance(part, Text | ToolCall) and part.signature:
            drops.note(lost.SIGNATURE)
    stop = {
        "stop_reason": _stop(choice.finish, choice.native_finish, choice.stop_sequence),
        "stop_sequence": choice.stop_sequence,
    }
    head = {"id": identity, "type": "message", "role": "assistant", "model": model}
    return _encode({**head, "content": blocks, **stop, "usage": _usage(reply.usage or Usage())}), drops.names()


def _stop(finish: str, native: str | None, sequence: str | None) -> str:
    if native in NATIVE and native is not None:
        return native
    return "stop_sequence" if sequence is not None else STOPS[finish]


def _usage(usage: Usage) -> Fields:
    """Anthropic's own buckets are ours; it has none for sound, which is input there."""
    return {
        "input_tokens": usage.input + usage.audio_input,
        "cache_creation_input_tokens": usage.cache_write + usage.cache_write_1h,
        "cache_read_input_tokens": usage.cached_input,
        "output_tokens": usage.completion_total,
    }


def _block(part: Part) -> Fields | None:
    if isinstance(part, Text):
        block: Fields = {"type": "text", "text": part.text}
        if part.citations:
            block["citations"] = [_citation(cited) for cited in part.citations]
        return block
    if isinstance(part, Refusal):
        return {"type": "text", "text": part.text}
    if isinstance(part, Thinking):
        if part.redacted is not None and not part.text:
            return {"type": "redacted_thinking", "data": _seal(part) or part.redacted}
        return {"type": "thinking", "thinking": part.text, "signature": _seal(part) or ""}
    if isinstance(part, ToolCall):
        return {"type": "tool_use", "id": part.id, "name": part.name, "input": as_object(part.arguments)}
    if isinstance(part, Native) and part.origin == "anthropic":
        return part.block
    return None


def _seal(part: Thinking | ThinkingDelta) -> str | None:
    """Anthropic's own seal as it is, another provider's with its name."""
    if part.origin in (None, "anthropic") or (part.signature is None and part.redacted is None):
        return part.signature or part.redacted
    return wrapped(part)


def _citation(cited: Citation) -> Fields:
    if cited.source is not None and str(cited.source.get("type", "")).endswith("_location"):
        return cited.source
    return {
        "type": "web_search_result_location",
        "url": cited.url or "",
        "title": cited.title,
        "cited_text": cited.quote or "",
        "encrypted_index": "",
    }


def _event(kind: str, fields: Fields) -> bytes:
    return b"event: " + kind.encode() + b"\ndata: " + _encode({"type": kind, **fields}) + b"\n\n"


class EventWriter:
    """Deltas of one stream as events, from message_start to message_stop."""

    def __init__(self, identity: str, model: str) -> None:
        self._identity = identity
        self._model = model
        self._usage = Usage()
        self._started = False
        self._end: Finished | None = None
        self._index = -1
        self._part: int | None = None
        self._calling = False
        """A tool call is under way, which later deltas may still add to."""
        self._waiting: dict[int, list[Delta]] = {}
        self._drops = Drops()
        self._identities = Identities()

    @property
    def dropped(self) -> tuple[str, ...]:
        """What the answer holds that a message cannot."""
        return self._drops.names()

    def failure(self, error: LlmError) -> bytes:
        return anthropic_event(error)

    def write(self, deltas: Iterable[Delta]) -> bytes:
        """The events of these deltas, perhaps none."""
        return b"".join([self._take(delta) for delta in deltas])

    def finish(self) -> bytes:
        """The blocks that waited, how it ended, and message_stop."""
        out = [self._start(), *[self._flush(part) for part in sorted(self._waiting)], self._close()]
        end = self._end or Finished(0, "length")
        stop = {"stop_reason": _stop(end.finish, end.native, end.stop_sequence), "stop_sequence": end.stop_sequence}
        out.append(_event("message_delta", {"delta": stop, "usage": self.counted(self._usage)}))
        out.append(_event("message_stop", {}))
        return b"".join(out)

    def counted(self, usage: Usage) -> Fields:
        """The usage of the last event but one; for who adds the cost to it."""
        return _usage(usage)

    def _start(self) -> bytes:
        if self._started:
            return b""
        self._started = True
        message = {"id": self._identity, "type": "message", "role": "assistant", "model": self._model, "content": []}
        ends = {"stop_reason": None, "stop_sequence": None, "usage": _usage(self._usage)}
        return _event("message_start", {"message": {**message, **ends}})

    def _take(self, delta: Delta) -> bytes:
        if isinstance(delta, UsageDelta):
            self._usage = delta.usage
            return b""
        if isinstance(delta, Started):
            return b""  # usage often comes right after it, and belongs into message_start
        if delta.choice != 0:
            self._drops.note(lost.CHOICES)
            return b""
        if isinstance(delta, Finished):
            self._end = delta
            if delta.safety:
                self._drops.note(lost.SAFETY)
            return b""
        if isinstance(delta, LogprobsDelta):
            self._drops.note(lost.LOGPROBS)
            return b""
        part = delta.part
        if isinstance(delta, TextDelta | ToolCallStarted) and delta.signature:
            self._drops.note(lost.SIGNATURE)
        out = self._start()
        if self._part is not None and part != self._part and self._calling:
            self._waiting.setdefault(part, []).append(delta)
            return out
        return out + self._say(part, delta)

    def _flush(self, part: int) -> bytes:
        return b"".join([self._say(part, delta) for delta in self._waiting[part]])

    def _say(self, part: int, delta: Delta) -> bytes:
        out = b""
        if isinstance(delta, ThinkingDelta) and delta.origin not in (None, "anthropic"):
            delta = self._with_name(part, delta)
        if part != self._part:
            block, opens = _opening(delta)
            if block is None:
                self._drops.note(lost.delta_name(delta))
                return b""
            out = self._close()
            self._part = part
            self._index += 1
            self._calling = isinstance(delta, ToolCallStarted)
            out += _event("content_block_start", {"index": self._index, "content_block": block})
            if opens:
                return out
        for piece in _pieces(delta):
            out += _event("content_block_delta", {"index": self._index, "delta": piece})
        return out

    def _with_name(self, part: int, delta: ThinkingDelta) -> ThinkingDelta:
        """Another provider's reasoning, its seal with its name; `id` may have come with an earlier piece."""
        delta = self._identities.with_id(delta)
        if delta.signature is None and delta.redacted is None:
            return delta
        seal = wrapped(delta)
        if delta.redacted is not None and not delta.text and part != self._part:
            return msgspec.structs.replace(delta, redacted=seal, signature=None)
        return msgspec.structs.replace(delta, redacted=None, signature=seal)

    def _close(self) -> bytes:
        if self._part is None:
            return b""
        self._part = None
        return _event("content_block_stop", {"index": self._index})


def _opening(delta: Delta) -> tuple[Fields | None, bool]:
    """The block that a delta begins, and whether that says all of it."""
    if isinstance(delta, TextDelta | RefusalDelta | CitationDelta):
        return {"type": "text", "text": ""}, False
    if isinstance(delta, ThinkingDelta):
        if delta.redacted is not None:
            return {"type": "redacted_thinking", "data": delta.redacted}, True
        return {"type": "thinking", "thinking": "", "signature": ""}, False
    if isinstance(delta, ToolCallStarted):
        return {"type": "tool_use", "id": delta.id, "name": delta.name, "input": {}}, True
    if isinstance(delta, NativeDelta) and delta.native.origin == "anthropic":
        return delta.native.block, True
    return None, True


def _pieces(delta: Delta) -> list[Fields]:
    if isinstance(delta, TextDelta | RefusalDelta):
        return [{"type": "text_delta", "text": delta.text}] if delta.text else []
    if isinstance(delta, ArgumentsDelta):
        return [{"type": "input_json_delta", "partial_json": delta.text}]
    if isinstance(delta, CitationDelta):
        return [{"type": "citations_delta", "citation": _citation(delta.citation)}]
    if isinstance(delta, ThinkingDelta):
        found: list[Fields] = [{"type": "thinking_delta", "thinking": delta.text}] if delta.text else []
        if delta.signature:
            found.append({"type": "signature_delta", "signature": delta.signature})
        return found
    return []
