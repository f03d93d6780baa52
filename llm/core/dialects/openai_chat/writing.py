"""A reply of the inner language as OpenAI's `chat.completion`, and its deltas as `chat.completion.chunk` events.

What OpenAI has no field for keeps the fields other OpenAI-compatible servers gave it: thinking is `reasoning_content`
(text) and `reasoning_details` (with signatures, as OpenRouter writes them), Gemini's signatures are
`extra_content.google.thought_signature`. `id`, `created` and `model` come from the caller. `[DONE]` is not written:
the gateway sends it once the call is on record. Next file: `encoding.py`.
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from billing.core.pricing import Usage
from llm.core.conversation import (
    Audio,
    Choice,
    Citation,
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
from llm.core.errors import LlmError
from llm.core.errors import event as error_event

Fields = dict[str, Any]
Shown = ArgumentsDelta | ToolCallStarted | ThinkingDelta | RefusalDelta | CitationDelta | ImageDelta | AudioDelta
_encode = msgspec.json.Encoder().encode


def write(reply: Reply, identity: str, created: int, model: str) -> tuple[bytes, tuple[str, ...]]:
    """A whole reply, and what it holds that chat has no field for. `usage` is left out when it is not known."""
    fields: Fields = {
        "id": identity,
        "object": "chat.completion",
        "created": created,
        "model": model,
        "choices": [_choice(choice) for choice in reply.choices],
    }
    if reply.usage is not None:
        fields["usage"] = usage_fields(reply.usage)
    return _encode(fields), _left_out(reply)


def _left_out(reply: Reply) -> tuple[str, ...]:
    """What a provider's own tool did; its text stands there as text."""
    blocks = [part for choice in reply.choices for part in choice.parts if isinstance(part, Native)]
    return tuple(dict.fromkeys([part_name(block) for block in blocks])) if blocks else ()


def usage_fields(usage: Usage) -> Fields:
    """Our disjoint buckets as OpenAI nests them."""
    details: Fields = {"cached_tokens": usage.cached_input}
    if usage.cache_write:
        details["cache_write_tokens"] = usage.cache_write
    if usage.audio_input:
        details["audio_tokens"] = usage.audio_input
    of_completion: Fields = {"reasoning_tokens": usage.reasoning}
    if usage.audio_output:
        of_completion["audio_tokens"] = usage.audio_output
    return {
        "prompt_tokens": usage.prompt_total,
        "completion_tokens": usage.completion_total,
        "total_tokens": usage.prompt_total + usage.completion_total,
        "prompt_tokens_details": details,
        "completion_tokens_details": of_completion,
    }


def _choice(choice: Choice) -> Fields:
    fields: Fields = {
        "index": choice.index,
        "message": _message(choice.parts),
        "logprobs": {"content": [logprob(token) for token in choice.logprobs]} if choice.logprobs else None,
        "finish_reason": choice.finish,
    }
    if choice.safety:
        fields["content_filter_results"] = msgspec.to_builtins(choice.safety)
    return fields


def _message(parts: tuple[Part, ...]) -> Fields:
    texts = [part for part in parts if isinstance(part, Text)]
    refusals = [part.text for part in parts if isinstance(part, Refusal)]
    message: Fields = {
        "role": "assistant",
        "content": "".join([part.text for part in texts]) if texts else None,
        "refusal": "".join(refusals) if refusals else None,
    }
    if len(texts) == len(parts) and not any(part.citations or part.signature for part in texts):
        return message
    calls = [tool_call(part) for part in parts if isinstance(part, ToolCall)]
    if calls:
        message["tool_calls"] = calls
    thoughts = [part for part in parts if isinstance(part, Thinking)]
    if thoughts:
        message["reasoning_content"] = "".join([part.text for part in thoughts])
        message["reasoning_details"] = [reasoning_detail(part, number) for number, part in enumerate(thoughts)]
    _more(message, parts, texts)
    return message


def _more(message: Fields, parts: tuple[Part, ...], texts: list[Text]) -> None:
    """The rarer fields of a message."""
    annotations: list[Fields] = []
    written = 0
    for text in texts:
        annotations.extend([annotation(cited, written) for cited in text.citations])
        written += len(text.text)
        if text.signature:
            message["extra_content"] = {"google": {"thought_signature": text.signature}}
    if annotations:
        message["annotations"] = annotations
    images = [image_fields(part) for part in parts if isinstance(part, Image)]
    if images:
        message["images"] = images
    for part in parts:
        if isinstance(part, Audio):
            fields = {"id": part.id, "data": part.data, "transcript": part.transcript, "expires_at": part.expires_at}
            message["audio"] = fields


def tool_call(call: ToolCall) -> Fields:
    if call.custom:
        return {"id": call.id, "type": "custom", "custom": {"name": call.name, "input": call.arguments}}
    fields: Fields = {
        "id": call.id,
        "type": "function",
        "function": {"name": call.name, "arguments": call.arguments},
    }
    if call.signature:
        fields["extra_content"] = {"google": {"thought_signature": call.signature}}
    return fields


def reasoning_detail(part: Thinking | ThinkingDelta, index: int) -> Fields:
    """One block of thinking as OpenRouter writes it; `format` says whose seal it carries."""
    sealed = part.redacted is not None
    fields: Fields = {"type": "reasoning.encrypted" if sealed else "reasoning.text", "index": index}
    if sealed:
        fields["data"] = part.redacted
    if part.text or not sealed:
        fields["text"] = part.text
    if part.signature:
        fields["signature"] = part.signature
    if part.id:
        fields["id"] = part.id
    if part.origin:
        fields["format"] = part.origin
    return fields


def annotation(cited: Citation, offset: int) -> Fields:
    """A citation as OpenAI's `url_citation`; what that has no place for goes along as `quote` and `source`."""
    fields: Fields = {
        "start_index": None if cited.start is None else cited.start + offset,
        "end_index": None if cited.end is None else cited.end + offset,
        "title": cited.title,
        "url": cited.url,
        "quote": cited.quote,
        "source": cited.source,
    }
    given = {name: value for name, value in fields.items() if value is not None}
    return {"type": "url_citation", "url_citation": given}


def image_fields(image: Image) -> Fields:
    """An image the model made, as OpenRouter writes it."""
    url = image.url or f"data:{image.media_type};base64,{image.data}"
    return {"type": "image_url", "image_url": {"url": url}}


def logprob(token: TokenLogprob) -> Fields:
    return {
        "token": token.token,
        "logprob": token.logprob,
        "bytes": token.bytes if token.bytes is not None else list(token.token.encode()),
        "top_logprobs": [
            {"token": other.token, "logprob": other.logprob, "bytes": list(other.token.encode())} for other in token.top
        ],
    }


class ChunkWriter:
    """Deltas of one stream as events. The first chunk of each choice carries the role."""

    __slots__ = ("_head", "_include_usage", "_lost", "_opened", "_thoughts", "_usage")

    def __init__(self, identity: str, created: int, model: str, include_usage: bool) -> None:
        fields = {"id": identity, "object": "chat.completion.chunk", "created": created, "model": model}
        self._head = b"data: " + _encode(fields)[:-1] + b',"choices":['
        self._include_usage = include_usage
        self._opened: set[int] = set()
        self._lost: dict[str, None] = {}
        self._thoughts: dict[tuple[int, int], int] = {}
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
        return self._head + b'],"usage":' + _encode(usage_fields(self._usage)) + b"}\n\n"

    def _event(self, delta: Delta) -> bytes:
        if isinstance(delta, TextDelta):
            fields: Fields = {"content": delta.text}
            if delta.signature:
                fields["extra_content"] = {"google": {"thought_signature": delta.signature}}
            return self._chunk(delta.choice, fields)
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

    def _fields(self, delta: Shown) -> Fields:
        if isinstance(delta, ArgumentsDelta):
            if delta.custom:
                return {"tool_calls": [{"index": delta.index, "custom": {"input": delta.text}}]}
            return {"tool_calls": [{"index": delta.index, "function": {"arguments": delta.text}}]}
        if isinstance(delta, ToolCallStarted):
            kind, empty = ("custom", "input") if delta.custom else ("function", "arguments")
            call: Fields = {"index": delta.index, "id": delta.id, "type": kind, kind: {"name": delta.name, empty: ""}}
            if delta.signature:
                call["extra_content"] = {"google": {"thought_signature": delta.signature}}
            return {"tool_calls": [call]}
        if isinstance(delta, ThinkingDelta):
            number = self._thoughts.setdefault((delta.choice, delta.part), len(self._thoughts))
            detail = reasoning_detail(delta, number)
            fields: Fields = {"reasoning_content": delta.text} if delta.text else {}
            return {**fields, "reasoning_details": [detail]}
        if isinstance(delta, RefusalDelta):
            return {"refusal": delta.text}
        if isinstance(delta, CitationDelta):
            return {"annotations": [annotation(delta.citation, 0)]}
        if isinstance(delta, AudioDelta):
            return {"audio": msgspec.to_builtins(delta.audio)}
        return {"images": [image_fields(delta.image)]}

    def _end(self, delta: Finished) -> bytes:
        opened = b"" if delta.choice in self._opened else self._chunk(delta.choice, {})
        tail = b'{"index":%d,"delta":{},"logprobs":null,"finish_reason":"%b"}]}\n\n'
        return opened + self._head + tail % (delta.choice, delta.finish.encode())

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
