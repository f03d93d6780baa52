"""Whole chat completions: what reaches the provider, what comes back, what is booked."""

import json
import time
from typing import Any

import pytest

from billing.core.pricing import Usage
from tests.gateway.client import CHAT, post
from tests.gateway.conftest import Running
from tests.gateway.control import PRICE, PROVIDER_KEY, snapshot
from tests.gateway.provider import REPLY, whole

ODD = (
    b'{ "messages" : [ {"role":"user","content":"H\\u00e9 \\ud83d\\ude00 \\"model\\": \\"x\\""} ],\n'
    b' "model":"gpt-4" , "temperature":1e0, "seed": 12345678901234567890, "stop":["a","b"],'
    b' "logit_bias":{"50256":-100}, "never_heard_of":{"model":7}, "tools":[], "metadata":{"a":"b"} }'
)


async def test_the_reply_comes_back_byte_for_byte(gateway: Running) -> None:
    body = json.dumps(REPLY, indent=3).encode() + b"\n"
    gateway.provider.answers = [whole(body)]
    answer = await gateway.ask(post())
    assert (answer.status, answer.body) == (200, body)


async def test_the_request_reaches_the_provider_byte_for_byte(gateway: Running) -> None:
    body = json.dumps({**CHAT, "unknown": {"deep": [1, 2.50, None]}}, indent=1).encode()
    await gateway.ask(post(body))
    (request,) = gateway.provider.requests
    assert request.body == body
    assert request.line == "POST /v1/chat/completions HTTP/1.1"
    assert request.headers["authorization"] == f"Bearer {PROVIDER_KEY}"
    assert request.headers["content-type"] == "application/json"


async def test_odd_but_valid_json_keeps_every_member(gateway: Running) -> None:
    await gateway.ask(post(ODD))
    (request,) = gateway.provider.requests
    assert request.json == json.loads(ODD)


async def test_only_the_models_name_changes(gateway: Running) -> None:
    await gateway.configure(snapshot(gateway.provider.url, 2, upstream="gpt-4-0613-eu"))
    body = b'{"user": "u", "model" : "gpt-4", "messages":[{"role":"user","content":"Hi"}] , "top_p":1.0}'
    await gateway.ask(post(body))
    assert gateway.provider.requests[0].body == body.replace(b'"gpt-4"', b'"gpt-4-0613-eu"')


async def test_a_member_given_twice_is_sent_on_once(gateway: Running) -> None:
    await gateway.ask(post(b'{"model":"expensive","messages":[{"role":"user","content":"x"}],"model":"gpt-4"}'))
    assert gateway.provider.requests[0].body == b'{"model":"gpt-4","messages":[{"role":"user","content":"x"}]}'


async def test_our_own_options_stay_here(gateway: Running) -> None:
    await gateway.ask(post({**CHAT, "circuit_breaker": {"routing_strategy": "cost_optimized"}, "x": 1}))
    assert gateway.provider.requests[0].json == {**CHAT, "x": 1}


async def test_the_headers_say_who_answered_and_what_it_cost(gateway: Running) -> None:
    answer = await gateway.ask(post(X_Request_Id="req-123"))
    assert answer.headers["x-request-id"] == "req-123"
    assert answer.headers["x-circuit-breaker-provider"] == "acme"
    assert answer.headers["x-circuit-breaker-model"] == "gpt-4"
    assert answer.headers["x-circuit-breaker-attempts"] == "1"
    assert answer.headers["x-circuit-breaker-cost"] == "0.000990000"
    assert 0 < float(answer.headers["x-circuit-breaker-overhead-ms"]) < 1000


@pytest.mark.parametrize("given", ["", "a" * 129, "naïve"])
async def test_a_request_id_that_cannot_stand_in_a_header_is_replaced(gateway: Running, given: str) -> None:
    request = post(X_Request_Id="PLACE").replace(b"PLACE", given.encode("latin-1"))
    answer = await gateway.ask(request)
    assert len(answer.headers["x-request-id"]) == 32


async def test_a_call_is_booked_with_everything_known_of_it(gateway: Running) -> None:
    before = time.time_ns()
    body = {
        **CHAT,
        "model": "auto",
        "user": "ignored",
        "circuit_breaker": {"budget_tracking": {"user_id": "u-1", "project_id": "p-1"}},
    }
    await gateway.ask(post(body, X_Request_Id="req-9", X_Circuit_Breaker_Origin="agent-execution:5"))
    (record,) = await gateway.control.wait_for_records(1)
    assert before < record.started_at < record.finished_at < time.time_ns()
    assert len(record.id) == 32
    assert int(record.id, 16) > 0
    assert (record.number, record.request_id, record.origin) == (1, "req-9", "agent-execution:5")
    assert (record.provider, record.model, record.requested_model) == ("acme", "gpt-4", "auto")
    assert (record.user, record.project, record.provider_key) == ("u-1", "p-1", "7")
    assert (record.status, record.outcome, record.attempts) == (200, "ok", 1)
    assert (record.streamed, record.estimated, record.first_byte_at) == (False, False, None)
    assert record.usage == Usage(input=9, output=12)
    assert record.price == PRICE
    assert record.cost_nano == 9 * 30_000 + 12 * 60_000
    assert 0 < record.overhead_us < 1_000_000


async def test_openais_user_is_booked_when_no_tracking_is_given(gateway: Running) -> None:
    await gateway.ask(post({**CHAT, "user": "alice"}))
    (record,) = await gateway.control.wait_for_records(1)
    assert (record.user, record.project, record.origin) == ("alice", None, None)


async def test_cached_and_reasoning_tokens_are_disjoint_buckets(gateway: Running) -> None:
    usage = {
        "prompt_tokens": 100,
        "completion_tokens": 50,
        "prompt_tokens_details": {"cached_tokens": 80},
        "completion_tokens_details": {"reasoning_tokens": 30},
    }
    gateway.provider.answers = [whole({**REPLY, "usage": usage})]
    await gateway.ask(post())
    (record,) = await gateway.control.wait_for_records(1)
    assert record.usage == Usage(input=20, cached_input=80, output=20, reasoning=30)


@pytest.mark.parametrize("usage", [None, {}, {"prompt_tokens": -1}, {"prompt_tokens": "many"}, 7, {"total_tokens": 3}])
async def test_usage_that_is_missing_or_cannot_be_true_is_estimated(gateway: Running, usage: Any) -> None:
    reply = {**REPLY, "usage": usage}
    gateway.provider.answers = [whole(reply)]
    answer = await gateway.ask(post())
    assert answer.json == reply
    (record,) = await gateway.control.wait_for_records(1)
    assert record.estimated is True
    assert record.usage.input == len(json.dumps(CHAT)) // 4 + 1
    assert record.usage.output == (len(REPLY["choices"][0]["message"]["content"]) + 3) // 4
    assert record.cost_nano > 0


async def test_a_model_without_a_price_is_booked_at_nothing_and_says_so(gateway: Running) -> None:
    await gateway.configure(snapshot(gateway.provider.url, 2, price=None))
    await gateway.ask(post())
    (record,) = await gateway.control.wait_for_records(1)
    assert (record.price, record.cost_nano, record.usage) == (None, 0, Usage(input=9, output=12))
