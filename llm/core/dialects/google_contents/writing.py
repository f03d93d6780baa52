"""A reply of the inner language as Gemini's response, and its deltas as a stream of them.

Calls come whole there: they are held until the answer ends. Citations are grounding; another provider's seals travel
with its name. What a part cannot hold (blocks of another provider's own tools) is left out and named.
Next file: `../google/__init__.py`.
"""

import base64
from collections.abc import Iterable
from typing import Any

import msgspec

from billing.core.pricing import Usage
from llm.core.assembly import Assembly
from llm.core.conversation import (
    Audio,
    Choice,
    Citation,
    Drops,
    Image,
    Native,
    Part,
    Refusal,
    Reply,
    Text,
    Thinking,
    TokenLogprob,
    ToolCall,
)
from llm.core.deltas import Delta, ImageDelta, NativeDelta, RefusalDelta, TextDelta, ThinkingDelta
from llm.core.dialects import lost
from llm.core.dialects.seals import Identities, wrapped
from llm.core.dialects.translation import as_object
from llm.core.error_shapes import google_event
from llm.core.errors import LlmError

Fields = dict[str, Any]
FINISHES = {"stop": "STOP", "length": "MAX_TOKENS", "tool_calls": "STOP", "content_filter": "SAFETY"}
NATIVE = frozenset(
    {
        *("STOP", "MAX_TOKENS", "SAFETY", "RECITATION", "LANGUAGE", "OTHER", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII"),
        *("MALFORMED_FUNCTION_CALL", "IMAGE_SAFETY", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS"),
    }
)
_encode = msgspec.json.Encoder().encode


def write(reply: Reply, identity: str, model: str) -> tuple[bytes, tuple[str, ...]]:
    """A whole reply, and what it holds that Gemini's response cannot."""
    drops = Drops()
    candidates = [_candidate(choice, choice.parts, drops) for choice in reply.choices]
    counted: Fields = {} if reply.usage is None else {"usageMetadata": _usage(reply.usage)}
    fields: Fields = {"candidates": candidates, **counted, "modelVersion": model, "responseId": identity}
    return _encode(fields), drops.names()


def _candidate(choice: Choice, parts: Iterable[Part], drops: Drops) -> Fields:
    """A finished candidate, with these of its parts."""
    shown = [fields for part in parts for fields in _part(part, drops)]
    native = choice.native_finish
    reason = native if native is not None and native in NATIVE else FINISHES[choice.finish]
    fields: Fields = {"content": {"parts": shown, "role": "model"}, "finishReason": reason, "index": choice.index}
    if choice.safety:
        fields["safetyRatings"] = [
            {"category": one.category, "probability": one.level, "blocked": one.blocked} for one in choice.safety
        ]
    if choice.logprobs:
        fields["logprobsResult"] = _logprobs(choice.logprobs)
    cited = [(text, one) for text in choice.parts if isinstance(text, Text) for one in text.citations]
    if cited:
        fields["groundingMetadata"] = _grounding(cited)
    return fields


def _part(part: Part, drops: Drops) -> list[Fields]:
    """No part or one."""
    if isinstance(part, Text):
        return [_signed({"text": part.text}, part.signature)]
    if isinstance(part, Refusal):
        return [{"text": part.text}]
    if isinstance(part, Thinking):
        return [_signed({"text": part.text, "thought": True}, _seal(part))]
    if isinstance(part, ToolCall):
        called = {"id": part.id, "name": part.name, "args": as_object(part.arguments)}
        return [_signed({"functionCall": called}, part.signature)]
    if isinstance(part, Image) and part.data is not None:
        return [{"inlineData": {"mimeType": part.media_type or "image/png", "data": part.data}}]
    if isinstance(part, Audio) and part.data is not None:
        return [{"inlineData": {"mimeType": f"audio/{part.format or 'wav'}", "data": part.data}}]
    if isinstance(part, Native) and part.origin == "google":
        return [part.block]
    drops.note(lost.part_name(part))
    return []


def _signed(fields: Fields, signature: str | None) -> Fields:
    return fields if signature is None else {**fields, "thoughtSignature": signature}


def _seal(part: Thinking | ThinkingDelta) -> str | None:
    """Gemini's own as it is; another provider's with its name, as bytes, since that is what clients take it for."""
    if part.origin in (None, "google") or (part.signature is None and part.redacted is None):
        return part.signature
    return base64.b64encode(wrapped(part).encode()).decode()


def _grounding(cited: list[tuple[Text, Citation]]) -> Fields:
    """Each citation its own source and support. Places are bytes there: the whole text where we know no better."""
    chunks = [{"web": {"uri": one.url or "", "title": one.title or ""}} for _, one in cited]
    supports = []
    for number, (text, one) in enumerate(cited):
        start = 0 if one.start is None else len(text.text[: one.start].encode())
        end = len(text.text[: one.end].encode()) if one.end is not None else len(text.text.encode())
        segment = {"startIndex": start, "endIndex": end, "text": one.quote or text.text}
        supports.append({"segment": segment, "groundingChunkIndices": [number]})
    return {"groundingChunks": chunks, "groundingSupports": supports}


def _logprobs(tokens: tuple[TokenLogprob, ...]) -> Fields:
    def shown(token: TokenLogprob) -> Fields:
        return {"token": token.token, "logProbability": token.logprob}

    tops = [{"candidates": [shown(other) for other in token.top]} for token in tokens]
    return {"chosenCandidates": [shown(token) for token in tokens], "topCandidates": tops}


def _usage(usage: Usage) -> Fields:
    found: Fields = {
        "promptTokenCount": usage.prompt_total,
        "candidatesTokenCount": usage.output + usage.audio_output,
        "totalTokenCount": usage.prompt_total + usage.completion_total,
    }
    for name, tokens in (("cachedContentTokenCount", usage.cached_input), ("thoughtsTokenCount", usage.reasoning)):
        if tokens:
            found[name] = tokens
    return found


class ChunkWriter:
    """Deltas of one stream as responses, each a server-sent event; the last of each choice says why it ended."""

    def __init__(self, identity: str, model: str) -> None:
        self._tail = _encode({"modelVersion": model, "responseId": identity})[1:]
        self._assembly = Assembly()
        self._drops = Drops()
        self._identities = Identities()
        self._shown: set[tuple[int, int]] = set()
        """Parts that have been sent as they came, by choice."""

    @property
    def dropped(self) -> tuple[str, ...]:
        return self._drops.names()

    def failure(self, error: LlmError) -> bytes:
        return google_event(error)

    def write(self, deltas: Iterable[Delta]) -> bytes:
        """The events of these deltas, perhaps none."""
        return b"".join([self._take(delta) for delta in deltas])

    def finish(self) -> bytes:
        """What was held back, why each choice ended, and the usage."""
        reply = self._assembly.reply()
        choices = reply.choices or (Choice(0, (), "length"),)
        events = []
        for place, choice in enumerate(choices):
            numbers = self._assembly.numbers(choice.index)
            held = [
                part
                for number, part in zip(numbers, choice.parts, strict=True)
                if (choice.index, number) not in self._shown
            ]
            fields: Fields = {"candidates": [_candidate(choice, held, self._drops)]}
            if reply.usage is not None and place == len(choices) - 1:
                fields["usageMetadata"] = self.counted(reply.usage)
            events.append(self._event(fields))
        return b"".join(events)

    def counted(self, usage: Usage) -> Fields:
        """The `usageMetadata` of the last event; for who adds the cost to it."""
        return _usage(usage)

    def _take(self, delta: Delta) -> bytes:
        self._assembly.add((delta,))
        if not isinstance(delta, TextDelta | RefusalDelta | ThinkingDelta | ImageDelta | NativeDelta):
            return b""
        if isinstance(delta, ThinkingDelta):
            delta = self._identities.with_id(delta)
        self._shown.add((delta.choice, delta.part))
        shown = _piece(delta, self._drops)
        if not shown:
            return b""
        return self._event({"candidates": [{"content": {"parts": shown, "role": "model"}, "index": delta.choice}]})

    def _event(self, fields: Fields) -> bytes:
        return b"data: " + _encode(fields)[:-1] + b"," + self._tail + b"\n\n"


def _piece(delta: TextDelta | RefusalDelta | ThinkingDelta | ImageDelta | NativeDelta, drops: Drops) -> list[Fields]:
    if isinstance(delta, TextDelta):
        return [_signed({"text": delta.text}, delta.signature)] if delta.text or delta.signature else []
    if isinstance(delta, RefusalDelta):
        return [{"text": delta.text}] if delta.text else []
    if isinstance(delta, ThinkingDelta):
        seal = _seal(delta)
        return [_signed({"text": delta.text, "thought": True}, seal)] if delta.text or seal else []
    return _part(delta.image if isinstance(delta, ImageDelta) else delta.native, drops)
