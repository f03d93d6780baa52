"""Anthropic's event stream into deltas: message_start, blocks (start, delta, stop), message_delta, message_stop.

`ping` may come anywhere and says nothing; events and deltas of kinds we do not know are passed over, as Anthropic asks.
Blocks are numbered by Anthropic; our parts and tool calls are counted by us. Usage in `message_delta` is cumulative:
it replaces what `message_start` said. Source: https://docs.anthropic.com/en/api/messages-streaming
"""

from typing import Any

import msgspec

from llm.core.conversation import Native
from llm.core.deltas import (
    ArgumentsDelta,
    CitationDelta,
    Delta,
    Finished,
    NativeDelta,
    RefusalDelta,
    Started,
    TextDelta,
    ThinkingDelta,
    ToolCallStarted,
    UsageDelta,
)
from llm.core.dialects.anthropic.decoding import (
    Block,
    StopDetails,
    citation,
    decode_error,
    finish_of,
    ratings,
)
from llm.core.dialects.anthropic.rules import ANSWER_TOOL
from llm.core.dialects.event_decoder import EventDecoder
from llm.core.operations.anthropic_usage import WireUsage, usage_of


class StartedMessage(msgspec.Struct):
    id: str = ""
    model: str = ""
    usage: WireUsage | None = None


class Piece(msgspec.Struct):
    """The `delta` of a block or of the message."""

    type: str = ""
    text: str = ""
    thinking: str = ""
    signature: str = ""
    partial_json: str = ""
    citation: dict[str, Any] | None = None
    stop_reason: str | None = None
    stop_sequence: str | None = None
    stop_details: StopDetails | None = None


class Event(msgspec.Struct):
    type: str
    index: int = 0
    message: StartedMessage | None = None
    content_block: msgspec.Raw = msgspec.Raw()
    delta: Piece | None = None
    usage: WireUsage | None = None


class OpenBlock(msgspec.Struct):
    """A block under way."""

    kind: str
    part: int
    call: int = 0
    said: bool = False
    block: dict[str, Any] | None = None
    json: list[str] | None = None


_event = msgspec.json.Decoder(Event)
_block = msgspec.json.Decoder(Block)


class MessageDecoder(EventDecoder):
    """See `translation.DeltaDecoder`."""

    __slots__ = ("_calls", "_open", "_parts", "_told")

    def __init__(self, provider: str, secret: str | None) -> None:
        super().__init__(provider, secret)
        self._open: dict[int, OpenBlock] = {}
        self._parts = 0
        self._calls = 0
        self._told = WireUsage()

    def _read(self, data: bytes, found: list[Delta]) -> None:
        self._event(_event.decode(data), data, found)

    def _event(self, event: Event, data: bytes, found: list[Delta]) -> None:
        kind = event.type
        if kind == "content_block_delta":
            if event.delta is not None and event.index in self._open:
                self._piece(self._open[event.index], event.delta, found)
        elif kind == "content_block_start":
            self._start(event, found)
        elif kind == "content_block_stop":
            self._stop(event.index, found)
        elif kind == "message_start" and event.message is not None:
            found.append(Started(event.message.id, event.message.model))
            self._count(event.message.usage, found)
        elif kind == "message_delta":
            self._end(event, found)
        elif kind == "message_stop":
            self.done = True
        elif kind == "error":
            self.error = decode_error(0, data, self._provider, self._secret)

    def _start(self, event: Event, found: list[Delta]) -> None:
        block, part = _block.decode(event.content_block), self._parts
        self._parts += 1
        opened = self._open[event.index] = OpenBlock(block.type, part)
        if block.type == "text":
            found.append(TextDelta(0, part, block.text))
            found.extend([CitationDelta(0, part, citation(source)) for source in block.citations or ()])
        elif block.type == "thinking":
            found.append(ThinkingDelta(0, part, block.thinking, block.signature or None, origin="anthropic"))
        elif block.type == "redacted_thinking":
            found.append(ThinkingDelta(0, part, redacted=block.data, origin="anthropic"))
        elif block.type == "tool_use":
            self._start_call(opened, block, found)
        else:
            opened.block = msgspec.json.decode(event.content_block)
            opened.json = []

    def _start_call(self, opened: OpenBlock, block: Block, found: list[Delta]) -> None:
        given = bytes(block.input)
        if block.name == ANSWER_TOOL:
            opened.kind = "answer"
        else:
            opened.call = self._calls
            self._calls += 1
            found.append(ToolCallStarted(0, opened.part, opened.call, block.id, block.name))
        if given not in (b"{}", b"null", b""):
            self._arguments(opened, given.decode(), found)

    def _arguments(self, opened: OpenBlock, text: str, found: list[Delta]) -> None:
        if not text:
            return
        opened.said = True
        if opened.kind == "answer":
            found.append(TextDelta(0, opened.part, text))
        else:
            found.append(ArgumentsDelta(0, opened.part, opened.call, text))

    def _piece(self, opened: OpenBlock, delta: Piece, found: list[Delta]) -> None:
        kind = delta.type
        if opened.json is not None:
            if kind == "input_json_delta":
                opened.json.append(delta.partial_json)
        elif kind == "text_delta":
            found.append(TextDelta(0, opened.part, delta.text))
        elif kind == "input_json_delta":
            self._arguments(opened, delta.partial_json, found)
        elif kind == "thinking_delta":
            found.append(ThinkingDelta(0, opened.part, delta.thinking, origin="anthropic"))
        elif kind == "signature_delta":
            found.append(ThinkingDelta(0, opened.part, signature=delta.signature, origin="anthropic"))
        elif kind == "citations_delta" and delta.citation is not None:
            found.append(CitationDelta(0, opened.part, citation(delta.citation)))

    def _stop(self, index: int, found: list[Delta]) -> None:
        opened = self._open.pop(index, None)
        if opened is None:
            return
        if opened.kind in ("tool_use", "answer") and not opened.said:
            self._arguments(opened, "{}", found)
        elif opened.block is not None:
            given = "".join(opened.json or ())
            block = {**opened.block, "input": msgspec.json.decode(given)} if given else opened.block
            found.append(NativeDelta(0, opened.part, Native("anthropic", block)))

    def _end(self, event: Event, found: list[Delta]) -> None:
        delta = event.delta
        if delta is not None and delta.stop_reason is not None:
            details = delta.stop_details
            if details is not None and details.explanation:
                found.append(RefusalDelta(0, self._parts, details.explanation))
            finish = finish_of(delta.stop_reason, self._calls > 0)
            found.append(Finished(0, finish, delta.stop_reason, delta.stop_sequence, ratings(details)))
        self._count(event.usage, found)

    def _count(self, wire: WireUsage | None, found: list[Delta]) -> None:
        """Later figures replace earlier ones, one by one."""
        if wire is None:
            return
        for name in WireUsage.__struct_fields__:
            value = getattr(wire, name)
            if value is not None:
                setattr(self._told, name, value)
        self.usage = usage_of(self._told)
        if self.usage is not None:
            found.append(UsageDelta(self.usage))
