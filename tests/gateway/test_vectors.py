"""Embeddings at Gemini and Ollama, and what of OpenAI's wire Ollama speaks beside its own."""

from typing import Any

import openai
import pytest

from billing.core.pricing import Usage
from tests.gateway.client import Answer, post
from tests.gateway.conftest import Running
from tests.gateway.provider import whole
from tests.gateway.wires import GOOGLE, OLLAMA, TRANSLATED, Wire

BACK: dict[str, dict[str, Any]] = {
    "google": {
        "embeddings": [{"values": [0.5, 1]}, {"values": [-0.25, 0]}],
        "usageMetadata": {"promptTokenCount": 6},
    },
    "ollama": {"model": "up", "embeddings": [[0.5, 1], [-0.25, 0]], "prompt_eval_count": 6},
}
PART = [{"parts": [{"text": text}]} for text in ("a", "b")]
SENT: dict[str, tuple[str, Any]] = {
    "google": (
        "/v1beta/models/up:batchEmbedContents",
        {"requests": [{"model": "models/up", "content": part, "outputDimensionality": 2} for part in PART]},
    ),
    "ollama": ("/api/embed", {"model": "up", "input": ["a", "b"], "dimensions": 2}),
}
each = pytest.mark.parametrize("wire", [GOOGLE, OLLAMA], ids=lambda wire: wire.name)


async def ask(gateway: Running, wire: Wire, **more: Any) -> Answer:
    return await gateway.ask(post({"model": f"m-{wire.name}", "input": ["a", "b"], **more}, "/v1/embeddings"))


@each
@pytest.mark.parametrize("packing", ["float", "base64"])
async def test_the_official_sdk_gets_vectors(bridged: Running, wire: Wire, packing: Any) -> None:
    bridged.provider.answers = [whole(BACK[wire.name])]
    async with openai.AsyncOpenAI(base_url=f"http://127.0.0.1:{bridged.port}/v1", api_key="none") as client:
        reply = await client.embeddings.create(
            model=f"m-{wire.name}",
            input=["a", "b"],
            dimensions=2,
            **({} if packing == "base64" else {"encoding_format": "float"}),
        )
    assert [one.embedding for one in reply.data] == [[0.5, 1], [-0.25, 0]]
    assert (reply.usage.prompt_tokens, reply.usage.total_tokens) == (6, 6)
    (asked,) = bridged.provider.requests
    path, body = SENT[wire.name]
    assert (asked.line, asked.json) == (f"POST {path} HTTP/1.1", body)
    (record,) = await bridged.control.wait_for_records(1)
    assert (record.usage, record.estimated) == (Usage(input=6), False)


@each
async def test_tokens_that_are_not_counted_are_estimated(bridged: Running, wire: Wire) -> None:
    back = {name: value for name, value in BACK[wire.name].items() if name == "embeddings"}
    bridged.provider.answers = [whole(back)]
    answer = await ask(bridged, wire, user="u", future=1)
    (record,) = await bridged.control.wait_for_records(1)
    assert record.estimated
    assert answer.json["usage"]["prompt_tokens"] == record.usage.input > 0
    assert answer.headers["x-circuit-breaker-dropped"] == "user, future"


@each
async def test_token_numbers_are_refused(bridged: Running, wire: Wire) -> None:
    answer = await ask(bridged, wire, input=[1, 2])
    assert (answer.status, answer.error["param"], answer.error["code"]) == (400, "input", "unsupported_by_provider")


@each
@pytest.mark.parametrize(
    ("more", "param"), [({"encoding_format": "int8"}, "encoding_format"), ({"dimensions": "x"}, None)]
)
async def test_odd_requests_are_refused(bridged: Running, wire: Wire, more: dict[str, Any], param: str | None) -> None:
    answer = await ask(bridged, wire, **more)
    assert (answer.status, answer.error["param"]) == (400, param)
    assert bridged.provider.requests == []


@each
async def test_errors_keep_their_reason_and_no_key(bridged: Running, wire: Wire) -> None:
    bridged.provider.answers = [wire.refuses(429), whole(wire.error), whole(b"<html>")]
    for status, words in ((429, "Slow down ***"), (None, "Slow down ***"), (502, "no answer")):
        answer = await ask(bridged, wire)
        assert answer.status == status or (status is None and answer.status >= 400)
        assert words in answer.error["message"]


async def test_anthropic_has_no_embeddings(bridged: Running) -> None:
    answer = await ask(bridged, TRANSLATED[0])
    assert (answer.status, answer.error["code"]) == (400, "operation_not_supported")


async def test_ollama_takes_completions_on_openais_wire(bridged: Running) -> None:
    back: dict[str, Any] = {"choices": [], "usage": {"prompt_tokens": 1}}
    bridged.provider.answers = [whole(back)]
    answer = await bridged.ask(post({"model": "m-ollama", "prompt": "Hi"}, "/v1/completions"))
    assert (answer.status, answer.json) == (200, back)
    assert bridged.provider.requests[0].line == "POST /v1/completions HTTP/1.1"
