"""`POST /v1/messages`: Anthropic's own SDK pointed at us, whichever provider is behind; bytes pass when it is Anthropic."""

import json
from typing import Any

import anthropic
import pytest

from billing.core.pricing import Usage
from tests.gateway.client import Answer, post
from tests.gateway.conftest import Running
from tests.gateway.control import PROVIDER_KEY
from tests.gateway.provider import whole
from tests.gateway.wires import (
    ALL,
    ANTHROPIC,
    CACHED,
    GOOGLE,
    OLLAMA,
    OPENAI,
    PARAMETERS,
    READ,
    TEXT,
    WRITTEN,
    Wire,
    all_booked,
    configuration,
    content,
    event,
    in_parts,
    line,
    said,
    told,
)

each = pytest.mark.parametrize("wire", ALL, ids=lambda wire: wire.name)
TOOL: Any = {
    "name": "weather",
    "description": "The weather in a city.",
    "input_schema": PARAMETERS,
}


def sdk(gateway: Running) -> anthropic.AsyncAnthropic:
    return anthropic.AsyncAnthropic(base_url=f"http://127.0.0.1:{gateway.port}", api_key="none", max_retries=0)


def message(wire: Wire, **more: Any) -> dict[str, Any]:
    return {"model": f"m-{wire.name}", "max_tokens": 50, "messages": [{"role": "user", "content": "Hi"}], **more}


async def ask(gateway: Running, wire: Wire, **more: Any) -> Answer:
    return await gateway.ask(post(message(wire, **more), "/v1/messages"))


async def converse(gateway: Running, wire: Wire, streamed: bool) -> list[Any]:
    """One conversation by the official SDK: a question, the tool's call, its result, the answer."""
    answers: list[Any] = []
    gateway.provider.answers = [wire.says("call", streamed), wire.says("text", streamed)]
    async with sdk(gateway) as client:
        messages: list[Any] = [{"role": "user", "content": "How is the weather in Köln?"}]
        for _ in range(2):
            asked: dict[str, Any] = {"model": f"m-{wire.name}", "max_tokens": 50, "messages": messages}
            asked |= {"system": "Be brief.", "tools": [TOOL]}
            if streamed:
                async with client.messages.stream(**asked) as stream:
                    reply = await stream.get_final_message()
            else:
                reply = await client.messages.create(**asked)
            blocks = [block.model_dump(include={"type", "text", "id", "name", "input"}) for block in reply.content]
            read = reply.usage.input_tokens + (reply.usage.cache_read_input_tokens or 0)
            answers.append((reply.role, blocks, reply.stop_reason, read, reply.usage.output_tokens))
            messages.append({"role": "assistant", "content": blocks})
            result = {"type": "tool_result", "tool_use_id": "call_1", "content": "21 °C"}
            messages.append({"role": "user", "content": [result]})
    return answers


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
async def test_one_conversation_with_a_tool_is_the_same_at_every_provider(bridged: Running, streamed: bool) -> None:
    found = {wire.name: await converse(bridged, wire, streamed) for wire in ALL}
    assert len({repr(answers) for answers in found.values()}) == 1, found
    asked, answered = found["anthropic"]
    assert asked[1:] == (
        [{"type": "tool_use", "id": "call_1", "name": "weather", "input": {"city": "Köln"}}],
        "tool_use",
        READ,
        WRITTEN,
    )
    assert answered[1:3] == ([{"type": "text", "text": TEXT}], "end_turn")
    await all_booked(bridged.control, 2 * len(ALL))


async def test_at_anthropic_the_bytes_pass_as_they_came(bridged: Running) -> None:
    body = json.dumps({**message(ANTHROPIC, future={"x": [1, 2]}), "model": "up"}, indent=1).encode()
    await bridged.configure(configuration(bridged.provider.url.removesuffix("/v1"), [ANTHROPIC], 3, id="up"))
    back = json.dumps({**ANTHROPIC.text, "future": 1}, indent=2).encode()
    bridged.provider.answers = [whole(back)]
    answer = await bridged.ask(post(body, "/v1/messages", anthropic_beta="b-1", anthropic_version="2023-06-01"))
    assert (answer.status, answer.body) == (200, back)
    (asked,) = bridged.provider.requests
    assert (asked.line, asked.body) == ("POST /v1/messages HTTP/1.1", body)
    assert (asked.headers["anthropic-beta"], asked.headers["x-api-key"]) == ("b-1", PROVIDER_KEY)
    assert asked.headers["anthropic-version"] == "2023-06-01"
    (record,) = await bridged.control.wait_for_records(1)
    assert record.usage == Usage(input=READ - CACHED, cached_input=CACHED, output=WRITTEN)


async def test_a_stream_of_anthropics_that_is_cut_counts_what_had_come(bridged: Running) -> None:
    bridged.provider.answers = [
        in_parts([*ANTHROPIC.text_parts[:4], ANTHROPIC.text_parts[3]], "text/event-stream", b"")
    ]
    answer = await ask(bridged, ANTHROPIC, stream=True)
    assert b"event: error\ndata: " in answer.body
    (record,) = await bridged.control.wait_for_records(1)
    assert (record.outcome, record.estimated, record.usage.cached_input) == ("cut", True, CACHED)
    assert 1 < record.usage.output < WRITTEN


async def test_our_own_members_do_not_reach_anthropic(bridged: Running) -> None:
    bridged.provider.answers = [ANTHROPIC.says()]
    await ask(bridged, ANTHROPIC, circuit_breaker={"budget_tracking": {"user_id": "u1"}})
    assert "circuit_breaker" not in bridged.provider.requests[0].json
    (record,) = await bridged.control.wait_for_records(1)
    assert record.user == "u1"


@each
async def test_a_refusal_has_anthropics_shape(bridged: Running, wire: Wire) -> None:
    bridged.provider.answers = [wire.refuses(429)]
    async with sdk(bridged) as client:
        with pytest.raises(anthropic.RateLimitError) as caught:
            await client.messages.create(**message(wire))
    assert caught.value.body == {
        "type": "error",
        "error": {"type": "rate_limit_error", "message": f"Provider {wire.name}: Slow down ***"},
    }


@each
async def test_a_stream_that_is_cut_ends_with_an_error_event(bridged: Running, wire: Wire) -> None:
    bridged.provider.answers = [wire.says(streamed=True, end=b"", parts=1 if wire in (GOOGLE, OLLAMA) else 4)]
    answer = await ask(bridged, wire, stream=True)
    last = answer.body.strip().split(b"\n\n")[-1]
    assert last.startswith(b"event: error\ndata: ")
    assert json.loads(last.split(b"data: ")[1])["error"]["type"] == "api_error"
    assert b"message_stop" not in answer.body


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"max_tokens": None}, "max_tokens"),
        ({"messages": []}, "messages"),
        ({"model": "nobody"}, "nobody"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "text"),
    ],
)
async def test_a_bad_request_is_refused_in_anthropics_shape(
    bridged: Running, change: dict[str, Any], words: str
) -> None:
    answer = await ask(bridged, OPENAI, **change)
    assert answer.status in (400, 404)
    assert answer.json["type"] == "error"
    assert words in answer.json["error"]["message"]
    assert bridged.provider.requests == []


async def test_other_methods_and_codings_are_refused_in_anthropics_shape(bridged: Running) -> None:
    answer = await bridged.ask(b"GET /v1/messages HTTP/1.1\r\nHost: x\r\n\r\n", "GET")
    assert (answer.status, answer.json["type"]) == (405, "error")
    answer = await bridged.ask(post(message(OPENAI), "/v1/messages", content_encoding="gzip"))
    assert (answer.status, answer.json["type"]) == (415, "error")


async def test_an_answer_without_content_is_an_answer(bridged: Running) -> None:
    bridged.provider.answers = [in_parts([line(said({"content": ""}, last=True))], OLLAMA.media_type)]
    answer = await ask(bridged, OLLAMA, stream=True)
    kinds = [one.split(b"\n")[0] for one in answer.body.strip().split(b"\n\n")]
    assert kinds == [b"event: message_start", b"event: message_delta", b"event: message_stop"]


@pytest.mark.parametrize("body", [b"", b"<html>", b"{}", b"[" * 50_000])
async def test_a_200_that_is_no_message(bridged: Running, body: bytes) -> None:
    bridged.provider.answers = [whole(body)]
    answer = await ask(bridged, ANTHROPIC)
    assert (answer.status, answer.json["error"]["type"]) == (502, "api_error")


async def test_errors_of_anthropics_in_a_stream_are_said_by_us(bridged: Running) -> None:
    error = told("error", error=ANTHROPIC.error["error"])
    bridged.provider.answers = [in_parts([*ANTHROPIC.text_parts[:4], error], "text/event-stream")]
    answer = await ask(bridged, ANTHROPIC, stream=True)
    assert answer.body.endswith(b'"message":"Provider anthropic: Slow down ***"}}\n\n')
    bridged.provider.answers = [in_parts([error], "text/event-stream")]
    assert (await ask(bridged, ANTHROPIC, stream=True)).status == 429


IMAGE = {"inlineData": {"mimeType": "image/png", "data": "aWk="}}


async def test_what_a_message_cannot_hold_is_named(bridged: Running) -> None:
    made = content(IMAGE, "STOP")
    made["candidates"].append({**made["candidates"][0], "index": 1})
    bridged.provider.answers = [whole(made)]
    answer = await ask(bridged, GOOGLE, tools=[TOOL])
    assert (answer.status, answer.json["content"]) == (200, [])
    assert answer.headers["x-circuit-breaker-dropped"] == "reply.choices, reply.image"


@pytest.mark.parametrize("numbered", [False, True], ids=["plain", "numbered"])
async def test_in_a_stream_it_is_named_before_the_last_events(bridged: Running, numbered: bool) -> None:
    parts = [event(content(IMAGE)), event(content({"text": TEXT}, "STOP"))]
    bridged.provider.answers = [in_parts(parts, "text/event-stream")] * 2
    headers = {"x_circuit_breaker_event_ids": "1"} if numbered else {}
    answer = await bridged.ask(post(message(GOOGLE, stream=True), "/v1/messages", **headers))
    lines = answer.body.splitlines()
    place = lines.index(b": x-circuit-breaker-dropped: reply.image")
    assert b"event: content_block_stop" in lines[place : place + 3]
    async with sdk(bridged) as client, client.messages.stream(**message(GOOGLE)) as stream:
        reply = await stream.get_final_message()
    assert [block.model_dump(include={"type", "text"}) for block in reply.content] == [{"type": "text", "text": TEXT}]
