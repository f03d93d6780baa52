"""Deltas of one stream as the typed, numbered events of a response, from `response.created` to the whole of it.

A message or a piece of reasoning is done when the next item begins; calls, whose arguments may come interleaved, when
the answer ends. The last event repeats the whole answer, so all of it is held, at most MAX_BYTES. What is said at the
end is made by `answer.py` from the same deltas, so it cannot differ from a whole answer.
Source: https://platform.openai.com/docs/api-reference/responses-streaming. Next file: `translator.py`.
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from billing.core.pricing import Usage
from llm.core import sse
from llm.core.assembly import Assembly
from llm.core.conversation import Choice, Drops, Part, Text, ToolCall
from llm.core.deltas import (
    ArgumentsDelta,
    CitationDelta,
    Delta,
    Finished,
    ImageDelta,
    LogprobsDelta,
    RefusalDelta,
    Started,
    TextDelta,
    ThinkingDelta,
    ToolCallStarted,
    UsageDelta,
)
from llm.core.dialects import lost
from llm.core.dialects.openai_responses import answer
from llm.core.dialects.openai_responses.answer import Head
from llm.core.errors import LlmError

Fields = dict[str, Any]
Content = TextDelta | RefusalDelta | CitationDelta
MAX_BYTES = sse.MAX_EVENT_BYTES
"""Of the answer: the last event holds it whole, so that event is about as long, beside what JSON adds."""
_encode = msgspec.json.Encoder().encode


class _Item:
    """One output item while it is open. `parts` are the numbers of its parts, `content` its open content part."""

    __slots__ = ("cited", "id", "index", "kind", "parts", "shown")

    def __init__(self, kind: str, index: int, identity: str, part: int) -> None:
        self.kind = kind
        self.index = index
        self.id = identity
        self.parts = [part]
        self.cited = 0
        self.shown = False
        """Its content or summary part has been added, or arguments have come."""

    @property
    def place(self) -> Fields:
        return {"item_id": self.id, "output_index": self.index}


class EventWriter:
    """See the header."""

    def __init__(self, head: Head) -> None:
        self._head = head
        self._assembly = Assembly(MAX_BYTES)
        self._drops = Drops()
        self._number = 0
        self._count = 0
        self._opened = False
        self._current: _Item | None = None
        """The message or reasoning that is being said."""
        self._calls: dict[int, _Item] = {}
        """By their part."""
        self._first_text: int | None = None

    @property
    def dropped(self) -> tuple[str, ...]:
        return self._drops.names()

    def write(self, deltas: Iterable[Delta]) -> bytes:
        """The events of these deltas, perhaps none. Raises ProviderBroken for an answer that is too long."""
        return b"".join([self._take(delta) for delta in deltas])

    def finish(self) -> bytes:
        """What is still open is done, and the whole answer."""
        reply = self._assembly.reply()
        choice = next((one for one in reply.choices if one.index == 0), Choice(0, (), "length"))
        ended = "incomplete" if choice.finish in answer.REASONS else "completed"
        out = [self._open()]
        still = [*self._calls.values()] if self._current is None else [*self._calls.values(), self._current]
        for item in sorted(still, key=lambda one: one.index):
            out.append(self._close(item, ended if item.index == self._count - 1 else "completed"))
        whole = answer.response(self._head, choice, reply.usage, self._drops)
        if reply.usage is not None:
            whole["usage"] = self.counted(reply.usage)
        out.append(self._event(f"response.{ended}", {"response": whole}))
        return b"".join(out)

    def counted(self, usage: Usage) -> Fields:
        """The usage of the last event; for who adds the cost to it."""
        return answer.usage_fields(usage)

    def failure(self, error: LlmError) -> bytes:
        return answer.error_event(error, self._number)

    # --- delta by delta -----------------------------------------------------------------------------------------------
    def _take(self, delta: Delta) -> bytes:
        if isinstance(delta, Started):
            return self._open()
        if isinstance(delta, UsageDelta):
            self._assembly.add((delta,))
            return b""
        if delta.choice != 0:
            self._drops.note(lost.CHOICES)
            return b""
        self._assembly.add((delta,))
        if isinstance(delta, LogprobsDelta | Finished):
            return b""
        if isinstance(delta, TextDelta | RefusalDelta | CitationDelta):
            return self._open() + self._content(delta)
        if isinstance(delta, ThinkingDelta):
            return self._open() + self._reasoning(delta)
        if isinstance(delta, ToolCallStarted):
            return self._open() + self._call(delta)
        if isinstance(delta, ArgumentsDelta):
            return self._arguments(delta)
        if isinstance(delta, ImageDelta) and answer.sayable(delta.image):
            return self._open() + self._image(delta)
        self._drops.note(lost.delta_name(delta))
        return b""

    def _open(self) -> bytes:
        if self._opened:
            return b""
        self._opened = True
        begun = {"response": answer.opening(self._head)}
        return self._event("response.created", begun) + self._event("response.in_progress", begun)

    def _begin(self, kind: str, part: int, shown: Fields, identity: str) -> tuple[bytes, _Item]:
        """A new item; a message or reasoning before it is done."""
        out = b"" if self._current is None else self._close(self._current, "completed")
        self._current = None
        item = _Item(kind, self._count, identity, part)
        self._count += 1
        return out + self._event("response.output_item.added", {"output_index": item.index, "item": shown}), item

    def _new_id(self, kind: str) -> str:
        return answer.item_id(self._head, kind, self._count)

    def _content(self, delta: Content) -> bytes:
        out, item = b"", self._current
        if item is None or item.kind != "message":
            identity = self._new_id("msg")
            out, item = self._begin("message", delta.part, answer.message(identity, "in_progress"), identity)
            self._current = item
        elif item.parts[-1] != delta.part:
            out = self._content_done(item)
            item.parts.append(delta.part)
            item.cited, item.shown = 0, False
        at = {**item.place, "content_index": len(item.parts) - 1}
        refused = isinstance(delta, RefusalDelta)
        if not item.shown:
            item.shown = True
            if not refused and self._first_text is None:
                self._first_text = delta.part
            empty = {"type": "refusal", "refusal": ""} if refused else answer.content_part(Text(""))
            out += self._event("response.content_part.added", {**at, "part": empty})
        if isinstance(delta, CitationDelta):
            shown = {"annotation_index": item.cited, "annotation": answer.flat_annotation(delta.citation)}
            item.cited += 1
            return out + self._event("response.output_text.annotation.added", {**at, **shown})
        if not delta.text:
            return out
        if refused:
            return out + self._event("response.refusal.delta", {**at, "delta": delta.text})
        return out + self._event("response.output_text.delta", {**at, "delta": delta.text, "logprobs": []})

    def _reasoning(self, delta: ThinkingDelta) -> bytes:
        out, item = b"", self._current
        if item is None or item.parts != [delta.part]:
            part = self._part(delta.part)
            identity = answer.item_id(self._head, "rs", self._count, part)
            shown: Fields = {"id": identity, "type": "reasoning", "summary": []}
            out, item = self._begin("reasoning", delta.part, shown, identity)
            self._current = item
        if not delta.text:
            return out
        at = {**item.place, "summary_index": 0}
        if not item.shown:
            item.shown = True
            empty = {"type": "summary_text", "text": ""}
            out += self._event("response.reasoning_summary_part.added", {**at, "part": empty})
        return out + self._event("response.reasoning_summary_text.delta", {**at, "delta": delta.text})

    def _call(self, delta: ToolCallStarted) -> bytes:
        identity = self._new_id("ctc" if delta.custom else "fc")
        begun = ToolCall(delta.id, delta.name, "", delta.custom, delta.signature)
        out, item = self._begin("call", delta.part, answer.call(begun, identity, "in_progress"), identity)
        self._calls[delta.part] = item
        return out

    def _arguments(self, delta: ArgumentsDelta) -> bytes:
        if not delta.text:
            return b""
        kind = "custom_tool_call_input" if delta.custom else "function_call_arguments"
        item = self._calls[delta.part]
        item.shown = True
        return self._event(f"response.{kind}.delta", {**item.place, "delta": delta.text})

    def _image(self, delta: ImageDelta) -> bytes:
        shown = answer.item(self._head, self._count, [delta.image], "completed")
        begun = {**shown, "status": "in_progress", "result": None}
        out, item = self._begin("image", delta.part, begun, shown["id"])
        out += self._event("response.image_generation_call.completed", item.place)
        return out + self._event("response.output_item.done", {"output_index": item.index, "item": shown})

    # --- and done -----------------------------------------------------------------------------------------------------
    def _close(self, item: _Item, status: str) -> bytes:
        parts = [self._part(number) for number in item.parts]
        logprobs = self._assembly.logprobs(0) if self._first_text in item.parts else ()
        whole = answer.item(self._head, item.index, parts, status, logprobs)
        out = {"message": self._content_done, "reasoning": self._summary_done, "call": self._call_done}[item.kind](item)
        return out + self._event("response.output_item.done", {"output_index": item.index, "item": whole})

    def _content_done(self, item: _Item) -> bytes:
        part = self._part(item.parts[-1])
        at = {**item.place, "content_index": len(item.parts) - 1}
        logprobs = self._assembly.logprobs(0) if item.parts[-1] == self._first_text else ()
        shown = answer.content_part(part, logprobs)
        if isinstance(part, Text):
            said = {"text": part.text, "logprobs": shown["logprobs"]}
            out = self._event("response.output_text.done", {**at, **said})
        else:
            out = self._event("response.refusal.done", {**at, "refusal": shown["refusal"]})
        return out + self._event("response.content_part.done", {**at, "part": shown})

    def _summary_done(self, item: _Item) -> bytes:
        if not item.shown:
            return b""
        at = {**item.place, "summary_index": 0}
        text = getattr(self._part(item.parts[0]), "text", "")
        out = self._event("response.reasoning_summary_text.done", {**at, "text": text})
        part = {"type": "summary_text", "text": text}
        return out + self._event("response.reasoning_summary_part.done", {**at, "part": part})

    def _call_done(self, item: _Item) -> bytes:
        part = self._part(item.parts[0])
        assert isinstance(part, ToolCall)
        if part.custom:
            return self._event("response.custom_tool_call_input.done", {**item.place, "input": part.arguments})
        said = {"name": part.name, "arguments": part.arguments}
        kind = "response.function_call_arguments"
        out = b"" if item.shown else self._event(f"{kind}.delta", {**item.place, "delta": part.arguments})
        return out + self._event(f"{kind}.done", {**item.place, **said})

    def _part(self, number: int) -> Part:
        return self._assembly.part(0, number)

    def _event(self, kind: str, fields: Fields) -> bytes:
        said = _encode({"type": kind, "sequence_number": self._number, **fields})
        self._number += 1
        return b"event: %b\ndata: %b\n\n" % (kind.encode(), said)
