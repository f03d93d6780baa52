"""What the endpoint refuses, and how it says so; models, health and metrics."""

import json
from typing import Any

import msgspec
import pytest

from billing.core.pricing import LongPrompt
from tests.gateway.client import CHAT, get, post
from tests.gateway.conftest import Running
from tests.gateway.control import PRICE, snapshot

MESSAGES = [{"role": "user", "content": "x"}]

REFUSED: list[tuple[Any, int, str | None]] = [
    (b"", 400, None),
    (b"{", 400, None),
    (b"nonsense", 400, None),
    (b"[]", 400, None),
    (b"null", 400, None),
    (b'"text"', 400, None),
    (b"\xff\xfe{}", 400, None),
    (b'{"model":"gpt-4","messages":[{"role":"user","content":"\xff"}]}', 400, None),
    (b'{"model":"gpt-4","messages":[]} trailing', 400, None),
    (b'{"model":"gpt-4","messages":[{"role":"user","content":NaN}]}', 400, None),
    (b"[" * 100_000, 400, None),
    (b'{"model":"gpt-4","messages":' + b"[" * 100_000, 400, "messages[0]"),
    (b'{"x":' + b"[" * 100_000, 400, None),
    ({}, 400, "model"),
    ({"messages": MESSAGES}, 400, "model"),
    ({"model": None, "messages": MESSAGES}, 400, "model"),
    ({"model": 4, "messages": MESSAGES}, 400, "model"),
    ({"model": "", "messages": MESSAGES}, 400, "model"),
    ({"model": "m" * 600, "messages": MESSAGES}, 400, "model"),
    ({"model": "gpt-4"}, 400, "messages"),
    ({"model": "gpt-4", "messages": []}, 400, "messages"),
    ({"model": "gpt-4", "messages": "x"}, 400, "messages"),
    ({"model": "gpt-4", "messages": {"role": "user"}}, 400, "messages"),
    ({"model": "gpt-4", "messages": ["x"]}, 400, "messages[0]"),
    ({"model": "gpt-4", "messages": [*MESSAGES, {"content": "x"}]}, 400, "messages[1].role"),
    ({"model": "gpt-4", "messages": [*MESSAGES, {"role": 5}]}, 400, "messages[1].role"),
    ({"model": "gpt-4", "messages": [{"role": "user", "content": 5}]}, 400, "messages[0].content"),
    ({**CHAT, "stream": "yes"}, 400, "stream"),
    ({**CHAT, "stream": 1}, 400, "stream"),
    ({**CHAT, "stream_options": {"include_usage": True}}, 400, "stream_options"),
    ({**CHAT, "stream": True, "stream_options": []}, 400, "stream_options"),
    ({**CHAT, "max_tokens": "10"}, 400, "max_tokens"),
    ({**CHAT, "max_tokens": 0}, 400, "max_tokens"),
    ({**CHAT, "max_completion_tokens": -5}, 400, "max_completion_tokens"),
    ({**CHAT, "n": 0}, 400, "n"),
    ({**CHAT, "n": 1.5}, 400, "n"),
    ({**CHAT, "user": 7}, 400, "user"),
    ({**CHAT, "tools": {}}, 400, "tools"),
    ({**CHAT, "tools": ["x"]}, 400, "tools[0]"),
    ({**CHAT, "circuit_breaker": 3}, 400, "circuit_breaker"),
    ({**CHAT, "circuit_breaker": {"max_price": 3}}, 400, "circuit_breaker.max_price"),
    ({**CHAT, "circuit_breaker": {"routing_strategy": "cheap"}}, 400, "circuit_breaker.routing_strategy"),
    ({**CHAT, "circuit_breaker": {"task_type": "cooking"}}, 400, "circuit_breaker.task_type"),
    ({**CHAT, "circuit_breaker": {"max_cost_per_1k_tokens": -1}}, 400, "circuit_breaker.max_cost_per_1k_tokens"),
    ({**CHAT, "circuit_breaker": {"max_cost_per_1k_tokens": 0.01}}, 400, "circuit_breaker.max_cost_per_1k_tokens"),
    ({**CHAT, "circuit_breaker": {"fallback_models": "gpt-4"}}, 400, "circuit_breaker.fallback_models"),
    ({**CHAT, "circuit_breaker": {"budget_tracking": {"user": "u"}}}, 400, "circuit_breaker.budget_tracking.user"),
    ({**CHAT, "circuit_breaker": {"budget_constraint": {"daily_limit": 1}}}, 400, "circuit_breaker.budget_constraint"),
    ({"model": "nobody-has-this", "messages": MESSAGES}, 404, "model"),
    ({"model": "acme/nobody", "messages": MESSAGES}, 404, "model"),
    ({"model": "gpt-4?status=500", "messages": MESSAGES}, 404, "model"),
]


@pytest.mark.parametrize(("body", "status", "param"), REFUSED, ids=lambda value: str(value)[:40])
async def test_a_bad_request_is_refused_naming_the_parameter(
    gateway: Running, body: Any, status: int, param: str | None
) -> None:
    answer = await gateway.ask(post(body))
    assert (answer.status, answer.error["param"]) == (status, param)
    assert answer.error["type"] == "invalid_request_error"
    assert answer.error["code"] == ("model_not_found" if status == 404 else None)
    assert len(answer.error["message"]) < 400
    assert gateway.provider.requests == []
    assert gateway.worker.journal.next_number == 1, "nothing was metered"


ACCEPTED: list[dict[str, Any]] = [
    {"messages": [{"role": "someday_new", "content": None}]},
    {
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "x"}, {"type": "image_url", "image_url": {}}]}
        ]
    },
    {"messages": [{"role": "assistant", "tool_calls": [{"id": "1"}]}, {"role": "tool", "content": "x"}]},
    {"stream": None, "stream_options": None, "max_tokens": None, "temperature": None, "tools": None, "n": None},
    {"temperature": 1, "top_p": 0.5, "n": 3, "stop": "x", "seed": 1, "logprobs": True, "response_format": {}},
    {"circuit_breaker": None},
    {"circuit_breaker": {}},
    {"model": "auto", "circuit_breaker": {"routing_strategy": "performance_first", "max_latency_ms": 2000}},
    {"model": "auto", "circuit_breaker": {"routing_strategy": "task_specific", "prefer_models": ["claude", "gpt-4"]}},
    {"model": "auto", "circuit_breaker": {"task_type": "analysis", "prefer_large_context": True}},
    {"circuit_breaker": {"max_cost_per_1k_tokens": 0.06, "fallback_models": ["gemini-flash"]}},
    *({"model": name} for name in ("auto", "cb:smart-chat", "cb:cost-optimal", "cb:fastest", "cb:coding")),
    *({"model": name} for name in ("cb:analysis", "cb:creative", "gpt-4", "acme/gpt-4", "gpt-4-0613")),
]


@pytest.mark.parametrize("more", ACCEPTED, ids=lambda value: json.dumps(value)[:50])
async def test_what_openai_takes_passes(gateway: Running, more: dict[str, Any]) -> None:
    await gateway.configure(snapshot(gateway.provider.url, 2, aliases=("gpt-4-0613",)))
    answer = await gateway.ask(post({**CHAT, **more}))
    assert answer.status == 200, answer.body


async def test_unknown_paths_are_openais_404(gateway: Running) -> None:
    answer = await gateway.ask(post(path="/v1/no/such/thing"))
    assert (answer.status, answer.error["code"]) == (404, "unknown_url")
    assert answer.error["message"] == "There is no POST /v1/no/such/thing here."


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/v1/chat/completions", "POST, OPTIONS"),
        ("DELETE", "/v1/chat/completions", "POST, OPTIONS"),
        ("POST", "/v1/models", "GET, HEAD, OPTIONS"),
        ("PUT", "/health", "GET, HEAD, OPTIONS"),
    ],
)
async def test_wrong_methods_name_the_right_ones(gateway: Running, method: str, path: str, allowed: str) -> None:
    answer = await gateway.ask(get(path, method))
    assert (answer.status, answer.headers["allow"]) == (405, allowed)


async def test_compressed_bodies_are_refused(gateway: Running) -> None:
    assert (await gateway.ask(post(Content_Encoding="gzip"))).status == 415


async def test_models_are_listed_with_the_extra_fields(gateway: Running) -> None:
    answer = await gateway.ask(get("/v1/models"))
    listed = {model["id"]: model for model in answer.json["data"]}
    assert answer.json["object"] == "list"
    assert listed["gpt-4"] == {
        "id": "gpt-4",
        "object": "model",
        "created": 0,
        "owned_by": "circuit-breaker",
        "provider": "acme",
        "context_window": 8192,
        "max_output_tokens": None,
        "supports_streaming": True,
        "cost_per_input_token": 0.00003,
        "cost_per_output_token": 0.00006,
        "capabilities": [],
    }
    assert listed["cb:fastest"]["routing_strategy"] == "performance_first"
    assert len(listed) == 8


async def test_a_price_that_rises_with_the_prompt_is_shown_with_its_steps(gateway: Running) -> None:
    steps = (LongPrompt(200_000, 2 * PRICE.input, 3 * PRICE.output), LongPrompt(500_000, 4 * PRICE.input, PRICE.output))
    price = msgspec.structs.replace(PRICE, long_prompts=steps)
    await gateway.configure(snapshot(gateway.provider.url, 2, price=price))
    shown = (await gateway.ask(get("/v1/models/gpt-4"))).json
    assert (shown["cost_per_input_token"], shown["cost_per_output_token"]) == (0.00003, 0.00006)
    assert shown["long_prompt_costs"] == [
        {"above": 200_000, "cost_per_input_token": 0.00006, "cost_per_output_token": 0.00018},
        {"above": 500_000, "cost_per_input_token": 0.00012, "cost_per_output_token": 0.00006},
    ]


@pytest.mark.parametrize("path", ["gpt-4", "acme/gpt-4", "acme%2Fgpt-4", "cb:coding", "cb%3Acoding"])
async def test_one_model_by_any_of_its_names(gateway: Running, path: str) -> None:
    answer = await gateway.ask(get(f"/v1/models/{path}"))
    assert answer.status == 200
    assert answer.json["id"] == path.replace("%2F", "/").replace("%3A", ":")


async def test_a_model_nobody_has_is_not_found(gateway: Running) -> None:
    answer = await gateway.ask(get("/v1/models/no/such"))
    assert (answer.status, answer.error["code"], answer.error["param"]) == (404, "model_not_found", "model")


@pytest.mark.parametrize("path", ["/health", "/v1/health"])
async def test_health_says_what_is_so(gateway: Running, path: str) -> None:
    health = (await gateway.ask(get(path))).json
    assert (health["status"], health["problems"]) == ("ok", [])
    assert health["uplink"] == {"connected": True}
    assert health["snapshot"]["version"] == 1
    assert 0 <= health["snapshot"]["age_seconds"] < 10
    assert health["journal"] == {"lag": 0, "bytes": 0, "accepting": True}
    assert (await gateway.ask(get("/ready"))).json == {"ready": True}


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "The request body is empty; a JSON object is expected."),
        (b" \n", "The request body is empty; a JSON object is expected."),
        (b'{"model": "gp', "The request body is not valid JSON: it ends in the middle. Was it sent whole?"),
        (b"[]", "The request body must be a JSON object: it must be an object, not a list."),
        ({"model": 4, "messages": MESSAGES}, "`model`: must be a string, not a whole number."),
        ({**CHAT, "n": 0}, "`n`: must be a whole number of at least 1."),
        ({**CHAT, "stream": "yes"}, "`stream`: must be true or false or null, not a string."),
        ({"messages": MESSAGES}, "`model`: it is required."),
    ],
)
@pytest.mark.doors("native")
async def test_what_is_wrong_with_a_body_is_said_in_plain_words(gateway: Running, body: object, said: str) -> None:
    assert (await gateway.ask(post(body))).error["message"] == said


async def test_metrics_count_calls_and_refusals(gateway: Running) -> None:
    await gateway.ask(post())
    await gateway.ask(post({}))
    await gateway.control.wait_for_records(1)
    lines = (await gateway.ask(get("/metrics"))).body.decode().splitlines()
    labels = '{provider="acme",model="gpt-4",status="200",operation="chat_completions"'
    assert f"circuit_breaker_requests_total{labels}}} 1" in lines
    assert f'circuit_breaker_tokens_total{labels},kind="input"}} 9' in lines
    assert f"circuit_breaker_cost_usd_total{labels}}} 0.000990000" in lines
    assert 'circuit_breaker_refused_total{status="400",reason="invalid_request_error"} 1' in lines
    assert 'gen_ai_server_request_duration_seconds_count{gen_ai_operation_name="chat"} 1' in lines
    assert 'circuit_breaker_uplink_connected{worker="gateway-0"} 1' in lines
    assert 'circuit_breaker_in_flight{worker="gateway-0"} 0' in lines


async def test_labels_never_hold_what_a_client_wrote(gateway: Running) -> None:
    for number in range(20):
        await gateway.ask(post({**CHAT, "model": f"invented-{number}", "user": f"user-{number}"}))
    text = (await gateway.ask(get("/metrics"))).body.decode()
    assert "invented" not in text
    assert "user-" not in text


async def test_pages_from_this_machine_may_call(gateway: Running) -> None:
    answer = await gateway.ask(post(Origin="http://localhost:5173"))
    assert answer.status == 200
    assert answer.headers["access-control-allow-origin"] == "http://localhost:5173"
    assert "x-request-id" in answer.headers["access-control-expose-headers"]
    preflight = await gateway.ask(
        get("/v1/chat/completions", "OPTIONS", Origin="http://127.0.0.1:8080", Access_Control_Request_Headers="x-a")
    )
    assert (preflight.status, preflight.headers["access-control-allow-headers"]) == (204, "x-a")


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://localhost.evil.example", "file://", "http://["]
)
async def test_other_pages_may_not_spend_money(gateway: Running, origin: str) -> None:
    for request in (post(Origin=origin), get("/v1/chat/completions", "OPTIONS", Origin=origin)):
        answer = await gateway.ask(request)
        assert answer.status == 403
        assert "access-control-allow-origin" not in answer.headers
    assert gateway.provider.requests == []


@pytest.mark.parametrize("request_bytes", [get("/v1/nothing"), get("/v1/chat/completions"), get("/v1/streams/unknown")])
async def test_what_is_refused_has_a_request_id_of_its_own(gateway: Running, request_bytes: bytes) -> None:
    ids = {(await gateway.ask(request_bytes, "GET")).headers["x-request-id"] for _ in range(2)}
    assert len(ids) == 2
    assert all(len(one) == 32 for one in ids)


async def test_a_base_url_without_its_version_is_told(gateway: Running) -> None:
    answer = await gateway.ask(post(path="/chat/completions"))
    assert answer.status == 404
    assert "/v1/chat/completions" in answer.error["message"]
