"""OpenAI's responses and their events into the inner language: a whole answer is read as items that are done at once.

What an item's deltas left unsaid is taken from the item when it is done, so servers that tell whole items only are
read, too. Items of tools that OpenAI runs itself come as `Native`. The stream is done at `response.completed` or
`.incomplete`.
"""

from typing import Any

import msgspec

from llm.core.assembly import assemble
from llm.core.conversation import Finish, Image, Native, Reply
from llm.core.deltas import (
    ArgumentsDelta,
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
from llm.core.dialects.event_decoder import WRONG, EventDecoder
from llm.core.dialects.openai_chat.decoding import token_logprob
from llm.core.dialects.openai_errors import decode_error
from llm.core.dialects.openai_responses.items import citation
from llm.core.dialects.openai_responses.wire import Event, WireResponse
from llm.core.dialects.seals import OPENAI
from llm.core.dialects.signatures import signature_in
from llm.core.dialects.translation import broken, made_id
from llm.core.operations.usage import responses_in_buckets

Fields = dict[str, Any]
REASONS: dict[str, Finish] = {"max_output_tokens": "length", "content_filter": "content_filter"}
STATUSES = {"rate_limit_exceeded": 429, "invalid_prompt": 400, "context_length_exceeded": 400}
"""Of errors in a stream, by their code; any other is the provider's fault."""
CALLS = {"function_call": "arguments", "custom_tool_call": "input"}


class Item(msgspec.Struct):
    """An output item while it grows. `told` is how much of each of its texts came in deltas, by place."""

    part: int = -1
    parts: dict[tuple[str, int], int] = {}
    told: set[tuple[str, int]] = set()
    call: tuple[int, bool] | None = None
    """Our index of the call, and whether the tool is a custom one."""


_response = msgspec.json.Decoder(WireResponse)
_event = msgspec.json.Decoder(Event)


def decode(body: bytes, seed: str) -> Reply:
    """Raises ProviderBroken for what is no answer, ProviderError for an error sent with status 200."""
    decoder = ResponseDecoder(seed, OPENAI, None)
    try:
        response = _response.decode(body)
    except WRONG:
        if b'"error"' in body and b'"message"' in body:
            raise decode_error(0, body, OPENAI, None) from None
        raise broken(OPENAI, body) from None
    found = decoder.whole(response)
    if decoder.error is not None:
        raise decoder.error
    return assemble(found)


class ResponseDecoder(EventDecoder):
    """See `translation.DeltaDecoder`."""

    __slots__ = ("_calls", "_done_items", "_items", "_parts", "_seed", "_started")

    def __init__(self, seed: str, provider: str, secret: str | None) -> None:
        super().__init__(provider, secret)
        self._seed = seed
        self._started = False
        self._items: dict[int, Item] = {}
        self._done_items: set[int] = set()
        self._parts = 0
        self._calls = 0

    def whole(self, response: WireResponse) -> list[Delta]:
        """All of an answer that came at once."""
        found: list[Delta] = []
        try:
            self._end(response, found)
        except WRONG:
            raise broken(self._provider, b"") from None
        return found

    def _read(self, data: bytes, found: list[Delta]) -> None:
        if data != b"[DONE]":
            self._take(_event.decode(data), data, found)

    def _take(self, event: Event, data: bytes, found: list[Delta]) -> None:
        kind = event.type.removeprefix("response.")
        if kind == "error" or event.error is not None:
            self._fail(msgspec.json.decode(data))
        elif kind in ("created", "completed", "incomplete", "failed"):
            response = _response.decode(event.response)
            self._start(response, found)
            if kind != "created":
                self._end(response, found)
        elif kind == "output_item.added" and event.item is not None:
            self._open(event.output_index, event.item, found)
        elif kind == "output_item.done" and event.item is not None:
            self._finish_item(event.output_index, event.item, found)
        elif kind == "output_text.annotation.added" and event.annotation is not None:
            part = self._part(event.output_index, "content", event.content_index)
            self._items[event.output_index].told.add(("annotations", event.content_index))
            found.append(CitationDelta(0, part, citation(event.annotation)))
        elif kind.endswith(".delta") and isinstance(event.delta, str):
            self._delta(kind.removesuffix(".delta"), event, found)

    def _delta(self, kind: str, event: Event, found: list[Delta]) -> None:
        index, text = event.output_index, event.delta
        if kind in ("output_text", "refusal"):
            part = self._part(index, "content", event.content_index)
            found.append((TextDelta if kind == "output_text" else RefusalDelta)(0, part, text))
            self._items[index].told.add(("content", event.content_index))
            if event.logprobs:
                self._items[index].told.add(("logprobs", event.content_index))
                found.append(LogprobsDelta(0, tuple([token_logprob(token) for token in event.logprobs])))
        elif kind in ("reasoning_summary_text", "reasoning_text"):
            number = event.summary_index if kind == "reasoning_summary_text" else event.content_index
            self._think(index, (kind, number), text, found)
        elif kind in ("function_call_arguments", "custom_tool_call_input"):
            item = self._items[index]
            if item.call is None:
                raise ValueError("Arguments of an item that is no call.")
            item.told.add(("call", 0))
            found.append(ArgumentsDelta(0, item.part, item.call[0], text, item.call[1]))

    # --- items --------------------------------------------------------------------------------------------------------
    def _open(self, index: int, item: Fields, found: list[Delta]) -> Item:
        known = self._items.get(index)
        if known is not None:
            return known
        known = self._items[index] = Item(parts={}, told=set())
        if item["type"] in CALLS:
            custom = item["type"] == "custom_tool_call"
            known.part, known.call = self._next(), (self._calls, custom)
            named = (str(item["call_id"]), str(item["name"]), signature_in(item), custom)
            found.append(ToolCallStarted(0, known.part, self._calls, *named))
            self._calls += 1
        elif item["type"] == "reasoning":
            known.part = self._next()
            found.append(ThinkingDelta(0, known.part, id=item.get("id"), origin=OPENAI))
        return known

    def _finish_item(self, index: int, item: Fields, found: list[Delta]) -> None:
        """What of it no delta has told."""
        if index in self._done_items:
            return
        self._done_items.add(index)
        known = self._open(index, item, found)
        kind = item["type"]
        if kind == "message":
            for place, content in enumerate(item.get("content") or ()):
                self._finish_content(index, known, place, content, found)
        elif kind in CALLS:
            text = item.get(CALLS[kind])
            if ("call", 0) not in known.told and text and known.call is not None:
                found.append(ArgumentsDelta(0, known.part, known.call[0], str(text), known.call[1]))
        elif kind == "reasoning":
            self._finish_reasoning(index, known, item, found)
        elif kind == "image_generation_call" and item.get("result"):
            form = str(item.get("output_format") or "png")
            found.append(ImageDelta(0, self._next(), Image(data=str(item["result"]), media_type=f"image/{form}")))
        else:
            found.append(NativeDelta(0, self._next(), Native(OPENAI, item)))

    def _finish_content(self, index: int, known: Item, place: int, content: Fields, found: list[Delta]) -> None:
        part = self._part(index, "content", place)
        if ("content", place) not in known.told:
            if content["type"] == "refusal":
                found.append(RefusalDelta(0, part, str(content["refusal"])))
            else:
                found.append(TextDelta(0, part, str(content["text"])))
        signature = signature_in(content)
        if signature is not None:
            found.append(TextDelta(0, part, signature=signature))
        if ("annotations", place) not in known.told:
            found.extend([CitationDelta(0, part, citation(one)) for one in content.get("annotations") or ()])
        if content.get("logprobs") and ("logprobs", place) not in known.told:
            found.append(LogprobsDelta(0, tuple([token_logprob(token) for token in content["logprobs"]])))

    def _finish_reasoning(self, index: int, known: Item, item: Fields, found: list[Delta]) -> None:
        if not known.told:
            for number, told in enumerate(item.get("summary") or item.get("content") or ()):
                self._think(index, ("reasoning_summary_text", number), str(told["text"]), found)
        if item.get("encrypted_content"):
            found.append(ThinkingDelta(0, known.part, redacted=str(item["encrypted_content"]), origin=OPENAI))

    def _think(self, index: int, place: tuple[str, int], text: str, found: list[Delta]) -> None:
        """The parts of a summary are paragraphs."""
        known = self._open(index, {"type": "reasoning"}, found)
        gap = "\n\n" if known.told and place not in known.told else ""
        known.told.add(place)
        found.append(ThinkingDelta(0, known.part, gap + text, origin=OPENAI))

    def _part(self, index: int, kind: str, number: int) -> int:
        item = self._items.setdefault(index, Item(parts={}, told=set()))
        if (kind, number) not in item.parts:
            item.parts[kind, number] = self._next()
        return item.parts[kind, number]

    def _next(self) -> int:
        self._parts += 1
        return self._parts - 1

    # --- beginning and end --------------------------------------------------------------------------------------------
    def _start(self, response: WireResponse, found: list[Delta]) -> None:
        if not self._started:
            self._started = True
            found.append(Started(response.id or made_id("resp_", self._seed, 0), response.model))

    def _end(self, response: WireResponse, found: list[Delta]) -> None:
        self._start(response, found)
        self._count(response, found)
        if response.status in ("failed", "cancelled") or response.error is not None:
            self._fail(response.error or {"message": f"The response was {response.status}."})
            return
        for index, item in enumerate(response.output):
            self._finish_item(index, item, found)
        reason = str((response.incomplete_details or {}).get("reason") or response.status)
        called = any(item["type"] in CALLS for item in response.output)
        finish: Finish = REASONS.get(reason, "tool_calls" if called else "stop")
        if response.status == "incomplete" and reason not in REASONS:
            finish = "length"
        found.append(Finished(0, finish, reason))
        self.done = True

    def _count(self, response: WireResponse, found: list[Delta]) -> None:
        usage = responses_in_buckets(response.usage)
        if usage is not None:
            self.usage = usage
            found.append(UsageDelta(usage))

    def _fail(self, told: Fields) -> None:
        error = told.get("error") if isinstance(told.get("error"), dict) else told
        assert error is not None
        said = {name: error.get(name) for name in ("message", "code", "param")}
        status = STATUSES.get(str(error.get("code")), 0)
        self.error = decode_error(status, msgspec.json.encode({"error": said}), self._provider, self._secret)
