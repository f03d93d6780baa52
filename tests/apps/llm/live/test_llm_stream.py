"""`llmStream` and `llmChatCompletion` in front of a real gateway worker: every wire, every place, every refusal."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from channels.testing import WebsocketCommunicator
from django.test import Client, override_settings

from circuit_breaker.asgi import sockets
from llm.services import streams
from tests.apps.llm.live.conftest import TEXT, Running
from tests.gateway.client import CHAT, post
from tests.gateway.conftest import until
from tests.gateway.provider import DONE, stream, usage_chunk
from tests.gateway.test_admission import OTHER, SIGNED, a_key, grant
from tests.gateway.test_resume import EVENTS, STREAM, paced

SPEC = 'subscription LLMStream { llmStream(requestId: "req-123") { id content tokens cost timestamp } }'
FOLLOW = """subscription($id: String!, $after: Int) { llmStream(requestId: $id, after: $after)
  { id seq content tokens cost finishReason model done thinking toolCalls { id tool arguments } } }"""
ASK = """mutation($input: LlmChatCompletionInput!) { llmChatCompletion(input: $input)
  { id content model cost finishReason usage { promptTokens completionTokens totalTokens } toolCalls { tool arguments } } }"""
INPUT = {"model": "gpt-4", "messages": [{"role": "user", "content": "Hi"}]}


class Subscription:
    """One subscription on a socket of its own."""

    def __init__(self, socket: WebsocketCommunicator) -> None:
        self._socket = socket

    async def message(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(await self._socket.receive_from(timeout=5))
        return found

    async def event(self) -> dict[str, Any]:
        message = await self.message()
        assert message["type"] == "next", message
        event: dict[str, Any] = message["payload"]["data"]["llmStream"]
        return event

    async def events(self) -> list[dict[str, Any]]:
        """To the end, which is none of an error."""
        found = []
        while (message := await self.message())["type"] == "next":
            found.append(message["payload"]["data"]["llmStream"])
        assert message["type"] == "complete", message
        return found

    async def error(self) -> dict[str, Any]:
        while (message := await self.message())["type"] == "next":
            pass
        error: dict[str, Any] = message["payload"][0]
        return error


@asynccontextmanager
async def subscribed(
    query: str = FOLLOW, *headers: tuple[bytes, bytes], **variables: Any
) -> AsyncIterator[Subscription]:
    given = [(b"host", b"localhost:4000"), *headers]
    socket = WebsocketCommunicator(sockets, "/graphql", headers=given, subprotocols=["graphql-transport-ws"])
    await socket.connect()
    await socket.send_to(text_data='{"type":"connection_init"}')
    assert json.loads(await socket.receive_from())["type"] == "connection_ack"
    payload = {"query": query, "variables": variables}
    await socket.send_to(text_data=json.dumps({"id": "1", "type": "subscribe", "payload": payload}))
    yield Subscription(socket)
    await socket.disconnect()


async def test_the_specs_subscription_shows_a_request_started_by_rest(served: Running) -> None:
    served.provider.answers = [stream(*EVENTS, usage_chunk(), DONE)]
    async with subscribed(SPEC) as following:
        await served.ask(post(STREAM, x_request_id="req-123"))
        events = await following.events()
    assert "".join(event["content"] for event in events) == TEXT
    assert {event["id"] for event in events} == {"req-123"}
    (record,) = await served.control.wait_for_records(1)
    assert (events[-1]["tokens"], events[-1]["cost"]) == (21, record.cost_nano / 10**9)
    assert all(event["cost"] is None for event in events[:-1])
    tokens = [event["tokens"] for event in events]
    assert tokens == sorted(tokens)
    assert tokens[0] == 1


@pytest.mark.parametrize("cut", range(10))
async def test_cut_behind_any_event_and_resumed_nothing_is_missing_or_told_twice(served: Running, cut: int) -> None:
    script = paced(served, *EVENTS, usage_chunk() + DONE)
    asked = asyncio.create_task(served.ask(post(STREAM, x_request_id="cut")))
    async with subscribed(id="cut") as first:
        script.send(cut + 1)
        seen = [await first.event() for _ in range(cut)]
    async with subscribed(id="cut", after=seen[-1]["seq"] if seen else None) as second:
        script.send(20)
        seen += await second.events()
    await asked
    assert [event["seq"] for event in seen] == [2, 3, 4, 5, 6, 7, 8, 9, 10, 11]
    assert "".join(event["content"] for event in seen) == TEXT
    assert [event["done"] for event in seen] == [False] * 9 + [True]
    assert (seen[-1]["finishReason"], seen[-1]["model"]) == ("stop", "gpt-4")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/messages", {"model": "gpt-4", "max_tokens": 50, "messages": CHAT["messages"], "stream": True}),
        ("/v1/responses", {"model": "gpt-4", "input": "Hi", "stream": True}),
        ("/v1beta/models/gpt-4:streamGenerateContent?alt=sse", {"contents": [{"parts": [{"text": "Hi"}]}]}),
    ],
)
async def test_every_wire_shows_its_content(served: Running, path: str, body: dict[str, Any]) -> None:
    await served.configure(_chat_only(served))
    served.provider.answers = [stream(*EVENTS, usage_chunk(), DONE)]
    answer = await served.ask(post(body, path=path, x_request_id="other"))
    assert answer.status == 200, answer.body
    async with subscribed(id="other") as following:
        events = await following.events()
    assert "".join(event["content"] for event in events) == TEXT
    assert (events[-1]["finishReason"], events[-1]["tokens"]) == ("stop", 21)


def _chat_only(served: Running) -> Any:
    """The provider speaks chat alone, so every other wire is translated."""
    import msgspec

    from tests.gateway.control import snapshot

    new = snapshot(served.provider.url, 2)
    providers = tuple(msgspec.structs.replace(one, dialect="openai_chat") for one in new.providers)
    return msgspec.structs.replace(new, providers=providers)


async def test_legacy_completions_show_their_text(served: Running) -> None:
    def piece(text: str, finish: str | None = None) -> bytes:
        choices = [{"index": 0, "text": text, "finish_reason": finish}]
        return b"data: " + json.dumps({"id": "cmpl-1", "model": "gpt-4", "choices": choices}).encode() + b"\n\n"

    served.provider.answers = [stream(piece("Once "), piece("upon", "length"), DONE)]
    await served.ask(
        post({"model": "gpt-4", "prompt": "x", "stream": True}, path="/v1/completions", x_request_id="old")
    )
    async with subscribed(id="old") as following:
        events = await following.events()
    assert ["".join(event["content"] for event in events), events[-1]["finishReason"]] == ["Once upon", "length"]


async def test_a_stream_that_fails_ends_with_its_error(served: Running) -> None:
    served.provider.answers = [stream(*EVENTS[:3], end=b"")]
    await served.ask(post(STREAM, x_request_id="cut"))
    async with subscribed(id="cut") as following:
        assert (await following.error())["extensions"]["code"] == "PROVIDER_BROKEN"


async def test_what_is_not_there_or_not_yours_is_refused(served: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams.follow, "__defaults__", (0, 0.2))
    await grant(served, a_key())
    served.provider.answers = [stream(*EVENTS, DONE)]
    await served.ask(post(STREAM, x_request_id="mine", **SIGNED))
    async with subscribed(FOLLOW, id="mine") as stranger, subscribed(FOLLOW, id="none") as nobody:
        assert (await stranger.error())["extensions"]["code"] == "STREAM_NOT_FOUND"
        assert (await nobody.error())["extensions"]["code"] == "STREAM_NOT_FOUND"
    async with subscribed(FOLLOW, (b"authorization", SIGNED["Authorization"].encode()), id="mine") as owner:
        assert (await owner.events())[-1]["done"]
    async with subscribed(FOLLOW, (b"authorization", f"Bearer {OTHER}".encode()), id="mine") as unknown:
        assert (await unknown.error())["extensions"]["code"] == "INVALID_API_KEY"
    async with subscribed(FOLLOW, (b"authorization", SIGNED["Authorization"].encode()), id="mine", after=99) as far:
        assert (await far.error())["extensions"]["code"] == "INVALID_REQUEST"


async def test_a_subscriber_that_leaves_lets_go_of_the_gateway(served: Running) -> None:
    paced(served, *EVENTS, DONE).send(2)
    asked = asyncio.create_task(served.ask(post(STREAM, x_request_id="live")))
    async with subscribed(id="live") as following:
        await following.event()
        (replay,) = served.worker.gateway.replays.live
        assert len(replay.readers) == 1
    await until(lambda: not replay.readers)
    assert streams._open == 0
    served.provider.drop_connections()
    await asked


# --- llmChatCompletion ------------------------------------------------------------------------------------------------
async def ask(headers: dict[str, str] | None = None, **fields: Any) -> dict[str, Any]:
    """The whole GraphQL result."""
    body = {"query": ASK, "variables": {"input": {**INPUT, **fields}}}
    send = sync_to_async(Client().post, thread_sensitive=False)
    reply = await send("/graphql", json.dumps(body), content_type="application/json", headers=headers or {})
    found: dict[str, Any] = json.loads(reply.content)
    return found


async def test_a_completion_is_answered_whole_and_can_be_followed(served: Running) -> None:
    served.provider.answers = [stream(*EVENTS, usage_chunk(), DONE)]
    async with subscribed(id="asked") as following:
        result = await ask(requestId="asked", maxTokens=50, topP=0.5, options={"logit_bias": {"5": 1}})
        events = await following.events()
    (record,) = await served.control.wait_for_records(1)
    assert result["data"]["llmChatCompletion"] == {
        "id": "asked",
        "content": TEXT,
        "model": "gpt-4",
        "cost": record.cost_nano / 10**9,
        "finishReason": "stop",
        "usage": {"promptTokens": 9, "completionTokens": 12, "totalTokens": 21},
        "toolCalls": [],
    }
    assert "".join(event["content"] for event in events) == TEXT
    (request,) = served.provider.requests
    assert request.json == {
        **CHAT,
        "max_tokens": 50,
        "top_p": 0.5,
        "logit_bias": {"5": 1},
        "stream": True,
        "stream_options": {"include_usage": True},
    }


async def test_a_tool_is_offered_and_its_call_told(served: Running) -> None:
    call = {"index": 0, "id": "c1", "function": {"name": "weather", "arguments": "{}"}}
    choices = [{"index": 0, "delta": {"tool_calls": [call]}, "finish_reason": "tool_calls"}]
    event = b"data: " + json.dumps({"id": "x", "model": "gpt-4", "choices": choices}).encode() + b"\n\n"
    served.provider.answers = [stream(event, DONE)]
    tools = [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}]
    result = await ask(tools=tools, toolChoice="auto")
    assert result["data"]["llmChatCompletion"]["toolCalls"] == [{"tool": "weather", "arguments": "{}"}]
    assert result["data"]["llmChatCompletion"]["finishReason"] == "tool_calls"
    assert served.provider.requests[0].json["tools"] == tools


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"model": "none-such"}, "MODEL_NOT_FOUND"),
        ({"messages": []}, "STREAM_FAILED"),
        ({"maxTokens": 0}, "STREAM_FAILED"),
        ({"requestId": "a\nb"}, "INVALID_REQUEST"),
        ({"options": [1]}, "INVALID_REQUEST"),
        ({"options": {"stream": False}}, "INVALID_REQUEST"),
        ({"options": {"n": 2}}, "INVALID_REQUEST"),
        ({"options": {"model": "gpt-4"}}, "INVALID_REQUEST"),
    ],
)
async def test_bad_input_is_refused_by_name(served: Running, fields: dict[str, Any], code: str) -> None:
    result = await ask(**fields)
    assert result["data"] is None
    assert result["errors"][0]["extensions"]["code"] == code, result


async def test_the_callers_key_counts(served: Running) -> None:
    await grant(served, a_key(models=("other-model",)))
    assert (await ask(SIGNED))["errors"][0]["extensions"]["code"] == "MODEL_NOT_ALLOWED"
    with override_settings(GATEWAY_URL="http://127.0.0.1:1/v1"):
        assert (await ask())["errors"][0]["extensions"]["code"] == "UNAVAILABLE"


async def test_one_stream_too_many_is_refused(served: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "MAX_OPEN", 0)
    assert (await ask())["errors"][0]["extensions"]["code"] == "UNAVAILABLE"
    assert streams._open == 0
