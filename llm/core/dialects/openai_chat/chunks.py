"""The deltas of a stream as OpenAI's `chat.completion.chunk` events; what they amount to is what `writing.py` writes.

Promised: the chunks of a choice, put together, say what the whole answer would, citations' places included; ratings of
filters stand in the chunk with the finish reason. `[DONE]` is not written: the gateway sends it once the call is on
record. Next file: `translator.py`.
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from billing.core.pricing import Usage
from llm.core.deltas import (
    ArgumentsDelta,
    AudioDelta,
    CitationDelta,
    Delta,
    Finished,
    ImageDelta,
    LogprobsDelta,
    NativeDelta,
    RefusalDelta,
    Started,
    TextDelta,
    ThinkingDelta,
    ToolCallStarted,
    UsageDelta,
)
from llm.core.dialects.lost import part_name
from llm.core.dialects.openai_chat.writing import annotation, image_fields, logprob, reasoning_detail, usage_fields
from llm.core.dialects.signatures import signed
from llm.core.errors import LlmError
from llm.core.errors import event as error_event

Fields = dict[str, Any]
Shown = ArgumentsDelta | ToolCallStarted | ThinkingDelta | RefusalDelta | CitationDelta | ImageDelta | AudioDelta
_encode = msgspec.json.Encoder().encode


class Letters(msgspec.Struct):
    """How much text of a choice is written: of all its parts, and before the part being written."""

    part: int
    before: int = 0
    written: int = 0


class ChunkWriter:
    """Deltas of one stream as events. The first chunk of each choice carries the role."""

    __slots__ = ("_head", "_include_usage", "_letters", "_lost", "_opened", "_thoughts", "_usage")

    def __init__(self, identity: str, created: int, model: str, include_usage: bool) -> None:
        fields = {"id": identity, "object": "chat.completion.chunk", "created": created, "model": model}
        self._head = b"data: " + _encode(fields)[:-1] + b',"choices":['
        self._include_usage = include_usage
        self._opened: set[int] = set()
        self._letters: dict[int, Letters] = {}
        self._lost: dict[str, None] = {}
        self._thoughts: dict[int, dict[int, int]] = {}
        self._usage: Usage | None = None

    @property
    def dropped(self) -> tuple[str, ...]:
        """What the answer holds that chat has no field for."""
        return tuple(self._lost)

    def failure(self, error: LlmError) -> bytes:
        return error_event(error)

    def write(self, deltas: Iterable[Delta]) -> bytes:
        """The events of these deltas, perhaps none."""
        return b"".join([self._event(delta) for delta in deltas])

    def finish(self) -> bytes:
        """The usage chunk, if it was asked for and is known."""
        if not self._include_usage or self._usage is None:
            return b""
        return self._head + b'],"usage":' + _encode(self.counted(self._usage)) + b"}\n\n"

    def counted(self, usage: Usage) -> Fields:
        """What the usage chunk says; for who adds the cost to it."""
        return usage_fields(usage)

    def _event(self, delta: Delta) -> bytes:
        if isinstance(delta, TextDelta):
            self._text_of(delta).written += len(delta.text)
            return self._chunk(delta.choice, signed({"content": delta.text}, delta.signature))
        if isinstance(delta, UsageDelta):
            self._usage = delta.usage
            return b""
        if isinstance(delta, Started):
            return b"" if 0 in self._opened else self._chunk(0, {})
        if isinstance(delta, Finished):
            return self._end(delta)
        if isinstance(delta, NativeDelta):
            self._lost[part_name(delta.native)] = None  # its text follows as text
            return b""
        if isinstance(delta, LogprobsDelta):
            return self._chunk(delta.choice, {}, [logprob(token) for token in delta.logprobs])
        return self._chunk(delta.choice, self._fields(delta))

    def _text_of(self, delta: TextDelta | CitationDelta) -> Letters:
        """Of the delta's choice: a citation counts from the start of its part, the client from that of `content`."""
        letters = self._letters.get(delta.choice)
        if letters is None:
            letters = self._letters[delta.choice] = Letters(delta.part)
        elif letters.part != delta.part:
            letters.part, letters.before = delta.part, letters.written
        return letters

    def _fields(self, delta: Shown) -> Fields:
        if isinstance(delta, ArgumentsDelta):
            if delta.custom:
                return {"tool_calls": [{"index": delta.index, "custom": {"input": delta.text}}]}
            return {"tool_calls": [{"index": delta.index, "function": {"arguments": delta.text}}]}
        if isinstance(delta, ToolCallStarted):
            kind, empty = ("custom", "input") if delta.custom else ("function", "arguments")
            call: Fields = {"index": delta.index, "id": delta.id, "type": kind, kind: {"name": delta.name, empty: ""}}
            return {"tool_calls": [signed(call, delta.signature)]}
        if isinstance(delta, ThinkingDelta):
            known = self._thoughts.setdefault(delta.choice, {})
            number = known.setdefault(delta.part, len(known))
            detail = reasoning_detail(delta, number)
            fields: Fields = {"reasoning_content": delta.text} if delta.text else {}
            return {**fields, "reasoning_details": [detail]}
        if isinstance(delta, RefusalDelta):
            return {"refusal": delta.text}
        if isinstance(delta, CitationDelta):
            return {"annotations": [annotation(delta.citation, self._text_of(delta).before)]}
        if isinstance(delta, AudioDelta):
            return {"audio": msgspec.to_builtins(delta.audio)}
        return {"images": [image_fields(delta.image)]}

    def _end(self, delta: Finished) -> bytes:
        opened = b"" if delta.choice in self._opened else self._chunk(delta.choice, {})
        rated = b',"content_filter_results":' + _encode(delta.safety) if delta.safety else b""
        tail = b'{"index":%d,"delta":{},"logprobs":null,"finish_reason":"%b"%b}]}\n\n'
        return opened + self._head + tail % (delta.choice, delta.finish.encode(), rated)

    def _chunk(self, choice: int, fields: Fields, logprobs: list[Fields] | None = None) -> bytes:
        if choice not in self._opened:
            self._opened.add(choice)
            fields = {"role": "assistant", "content": "", **fields}
        told = _encode({"content": logprobs}) if logprobs else b"null"
        return self._head + b'{"index":%d,"delta":%b,"logprobs":%b,"finish_reason":null}]}\n\n' % (
            choice,
            _encode(fields),
            told,
        )
