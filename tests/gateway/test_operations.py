"""Completions, embeddings and responses: where they go, what is booked, how they fail; and what all operations share."""

import json
import time
from typing import Any

import pytest

from billing.core.pricing import Usage
from llm.core.snapshot import Model, ProviderKey, Snapshot
from llm.core.snapshot import Provider as ProviderRow
from tests.gateway.client import CHAT, Answer, get, post
from tests.gateway.conftest import Running
from tests.gateway.control import PRICE, PROVIDER_KEY, snapshot
from tests.gateway.provider import DONE, REPLY, chunk, stream, usage_chunk, whole

CHOICES = {"id": "cmpl-1", "object": "text_completion", "choices": [{"index": 0, "text": "Hello"}]}
TOKENS = {"prompt_tokens": 9, "completion_tokens": 12, "total_tokens": 21}
VECTORS = {"object": "list", "data": [{"object": "embedding", "index": 0, "embedding": [0.5]}], "model": "m"}
OUTPUT = [{"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Hello"}]}]
RESPONSE = {"id": "resp_1", "object": "response", "status": "completed", "error": None, "output": OUTPUT}
READ = {"input_tokens": 9, "output_tokens": 12, "total_tokens": 21}

OPERATIONS: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, int], Usage]] = {
    "/chat/completions": (CHAT, {**REPLY, "usage": None}, TOKENS, Usage(input=9, output=12)),
    "/completions": ({"model": "gpt-4", "prompt": "Hi"}, CHOICES, TOKENS, Usage(input=9, output=12)),
    "/embeddings": (
        {"model": "gpt-4", "input": "Hi"},
        VECTORS,
        {"prompt_tokens": 9, "total_tokens": 9},
        Usage(input=9),
    ),
    "/responses": ({"model": "gpt-4", "input": "Hi"}, RESPONSE, READ, Usage(input=9, output=12)),
}
"""By path: a request, its reply, the usage in it, and the same in buckets."""

each = pytest.mark.parametrize("path", OPERATIONS)


async def ask(gateway: Running, path: str, body: Any = None, **headers: str) -> Answer:
    return await gateway.ask(post(OPERATIONS[path][0] if body is None else body, f"/v1{path}", **headers))


def said(body: bytes) -> list[dict[str, Any]]:
    """The events of a stream that are JSON."""
    lines = [line.removeprefix(b"data: ") for line in body.splitlines() if line.startswith(b"data: ")]
    return [json.loads(line) for line in lines if line != b"[DONE]"]


def event(kind: str, number: int, **fields: Any) -> bytes:
    data = json.dumps({"type": kind, "sequence_number": number, **fields})
    return f"event: {kind}\ndata: {data}\n\n".encode()


CREATED = event("response.created", 0, response={"id": "resp_1", "status": "in_progress", "output": [], "usage": None})
DELTA = event("response.output_text.delta", 1, item_id="m", delta="Hello")
COMPLETED = event("response.completed", 2, response={**RESPONSE, "usage": READ})


@each
async def test_an_operation_goes_to_its_own_path_and_comes_back_untouched(gateway: Running, path: str) -> None:
    request, reply, usage, buckets = OPERATIONS[path]
    body, back = json.dumps(request, indent=1).encode(), json.dumps({**reply, "usage": usage}, indent=2).encode()
    gateway.provider.answers = [whole(back)]
    answer = await ask(gateway, path, body)
    assert (answer.status, answer.body) == (200, back)
    (asked,) = gateway.provider.requests
    assert (asked.line, asked.body) == (f"POST /v1{path} HTTP/1.1", body)
    assert asked.headers["authorization"] == f"Bearer {PROVIDER_KEY}"
    (record,) = await gateway.control.wait_for_records(1)
    cost = buckets.input * 30_000 + buckets.output * 60_000
    assert (record.usage, record.estimated, record.cost_nano) == (buckets, False, cost)
    assert answer.headers["x-circuit-breaker-cost"] == f"0.{cost:09d}"
    assert (answer.headers["x-circuit-breaker-provider"], answer.headers["x-circuit-breaker-model"]) == (
        "acme",
        "gpt-4",
    )


@each
async def test_usage_that_is_missing_is_estimated(gateway: Running, path: str) -> None:
    request, reply, _, _ = OPERATIONS[path]
    gateway.provider.answers = [whole({**reply, "usage": None})]
    assert (await ask(gateway, path)).status == 200
    (record,) = await gateway.control.wait_for_records(1)
    assert record.estimated is True
    assert record.usage.input == len(json.dumps(request)) // 4 + 1
    assert record.usage.output == (0 if path == "/embeddings" else 2), "four bytes to a token of five or six"


@each
@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"{}", b'{"usage":{}}', b"\xff\xfe", b'{"a":' + b"[" * 50_000])
async def test_a_200_that_is_no_answer_is_a_502(gateway: Running, path: str, body: bytes) -> None:
    gateway.provider.answers = [whole(body)]
    answer = await ask(gateway, path)
    assert (answer.status, answer.error["code"]) == (502, "provider_broken")


@each
async def test_an_error_sent_with_status_200_keeps_its_reason(gateway: Running, path: str) -> None:
    gateway.provider.answers = [whole({"error": {"message": f"Overloaded {PROVIDER_KEY}", "code": 529}})]
    answer = await ask(gateway, path)
    assert (answer.status, answer.error["code"], answer.error["message"]) == (
        502,
        "529",
        "Provider acme: Overloaded ***",
    )


@each
async def test_nesting_that_can_be_read_passes_and_deeper_is_refused(gateway: Running, path: str) -> None:
    request, reply, usage, _ = OPERATIONS[path]
    gateway.provider.answers = [whole({**reply, "usage": usage})]
    start = json.dumps({**request, "usage": {"include": True}}).encode()[:-1] + b', "deep": '
    for depth, status in ((500, 200), (2_000, 400)):
        body = start + b"[" * depth + b"]" * depth + b"}"
        answer = await ask(gateway, path, body)
        assert answer.status == status, depth
    statuses = {(await ask(gateway, path, start + b"[" * n + b"]" * n + b"}")).status for n in range(900, 1_000, 3)}
    assert statuses <= {200, 400}, "also at the very limit"


@each
async def test_the_cost_stands_in_the_usage_when_asked_for(gateway: Running, path: str) -> None:
    request, reply, usage, buckets = OPERATIONS[path]
    gateway.provider.answers = [whole({**reply, "usage": usage})]
    answer = await ask(gateway, path, {**request, "usage": {"include": True}, "circuit_breaker": {}})
    cost = (buckets.input * 30_000 + buckets.output * 60_000) / 1e9
    assert answer.json == {**reply, "usage": {**usage, "cost": cost}}
    assert gateway.provider.requests[0].json == request, "both members are ours"


async def test_without_a_price_the_cost_is_null(gateway: Running) -> None:
    await gateway.configure(snapshot(gateway.provider.url, 2, price=None))
    answer = await gateway.ask(post({**CHAT, "usage": {"include": True}}))
    assert answer.json["usage"] == {**TOKENS, "cost": None}


async def test_usage_not_included_is_usage_as_it_came(gateway: Running) -> None:
    answer = await gateway.ask(post({**CHAT, "usage": {"include": False}}))
    assert answer.json == REPLY
    assert gateway.provider.requests[0].json == CHAT


async def test_a_streams_usage_chunk_has_the_cost_when_asked_for(gateway: Running) -> None:
    gateway.provider.answers = [stream(chunk("Hi"), chunk(finish="stop"), usage_chunk(), DONE)]
    answer = await gateway.ask(post({**CHAT, "stream": True, "usage": {"include": True}}))
    assert said(answer.body)[-1]["usage"] == {**TOKENS, "cost": 0.00099}
    assert answer.body.endswith(DONE)
    assert gateway.provider.requests[0].json == {**CHAT, "stream": True, "stream_options": {"include_usage": True}}


async def test_responses_stream_as_typed_events_and_are_booked(gateway: Running) -> None:
    gateway.provider.answers = [stream(CREATED, DELTA[:30], DELTA[30:], COMPLETED)]
    answer = await ask(gateway, "/responses", {"model": "gpt-4", "input": "Hi", "stream": True})
    assert answer.body == CREATED + DELTA + COMPLETED, "and no [DONE]"
    assert gateway.provider.requests[0].json == {"model": "gpt-4", "input": "Hi", "stream": True}
    (record,) = await gateway.control.wait_for_records(1)
    assert (record.outcome, record.usage, record.streamed) == ("ok", Usage(input=9, output=12), True)


async def test_the_last_event_without_usage_is_estimated_from_the_output(gateway: Running) -> None:
    gateway.provider.answers = [stream(CREATED, DELTA, event("response.incomplete", 2, response=RESPONSE))]
    await ask(gateway, "/responses", {"model": "gpt-4", "input": "Hi", "stream": True})
    (record,) = await gateway.control.wait_for_records(1)
    assert (record.estimated, record.usage.output) == (True, 2)


async def test_a_response_cut_in_the_middle_ends_with_an_error_event(gateway: Running) -> None:
    gateway.provider.answers = [stream(CREATED, DELTA, end=b"")]
    answer = await ask(gateway, "/responses", {"model": "gpt-4", "input": "Hi", "stream": True})
    assert answer.body.startswith(CREATED + DELTA + b"event: error\n")
    last = said(answer.body)[-1]
    assert (last["type"], last["code"], last["param"], last["sequence_number"]) == ("error", "provider_broken", None, 2)
    (record,) = await gateway.control.wait_for_records(1)
    assert (record.outcome, record.estimated, record.usage.output) == ("cut", True, 1)


async def test_a_failed_response_is_told_as_it_is_but_for_our_key(gateway: Running) -> None:
    failed = {**RESPONSE, "status": "failed", "error": {"code": "server_error", "message": f"Bad {PROVIDER_KEY}"}}
    gateway.provider.answers = [stream(CREATED, DELTA, event("response.failed", 2, response=failed))]
    answer = await ask(gateway, "/responses", {"model": "gpt-4", "input": "Hi", "stream": True})
    last = said(answer.body)[-1]
    assert (last["type"], last["response"]["error"]["message"]) == ("response.failed", "Bad ***")
    (record,) = await gateway.control.wait_for_records(1)
    assert (record.outcome, record.error_code) == ("cut", "server_error")


async def test_completions_that_break_off_end_with_openais_error(gateway: Running) -> None:
    first = b"data: " + json.dumps(CHOICES).encode() + b"\n\n"
    gateway.provider.answers = [stream(first, end=b"")]
    answer = await ask(gateway, "/completions", {"model": "gpt-4", "prompt": "Hi", "stream": True})
    assert answer.body.startswith(first)
    assert said(answer.body)[-1]["error"]["code"] == "provider_broken"
    assert b"[DONE]" not in answer.body


async def test_what_came_before_an_error_in_the_same_packet_is_passed_on(gateway: Running) -> None:
    error = b'data: {"error":{"message":"out of luck","code":"luck"}}\n\n'
    gateway.provider.answers = [stream(chunk("a"), chunk("b") + error, pause=0.05)]
    answer = await gateway.ask(post({**CHAT, "stream": True}))
    assert answer.body.startswith(chunk("a") + chunk("b"))
    assert said(answer.body)[-1]["error"]["message"] == "Provider acme: out of luck"


REFUSED: list[tuple[str, Any, str | None]] = [
    ("/completions", {"model": "gpt-4", "prompt": []}, "prompt"),
    ("/completions", {"model": "gpt-4", "prompt": 3}, "prompt"),
    ("/completions", {"model": "gpt-4", "prompt": [1.5]}, "prompt[0]"),
    ("/completions", {"model": "gpt-4", "prompt": "x", "n": 0}, "n"),
    ("/completions", {"model": "gpt-4", "prompt": "x", "best_of": "3"}, "best_of"),
    ("/completions", {"model": "gpt-4", "prompt": "x", "stream_options": {}}, "stream_options"),
    ("/embeddings", {"model": "gpt-4"}, "input"),
    ("/embeddings", {"model": "gpt-4", "input": ""}, "input"),
    ("/embeddings", {"model": "gpt-4", "input": []}, "input"),
    ("/embeddings", {"model": "gpt-4", "input": {}}, "input"),
    ("/embeddings", {"model": "gpt-4", "input": "x", "stream": True}, "stream"),
    ("/responses", {"input": "x"}, "model"),
    ("/responses", {"model": "gpt-4", "input": "x", "background": True}, "background"),
    ("/responses", {"model": "gpt-4", "input": "x", "max_output_tokens": 0}, "max_output_tokens"),
    ("/responses", {"model": "gpt-4", "input": "x", "usage": 3}, "usage"),
    ("/responses", {"model": "gpt-4", "circuit_breaker": {"nonsense": 1}}, "circuit_breaker.nonsense"),
    ("/chat/completions", b'{"model":"gpt-4","messages":[{"role":"user"}],"\\ud800":1,"usage":{}}', None),
]


@pytest.mark.parametrize(("path", "body", "param"), REFUSED, ids=lambda value: str(value)[:50])
async def test_a_bad_request_is_refused_naming_the_parameter(
    gateway: Running, path: str, body: Any, param: str | None
) -> None:
    answer = await ask(gateway, path, body)
    assert (answer.status, answer.error["param"], answer.error["type"]) == (400, param, "invalid_request_error")
    assert gateway.provider.requests == []
    assert answer.headers["x-circuit-breaker-attempts"] == "0"
    assert answer.headers["x-circuit-breaker-cost"] == "0.000000000"


def _kinds(url: str) -> Snapshot:
    provider = ProviderRow("acme", "custom", "openai", url, keys=(ProviderKey("7", PROVIDER_KEY),))
    words = {"talks": ("text_generation", "vision"), "embeds": ("embeddings",), "both": ("embeddings", "chat")}
    models = [Model(name, "acme", name, capabilities=said, price=PRICE) for name, said in words.items()]
    return Snapshot(2, time.time_ns(), (provider,), (*models, Model("unknown", "acme", "unknown", price=PRICE)))


@each
async def test_a_model_that_cannot_do_it_is_refused_by_name_and_one_that_says_nothing_is_tried(
    gateway: Running, path: str
) -> None:
    await gateway.configure(_kinds(gateway.provider.url))
    request, reply, usage, _ = OPERATIONS[path]
    gateway.provider.answers = [whole({**reply, "usage": usage})]
    unfit = "talks" if path == "/embeddings" else "embeds"
    answer = await ask(gateway, path, {**request, "model": unfit})
    assert (answer.status, answer.error["code"], answer.error["param"]) == (400, "operation_not_supported", "model")
    assert unfit in answer.error["message"]
    fit = {"talks", "embeds", "both", "unknown"} - {unfit}
    for model in fit:
        assert (await ask(gateway, path, {**request, "model": model})).status == 200
    answer = await ask(gateway, path, {**request, "model": "auto"})
    assert answer.headers["x-circuit-breaker-model"] in fit
    options = {"fallback_models": [unfit], "prefer_models": [unfit]}
    answer = await ask(gateway, path, {**request, "model": "auto", "circuit_breaker": options})
    assert answer.headers["x-circuit-breaker-model"] in fit


@each
async def test_only_post_is_taken_and_options_says_so(gateway: Running, path: str) -> None:
    for method in ("GET", "HEAD", "PUT", "DELETE"):
        answer = await gateway.ask(get(f"/v1{path}", method), method)
        assert (answer.status, answer.headers["allow"]) == (405, "POST, OPTIONS")
    answer = await gateway.ask(get(f"/v1{path}", "OPTIONS"))
    assert (answer.status, answer.headers["allow"]) == (204, "POST, OPTIONS")


@each
async def test_an_operation_is_refused_compressed_and_open_to_pages_of_this_machine(
    gateway: Running, path: str
) -> None:
    assert (await ask(gateway, path, Content_Encoding="gzip")).status == 415
    _, reply, usage, _ = OPERATIONS[path]
    gateway.provider.answers = [whole({**reply, "usage": usage})]
    answer = await ask(gateway, path, Origin="http://localhost:5173")
    exposed = answer.headers["access-control-expose-headers"].split(", ")
    ours = {name for name in answer.headers if name.startswith("x-")}
    assert len(ours) == 6 and ours <= set(exposed), "a page may read every header of ours"


@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_kept_responses_are_not_here_and_the_404_says_so(gateway: Running, method: str) -> None:
    answer = await gateway.ask(get("/v1/responses/resp_1", method))
    assert (answer.status, answer.error["code"]) == (404, "unknown_url")
    assert "keeps none" in answer.error["message"]


async def test_a_refusal_after_attempts_says_who_refused_and_that_it_cost_nothing(gateway: Running) -> None:
    gateway.provider.answers = [whole({"error": {"message": "no"}}, 400)]
    answer = await gateway.ask(post())
    assert answer.headers["x-circuit-breaker-provider"] == "acme"
    assert answer.headers["x-circuit-breaker-attempts"] == "1"
    assert answer.headers["x-circuit-breaker-cost"] == "0.000000000"
