"""A reply of the inner language as OpenAI's response object.

Texts and refusals that follow one another are one message item; each piece of reasoning, each call and each image is
an item of its own. What the request asked for is repeated in the answer, as OpenAI does, byte for byte. Ids are made of
the call's own, so a whole answer and a streamed one say the same. Next file: `events.py`, the same in pieces.
"""

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Raw

from billing.core.pricing import Usage
from llm.core.conversation import (
    Choice,
    Drops,
    Image,
    Part,
    Refusal,
    Reply,
    Text,
    Thinking,
    TokenLogprob,
    ToolCall,
)
from llm.core.dialects import lost
from llm.core.dialects.openai_chat.writing import annotation, logprob, usage_details
from llm.core.dialects.seals import OPENAI, sealed
from llm.core.dialects.signatures import signed
from llm.core.errors import LlmError

Fields = dict[str, Any]
REASONS = {"length": "max_output_tokens", "content_filter": "content_filter"}
_NULL = Raw(b"null")
_encode = msgspec.json.Encoder().encode


class Echo(msgspec.Struct, frozen=True):
    """Members of the request that the answer repeats, with what OpenAI says where they are not given."""

    instructions: Raw = _NULL
    max_output_tokens: Raw = _NULL
    metadata: Raw = Raw(b"{}")
    parallel_tool_calls: Raw = Raw(b"true")
    reasoning: Raw = Raw(b'{"effort":null,"summary":null}')
    temperature: Raw = _NULL
    text: Raw = Raw(b'{"format":{"type":"text"}}')
    tool_choice: Raw = Raw(b'"auto"')
    tools: Raw = Raw(b"[]")
    top_p: Raw = _NULL
    user: Raw = _NULL


class Head(msgspec.Struct, frozen=True):
    """What is known of a response before anything is said."""

    id: str
    created: int
    model: str
    echo: Echo = Echo()

    @property
    def item_id(self) -> str:
        """What the ids of its items end with, before their number."""
        return self.id.removeprefix("resp_")


def write(reply: Reply, head: Head) -> tuple[bytes, tuple[str, ...]]:
    """A whole reply, and the names of what it holds that a response cannot."""
    drops = Drops()
    choice = reply.choices[0] if reply.choices else Choice(0, (), "stop")
    if len(reply.choices) > 1:
        drops.note(lost.CHOICES)
    return _encode(response(head, choice, reply.usage, drops)), drops.names()


def response(head: Head, choice: Choice, usage: Usage | None, drops: Drops) -> Fields:
    """The response object of a finished answer."""
    reason = REASONS.get(choice.finish)
    status = "incomplete" if reason else "completed"
    groups = _groups(choice.parts, drops)
    items = []
    for index, parts in enumerate(groups):
        ended = status if index == len(groups) - 1 else "completed"
        items.append(item(head, index, parts, ended, _first_text(groups, index, choice.logprobs)))
    if choice.logprobs and not any(isinstance(part, Text) for part in choice.parts):
        drops.note(lost.LOGPROBS)
    fields = {**opening(head, status), "incomplete_details": {"reason": reason} if reason else None, "output": items}
    if choice.safety:
        fields["content_filter_results"] = msgspec.to_builtins(choice.safety)
    return {**fields, "usage": None if usage is None else usage_fields(usage)}


def opening(head: Head, status: str = "in_progress") -> Fields:
    """The response object before anything is said."""
    return {
        "id": head.id,
        "object": "response",
        "created_at": head.created,
        "status": status,
        "background": False,
        "error": None,
        "incomplete_details": None,
        "model": head.model,
        "output": [],
        "previous_response_id": None,
        "store": False,
        "truncation": "disabled",
        "usage": None,
        **{name: getattr(head.echo, name) for name in Echo.__struct_fields__},
    }


def usage_fields(usage: Usage) -> Fields:
    """Our disjoint buckets as OpenAI nests them."""
    read, written = usage_details(usage)
    return {
        "input_tokens": usage.prompt_total,
        "input_tokens_details": read,
        "output_tokens": usage.completion_total,
        "output_tokens_details": written,
        "total_tokens": usage.prompt_total + usage.completion_total,
    }


def _groups(parts: tuple[Part, ...], drops: Drops) -> list[list[Part]]:
    """The parts of each item."""
    found: list[list[Part]] = []
    for part in parts:
        if isinstance(part, Text | Refusal) and found and isinstance(found[-1][0], Text | Refusal):
            found[-1].append(part)
        elif sayable(part):
            found.append([part])
        else:
            drops.note(lost.part_name(part))
    return found


def sayable(part: Part) -> bool:
    """Whether a response has a place for a part: sound, and blocks that only another wire knows, have none."""
    return isinstance(part, Text | Refusal | Thinking | ToolCall) or (isinstance(part, Image) and part.data is not None)


def _first_text(groups: list[list[Part]], index: int, logprobs: tuple[TokenLogprob, ...]) -> tuple[TokenLogprob, ...]:
    """The log probabilities of a choice belong to its first text."""
    before = [part for group in groups[:index] for part in group]
    return () if any(isinstance(part, Text) for part in before) else logprobs


def item(head: Head, index: int, parts: Sequence[Part], status: str, logprobs: tuple[TokenLogprob, ...] = ()) -> Fields:
    """One output item, of the parts it is made of."""
    first = parts[0]
    if isinstance(first, Thinking):
        return reasoning(first, item_id(head, "rs", index, first))
    if isinstance(first, ToolCall):
        return call(first, item_id(head, "ctc" if first.custom else "fc", index), status)
    if isinstance(first, Image):
        made = {"id": item_id(head, "ig", index), "type": "image_generation_call", "status": "completed"}
        return {**made, "result": first.data, "output_format": (first.media_type or "").removeprefix("image/")}
    content = [content_part(part, logprobs if part is _text_in(parts) else ()) for part in parts]
    return {**message(item_id(head, "msg", index), status), "content": content}


def item_id(head: Head, kind: str, index: int, part: Part | None = None) -> str:
    """Of the item number `index`; reasoning of OpenAI's own keeps its id, to which its seal belongs."""
    if isinstance(part, Thinking) and part.origin == OPENAI and part.id:
        return part.id
    return f"{kind}_{head.item_id}_{index}"


def _text_in(parts: Sequence[Part]) -> Part | None:
    return next((part for part in parts if isinstance(part, Text)), None)


def message(identity: str, status: str) -> Fields:
    return {"id": identity, "type": "message", "status": status, "role": "assistant", "content": []}


def content_part(part: Part, logprobs: tuple[TokenLogprob, ...] = ()) -> Fields:
    if isinstance(part, Refusal):
        return {"type": "refusal", "refusal": part.text}
    assert isinstance(part, Text)
    fields: Fields = {
        "type": "output_text",
        "text": part.text,
        "annotations": [flat_annotation(cited) for cited in part.citations],
        "logprobs": [logprob(token) for token in logprobs],
    }
    return signed(fields, part.signature)


def flat_annotation(cited: Any) -> Fields:
    """A citation; chat nests the same members."""
    return {"type": "url_citation", **annotation(cited, 0)["url_citation"]}


def reasoning(part: Thinking, identity: str) -> Fields:
    summary = [{"type": "summary_text", "text": part.text}] if part.text else []
    fields: Fields = {"id": identity, "type": "reasoning", "summary": summary}
    seal = sealed(part)
    return fields if seal is None else {**fields, "encrypted_content": seal}


def call(part: ToolCall, identity: str, status: str) -> Fields:
    head: Fields = {"id": identity, "status": status, "call_id": part.id, "name": part.name}
    if part.custom:
        return {**head, "type": "custom_tool_call", "input": part.arguments}
    fields = {**head, "type": "function_call", "arguments": part.arguments}
    return signed(fields, part.signature)


def error_event(error: LlmError, number: int) -> bytes:
    """A failure in a stream that has begun, as its event number `number`."""
    fields = {"code": error.wire_code, "message": error.message, "param": error.param, "sequence_number": number}
    return b"event: error\ndata: " + _encode({"type": "error", **fields}) + b"\n\n"
