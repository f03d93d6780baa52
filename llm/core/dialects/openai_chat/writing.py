"""A reply of the inner language as OpenAI's `chat.completion`.

What OpenAI has no field for keeps the fields other OpenAI-compatible servers gave it: thinking is `reasoning_content`
(text) and `reasoning_details` (with signatures, as OpenRouter writes them), Gemini's signatures are
`extra_content.google.thought_signature`. `id`, `created` and `model` come from the caller. Next file: `chunks.py`.
"""

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
from llm.core.deltas import ThinkingDelta
from llm.core.dialects.lost import part_name
from llm.core.dialects.signatures import signed

Fields = dict[str, Any]
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
    of_prompt, of_completion = usage_details(usage)
    return {
        "prompt_tokens": usage.prompt_total,
        "completion_tokens": usage.completion_total,
        "total_tokens": usage.prompt_total + usage.completion_total,
        "prompt_tokens_details": of_prompt,
        "completion_tokens_details": of_completion,
    }


def usage_details(usage: Usage) -> tuple[Fields, Fields]:
    """Of what was read, and of what was written."""
    read: Fields = {"cached_tokens": usage.cached_input}
    if usage.cache_write or usage.cache_write_1h:
        read["cache_write_tokens"] = usage.cache_write + usage.cache_write_1h
    if usage.audio_input:
        read["audio_tokens"] = usage.audio_input
    written: Fields = {"reasoning_tokens": usage.reasoning}
    if usage.audio_output:
        written["audio_tokens"] = usage.audio_output
    return read, written


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
        signed(message, text.signature)
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
    function = {"name": call.name, "arguments": call.arguments}
    return signed({"id": call.id, "type": "function", "function": function}, call.signature)


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
    """A token and its rivals: the bytes as they came, for a piece of a letter has no text to make them of."""
    return {**_token(token), "top_logprobs": [_token(other) for other in token.top]}


def _token(token: TokenLogprob) -> Fields:
    raw = token.bytes if token.bytes is not None else list(token.token.encode())
    return {"token": token.token, "logprob": token.logprob, "bytes": raw}
