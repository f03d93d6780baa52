"""What a call has cost, told in the usage of the reply: in each client's own place, whole and streamed, all attempts."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from google import genai
from google.genai import types

from billing.core.keys import digest, make_key
from llm.core.snapshot import ApiKey
from tests.gateway.client import CHAT, Answer, post
from tests.gateway.conftest import Running, until
from tests.gateway.control import PRICE
from tests.gateway.provider import DONE, Provider, chunk, stream, usage_chunk, whole
from tests.gateway.test_attempts import by_attempt, chain, cut
from tests.gateway.wires import (
    ALL,
    ANTHROPIC,
    GOOGLE,
    OLLAMA,
    OPENAI_CHAT,
    OPENAI_RESPONSES,
    READ,
    WRITTEN,
    Wire,
    configuration,
)

KEY = make_key(b"c" * 20)
SIGNED = {"Authorization": f"Bearer {KEY}"}
NANO = (READ * PRICE.input + WRITTEN * PRICE.output) // 10**6
HI = [{"role": "user", "content": "Hi"}]
BODIES: dict[str, dict[str, Any]] = {
    "chat": {"messages": HI},
    "responses": {"input": "Hi"},
    "messages": {"messages": HI, "max_tokens": 50},
    "contents": {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]},
}
PATHS = {"chat": "/v1/chat/completions", "responses": "/v1/responses", "messages": "/v1/messages"}
CASES = [
    *((operation, wire) for operation in ("chat", "messages", "contents") for wire in ALL),
    *(("responses", wire) for wire in (OPENAI_CHAT, OPENAI_RESPONSES, ANTHROPIC, GOOGLE, OLLAMA)),
]
each = pytest.mark.parametrize(("operation", "wire"), CASES, ids=[f"{name}-{wire.name}" for name, wire in CASES])
streams = pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])


@pytest.fixture
async def shown(gateway: Running) -> AsyncIterator[Running]:
    """With a key whose replies say the cost."""
    new = configuration(gateway.provider.url.removesuffix("/v1"), [*ALL, OPENAI_CHAT])
    key = ApiKey("12", digest(KEY), ("chat",), show_cost=True)
    await gateway.configure(msgspec.structs.replace(new, api_keys=(key,)))
    yield gateway


async def ask(gateway: Running, operation: str, model: str, streamed: bool, **more: Any) -> Answer:
    body = {**BODIES[operation], **more}
    if operation == "contents":
        method = "streamGenerateContent?alt=sse" if streamed else "generateContent"
        return await gateway.ask(post(body, f"/v1beta/models/{model}:{method}", **SIGNED))
    stream = {"stream": True} if streamed else {}
    return await gateway.ask(post({"model": model, **body, **stream}, PATHS[operation], **SIGNED))


def usage_told(operation: str, streamed: bool, body: bytes) -> dict[str, Any]:
    """The usage where clients of the operation look for the last word on it."""
    if not streamed:
        document = json.loads(body)
    else:
        events = [one.split(b"data: ", 1)[1] for one in body.split(b"\n\n") if b"data: {" in one]
        documents = [json.loads(event) for event in events]
        if operation == "responses":
            document = documents[-1]["response"]
        elif operation == "messages":
            (document,) = [one for one in documents if one["type"] == "message_delta"]
        else:
            document = documents[-1]
    usage: dict[str, Any] = document["usageMetadata" if operation == "contents" else "usage"]
    return usage


@each
@streams
async def test_a_key_that_shows_the_cost_does_so_on_every_wire(
    shown: Running, operation: str, wire: Wire, streamed: bool
) -> None:
    shown.provider.answers = [wire.says(streamed=streamed)]
    answer = await ask(shown, operation, f"m-{wire.name}", streamed)
    assert answer.status == 200, answer.body
    (record,) = await shown.control.wait_for_records(1)
    assert record.cost_nano == NANO
    assert usage_told(operation, streamed, answer.body)["cost"] == NANO / 10**9
    assert answer.body.count(b'"cost":') == 1


@each
@streams
async def test_what_the_request_says_wins(shown: Running, operation: str, wire: Wire, streamed: bool) -> None:
    shown.provider.answers = [wire.says(streamed=streamed)]
    answer = await ask(shown, operation, f"m-{wire.name}", streamed, usage={"include": False})
    assert (answer.status, b'"cost"' in answer.body) == (200, False)
    assert "usage" not in shown.provider.requests[0].json


@streams
async def test_googles_own_sdk_reads_a_reply_that_says_the_cost(shown: Running, streamed: bool) -> None:
    shown.provider.answers = [GOOGLE.says(streamed=streamed)]
    options = types.HttpOptions(base_url=f"http://127.0.0.1:{shown.port}", headers=SIGNED)
    models = genai.Client(api_key=KEY, http_options=options, vertexai=False).aio.models
    if streamed:
        last = [one async for one in await models.generate_content_stream(model="m-google", contents="Hi")][-1]
    else:
        last = await models.generate_content(model="m-google", contents="Hi")
    assert last.usage_metadata is not None
    assert last.usage_metadata.prompt_token_count == READ


@streams
@pytest.mark.parametrize("operation", ["chat", "messages"])
async def test_the_cost_told_is_that_of_all_attempts(gateway: Running, operation: str, streamed: bool) -> None:
    parts = (chunk("Hi"), chunk(finish="stop"), usage_chunk(), DONE)
    gateway.provider.answers = [stream(*parts) if streamed else whole()]
    async with Provider(cut) as broken:
        key = ApiKey("12", digest(KEY), ("chat",))
        new = chain(broken.url, gateway.provider.url)
        await gateway.configure(msgspec.structs.replace(new, api_keys=(key,)))
        answer = await ask(gateway, operation, "gpt-4", streamed, usage={"include": True})
    first, last = await by_attempt(gateway, 2)
    assert first.cost_nano > 0
    assert last.cost_nano > 0
    assert usage_told(operation, streamed, answer.body)["cost"] == (first.cost_nano + last.cost_nano) / 10**9


async def test_a_provider_answers_for_the_time_of_its_own_attempt_only(gateway: Running) -> None:
    gateway.set_timeout(0.4)

    async def silent(request: Any, writer: Any) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n")
        await writer.drain()
        await asyncio.sleep(0.3)
        writer.transport.abort()

    async with Provider(silent) as slow:
        await gateway.configure(chain(slow.url, gateway.provider.url))
        assert (await gateway.ask(post(CHAT))).status == 200
    first, last = await by_attempt(gateway, 2)
    assert first.asked_at is None, "it began when it says it did"
    assert last.asked_at is not None
    assert last.started_at <= first.started_at < first.finished_at <= last.asked_at <= last.finished_at
    assert last.asked_at - last.started_at > 250_000_000
    await until(lambda: gateway.control.observations and gateway.control.observations[-1].requests == 1)
    seen = gateway.control.observations[-1]
    assert seen.latency_us_total > 250_000, "what the client waited"
    assert seen.providers["first"].latency_us_total > 250_000
    assert seen.providers["second"].latency_us_total < 250_000
