"""`POST /v1/messages/count_tokens`: Anthropic's own count where Anthropic answers, else our estimate, marked as one."""

from typing import Any

import anthropic
import pytest

from tests.gateway.client import Answer, post
from tests.gateway.conftest import Running
from tests.gateway.provider import whole
from tests.gateway.wires import ALL, ANTHROPIC, GOOGLE, OPENAI, Wire

PATH = "/v1/messages/count_tokens"
others = pytest.mark.parametrize("wire", [wire for wire in ALL if wire is not ANTHROPIC], ids=lambda wire: wire.name)


async def count(gateway: Running, wire: Wire, *content: dict[str, Any], **more: Any) -> Answer:
    asked = [{"role": "user", "content": list(content) or "x" * 40}]
    return await gateway.ask(post({"model": f"m-{wire.name}", "messages": asked, **more}, PATH))


async def test_anthropic_counts_for_its_own_models(bridged: Running) -> None:
    bridged.provider.answers = [whole({"input_tokens": 14})]
    answer = await count(bridged, ANTHROPIC, circuit_breaker={})
    assert (answer.status, answer.json) == (200, {"input_tokens": 14})
    assert "x-circuit-breaker-estimated" not in answer.headers
    (sent,) = bridged.provider.requests
    assert sent.line == f"POST {PATH} HTTP/1.1"
    assert sent.headers["anthropic-version"] == "2023-06-01"
    assert sent.json == {"model": "up", "messages": [{"role": "user", "content": "x" * 40}]}


@others
async def test_for_others_we_count_and_say_that_it_is_an_estimate(bridged: Running, wire: Wire) -> None:
    answer = await count(bridged, wire)
    assert (answer.status, answer.json) == (200, {"input_tokens": 3 + 10})
    assert answer.headers["x-circuit-breaker-estimated"] == "input_tokens"
    assert answer.headers["x-circuit-breaker-provider"] == wire.name
    assert bridged.provider.requests == []


async def test_a_count_is_not_on_record(bridged: Running) -> None:
    bridged.provider.answers = [whole({"input_tokens": 14}), ANTHROPIC.refuses(429), ANTHROPIC.says()]
    assert (await count(bridged, ANTHROPIC)).status == 200
    assert (await count(bridged, ANTHROPIC)).status == 429
    assert (await count(bridged, OPENAI)).status == 200
    asked = {"model": "m-anthropic", "max_tokens": 5, "messages": [{"role": "user", "content": "Hi"}]}
    assert (await bridged.ask(post(asked, "/v1/messages"))).status == 200
    (record,) = await bridged.control.wait_for_records(1)
    assert record.usage.output > 0


async def test_the_official_sdk_counts(bridged: Running) -> None:
    tool: Any = {"name": "weather", "input_schema": {"type": "object", "properties": {}}}
    image = {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}}
    async with anthropic.AsyncAnthropic(base_url=f"http://127.0.0.1:{bridged.port}", api_key="none") as client:
        messages: Any = [{"role": "user", "content": [{"type": "text", "text": "Grüße"}, image]}]
        given = await client.messages.count_tokens(
            model="m-google", messages=messages, system="Be brief.", tools=[tool]
        )
    written = len("Grüße".encode()) + len("Be brief.") + len("weather") + len('{"type":"object","properties":{}}')
    assert given.input_tokens == 2 * 3 + 1_600 + (written + 3) // 4


@pytest.mark.parametrize(
    ("block", "tokens"),
    [
        ({"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "é" * 20}}, 10),
        ({"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "aWk="}}, 3_000),
        ({"type": "tool_result", "tool_use_id": "t", "content": [{"type": "text", "text": "12345"}]}, 2),
        ({"type": "tool_use", "id": "t", "name": "f", "input": {"a": 1}}, 2),
        ({"type": "thinking", "thinking": "1234", "signature": "s"}, 1),
        ({"type": "server_tool_use", "id": "s"}, 9),
    ],
)
async def test_what_each_block_counts(bridged: Running, block: dict[str, Any], tokens: int) -> None:
    answer = await count(bridged, GOOGLE, block)
    assert answer.json == {"input_tokens": 3 + tokens}


@pytest.mark.parametrize(
    ("change", "words"),
    [({"messages": []}, "messages"), ({"stream": True}, "stream"), ({"model": "nobody"}, "nobody")],
)
async def test_a_bad_request_is_refused_in_anthropics_shape(
    bridged: Running, change: dict[str, Any], words: str
) -> None:
    answer = await count(bridged, OPENAI, **change)
    assert answer.status in (400, 404)
    assert answer.json["type"] == "error"
    assert words in answer.json["error"]["message"]


async def test_a_200_that_is_no_count(bridged: Running) -> None:
    bridged.provider.answers = [whole(b"{}")]
    answer = await count(bridged, ANTHROPIC)
    assert (answer.status, answer.json["error"]["type"]) == (502, "api_error")
