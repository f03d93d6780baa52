"""Providers of every wire, giving the same answers: what `test_bridges.py` and `test_ingress.py` compare.

`Wire.says` scripts one answer (a text, or a call of the tool `weather`) whole or streamed, `Wire.refuses` an error.
Written out by hand from the providers' documentation, not by our translators: the two must not share a mistake.
"""

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import msgspec

from llm.core.snapshot import Model, ProviderKey, Snapshot
from llm.core.snapshot import Provider as ProviderRow
from tests.gateway.control import PRICE, PROVIDER_KEY, Control
from tests.gateway.provider import Answer, Request, framed, http

TEXT, CALL = "Grüße, 21 °C", {"city": "Köln"}
READ, CACHED, WRITTEN = 9, 4, 12
"""Tokens of the prompt, of them cached, and of the answer."""
PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
"""Of the tool `weather`."""


class Wire(msgspec.Struct, frozen=True):
    """One wire. `base` is the path of its base URL; `text` and `call` are whole answers, `*_parts` streamed ones."""

    name: str
    base: str
    auth: str
    key_header: tuple[str, str]
    path: str
    streamed_path: str
    media_type: str
    text: Any
    call: Any
    text_parts: Sequence[bytes]
    call_parts: Sequence[bytes]
    error: Any
    begun: int = 1
    """So many of `text_parts` hold the first of the text."""

    def says(self, what: str = "text", streamed: bool = False, end: bytes = b"0\r\n\r\n", parts: int = 99) -> Answer:
        """`end` b"" cuts the connection, after so many `parts`."""
        if streamed:
            pieces = self.text_parts if what == "text" else self.call_parts
            return in_parts(pieces[:parts], self.media_type, end)
        body = json.dumps(self.text if what == "text" else self.call, ensure_ascii=False).encode()

        async def answer(request: Request, writer: asyncio.StreamWriter) -> None:
            writer.write(http(body))

        return answer

    def refuses(self, status: int, extra: str = "") -> Answer:
        async def answer(request: Request, writer: asyncio.StreamWriter) -> None:
            writer.write(http(json.dumps(self.error).encode(), status, extra=extra))

        return answer


def in_parts(parts: Sequence[bytes], media_type: str, end: bytes = b"0\r\n\r\n", pause: float = 0.0) -> Answer:
    async def answer(request: Request, writer: asyncio.StreamWriter) -> None:
        head = f"HTTP/1.1 200 OK\r\ncontent-type: {media_type}\r\ntransfer-encoding: chunked\r\n\r\n"
        writer.write(head.encode())
        for part in parts:
            writer.write(framed(part))
            await writer.drain()
            await asyncio.sleep(pause)
        if end:
            writer.write(end)
        else:
            await writer.drain()
            writer.close()

    return answer


def configuration(url: str, wires: Sequence[Wire], version: int = 2, **model: Any) -> Snapshot:
    """Each wire a provider of its name at `url` (scheme and host), with one model `m-<name>`."""
    providers, models = [], []
    for wire in wires:
        key = ProviderKey("7", PROVIDER_KEY)
        providers.append(ProviderRow(wire.name, wire.name, wire.name, url + wire.base, wire.auth, (key,)))
        fields: dict[str, Any] = {"id": f"m-{wire.name}", "provider": wire.name, "upstream": "up", "price": PRICE}
        models.append(Model(**{**fields, **model}))
    return Snapshot(version, 1, tuple(providers), tuple(models))


async def all_booked(control: Control, number: int) -> None:
    """So many calls are on record, each with what its answer used."""
    for record in await control.wait_for_records(number):
        assert (record.usage.output, record.outcome, record.estimated) == (WRITTEN, "ok", False)


def event(fields: Any, kind: str = "") -> bytes:
    named = f"event: {kind}\n" if kind else ""
    return f"{named}data: {json.dumps(fields, ensure_ascii=False)}\n\n".encode()


def line(fields: Any) -> bytes:
    return json.dumps(fields, ensure_ascii=False).encode() + b"\n"


# OpenAI and Azure

OPENAI_USAGE = {
    "prompt_tokens": READ,
    "completion_tokens": WRITTEN,
    "total_tokens": READ + WRITTEN,
    "prompt_tokens_details": {"cached_tokens": CACHED},
}


def completion(message: dict[str, Any], finish: str) -> dict[str, Any]:
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish}
    head = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1700000000, "model": "up"}
    return {**head, "choices": [choice], "usage": OPENAI_USAGE}


def piece(delta: dict[str, Any], finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1700000000, "model": "up"}
    return event({**head, "choices": [choice]})


def called(arguments: str, **more: Any) -> dict[str, Any]:
    function = {"name": "weather", "arguments": arguments} if more else {"arguments": arguments}
    return {"tool_calls": [{"index": 0, **more, "function": function}]}


USAGE_CHUNK = event({"id": "chatcmpl-1", "object": "chat.completion.chunk", "choices": [], "usage": OPENAI_USAGE})
OPENAI = Wire(
    name="openai",
    base="/v1",
    auth="bearer",
    key_header=("authorization", f"Bearer {PROVIDER_KEY}"),
    path="/v1/chat/completions",
    streamed_path="/v1/chat/completions",
    media_type="text/event-stream",
    text=completion({"content": TEXT}, "stop"),
    call=completion(
        {
            "content": None,
            "tool_calls": [
                {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Köln"}'}}
            ],
        },
        "tool_calls",
    ),
    text_parts=[
        piece({"role": "assistant", "content": ""}),
        piece({"content": TEXT[:4]}),
        piece({"content": TEXT[4:]}),
        piece({}, "stop"),
        USAGE_CHUNK,
        b"data: [DONE]\n\n",
    ],
    call_parts=[
        piece({"role": "assistant", "content": None}),
        piece(called("", id="call_1", type="function")),
        piece(called('{"city":')),
        piece(called('"Köln"}')),
        piece({}, "tool_calls"),
        USAGE_CHUNK,
        b"data: [DONE]\n\n",
    ],
    error={"error": {"message": f"Slow down {PROVIDER_KEY}", "type": "rate_limit_error", "code": "slow"}},
)
AZURE = msgspec.structs.replace(
    OPENAI,
    name="azure",
    base="/openai/v1",
    auth="api-key",
    key_header=("api-key", PROVIDER_KEY),
    path="/openai/v1/chat/completions",
    streamed_path="/openai/v1/chat/completions",
)
OPENAI_CHAT = msgspec.structs.replace(OPENAI, name="openai_chat")
"""A server that knows OpenAI's chat and no responses."""

# Anthropic

ANTHROPIC_READ = {"input_tokens": READ - CACHED, "cache_read_input_tokens": CACHED}


def message(blocks: list[dict[str, Any]], stop: str) -> dict[str, Any]:
    head = {"id": "msg_1", "type": "message", "role": "assistant", "model": "up", "content": blocks}
    return {**head, "stop_reason": stop, "stop_sequence": None, "usage": {**ANTHROPIC_READ, "output_tokens": WRITTEN}}


def told(kind: str, **fields: Any) -> bytes:
    return event({"type": kind, **fields}, kind)


def message_parts(block: dict[str, Any], deltas: list[dict[str, Any]], stop: str) -> list[bytes]:
    begun = {**message([], stop), "stop_reason": None, "usage": {**ANTHROPIC_READ, "output_tokens": 1}}
    ended = {"stop_reason": stop, "stop_sequence": None}
    return [
        told("message_start", message=begun),
        told("content_block_start", index=0, content_block=block),
        told("ping"),
        *[told("content_block_delta", index=0, delta=delta) for delta in deltas],
        told("content_block_stop", index=0),
        told("message_delta", delta=ended, usage={"output_tokens": WRITTEN}),
        told("message_stop"),
    ]


ANTHROPIC = Wire(
    name="anthropic",
    base="/v1",
    auth="native",
    key_header=("x-api-key", PROVIDER_KEY),
    path="/v1/messages",
    streamed_path="/v1/messages",
    media_type="text/event-stream",
    text=message([{"type": "text", "text": TEXT}], "end_turn"),
    call=message([{"type": "tool_use", "id": "call_1", "name": "weather", "input": CALL}], "tool_use"),
    text_parts=message_parts(
        {"type": "text", "text": ""},
        [{"type": "text_delta", "text": TEXT[:4]}, {"type": "text_delta", "text": TEXT[4:]}],
        "end_turn",
    ),
    call_parts=message_parts(
        {"type": "tool_use", "id": "call_1", "name": "weather", "input": {}},
        [{"type": "input_json_delta", "partial_json": part} for part in ("", '{"city":', '"Köln"}')],
        "tool_use",
    ),
    error={"type": "error", "error": {"type": "rate_limit_error", "message": f"Slow down {PROVIDER_KEY}"}},
    begun=4,
)

# Gemini

GOOGLE_USAGE = {
    "promptTokenCount": READ,
    "cachedContentTokenCount": CACHED,
    "candidatesTokenCount": WRITTEN,
    "totalTokenCount": READ + WRITTEN,
}


def content(part: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
    candidate: dict[str, Any] = {"content": {"role": "model", "parts": [part]}, "index": 0}
    if finish is not None:
        candidate["finishReason"] = finish
    head = {"candidates": [candidate], "modelVersion": "up", "responseId": "r1"}
    return head if finish is None else {**head, "usageMetadata": GOOGLE_USAGE}


WEATHER = {"functionCall": {"id": "call_1", "name": "weather", "args": CALL}}
GOOGLE = Wire(
    name="google",
    base="/v1beta",
    auth="native",
    key_header=("x-goog-api-key", PROVIDER_KEY),
    path="/v1beta/models/up:generateContent",
    streamed_path="/v1beta/models/up:streamGenerateContent?alt=sse",
    media_type="text/event-stream",
    text=content({"text": TEXT}, "STOP"),
    call=content(WEATHER, "STOP"),
    text_parts=[event(content({"text": TEXT[:4]})), event(content({"text": TEXT[4:]}, "STOP"))],
    call_parts=[event(content(WEATHER)), event(content({"text": ""}, "STOP"))],
    error={
        "error": {
            "code": 429,
            "message": f"Slow down {PROVIDER_KEY}",
            "status": "RESOURCE_EXHAUSTED",
            "details": [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "12.5s"}],
        }
    },
)

# Ollama


def said(fields: dict[str, Any], last: bool = False) -> dict[str, Any]:
    head = {"model": "up", "created_at": "2026-01-01T00:00:00Z", "message": {"role": "assistant", **fields}}
    counts = {"done": True, "done_reason": "stop", "prompt_eval_count": READ, "eval_count": WRITTEN}
    return {**head, **(counts if last else {"done": False})}


CALLED = {"content": "", "tool_calls": [{"id": "call_1", "function": {"name": "weather", "arguments": CALL}}]}
OLLAMA = Wire(
    name="ollama",
    base="",
    auth="bearer",
    key_header=("authorization", f"Bearer {PROVIDER_KEY}"),
    path="/api/chat",
    streamed_path="/api/chat",
    media_type="application/x-ndjson",
    text=said({"content": TEXT}, last=True),
    call=said(CALLED, last=True),
    text_parts=[
        line(said({"content": TEXT[:4]})),
        line(said({"content": TEXT[4:]})),
        line(said({"content": ""}, last=True)),
    ],
    call_parts=[line(said(CALLED)), line(said({"content": ""}, last=True))],
    error={"error": f"Slow down {PROVIDER_KEY}"},
)

# OpenAI's responses

RESPONSES_USAGE = {
    "input_tokens": READ,
    "input_tokens_details": {"cached_tokens": CACHED},
    "output_tokens": WRITTEN,
    "output_tokens_details": {"reasoning_tokens": 0},
    "total_tokens": READ + WRITTEN,
}


def response(items: list[dict[str, Any]], status: str = "completed", **more: Any) -> dict[str, Any]:
    head = {"id": "resp_1", "object": "response", "created_at": 1700000000, "model": "up", "status": status}
    return {**head, "output": items, "error": None, "incomplete_details": None, "usage": RESPONSES_USAGE, **more}


def response_parts(item: dict[str, Any], begun: dict[str, Any], kind: str, pieces: list[str]) -> list[bytes]:
    """The events of a response of one item; `kind` of its deltas."""
    at = {"item_id": item["id"], "output_index": 0, "content_index": 0}
    opening = response([], "in_progress", usage=None)
    events = [
        ("created", {"response": opening}),
        ("in_progress", {"response": opening}),
        ("output_item.added", {"output_index": 0, "item": begun}),
        *[(f"{kind}.delta", {**at, "delta": piece}) for piece in pieces],
        ("output_item.done", {"output_index": 0, "item": item}),
        ("completed", {"response": response([item])}),
    ]
    named = [(f"response.{kind}", number, fields) for number, (kind, fields) in enumerate(events)]
    return [event({"type": kind, "sequence_number": number, **fields}, kind) for kind, number, fields in named]


SPOKEN: dict[str, Any] = {
    "id": "msg_1",
    "type": "message",
    "status": "completed",
    "role": "assistant",
    "content": [{"type": "output_text", "text": TEXT, "annotations": [], "logprobs": []}],
}
ASKED = {"id": "fc_1", "type": "function_call", "call_id": "call_1", "name": "weather", "arguments": '{"city":"Köln"}'}
OPENAI_RESPONSES = msgspec.structs.replace(
    OPENAI,
    name="openai_responses",
    path="/v1/responses",
    streamed_path="/v1/responses",
    begun=4,
    text=response([SPOKEN]),
    call=response([ASKED]),
    text_parts=response_parts(SPOKEN, {**SPOKEN, "content": []}, "output_text", [TEXT[:4], TEXT[4:]]),
    call_parts=response_parts(ASKED, {**ASKED, "arguments": ""}, "function_call_arguments", ['{"city":', '"Köln"}']),
)

TRANSLATED = (ANTHROPIC, GOOGLE, OLLAMA, OPENAI_RESPONSES)
ALL = (OPENAI, AZURE, *TRANSLATED)
