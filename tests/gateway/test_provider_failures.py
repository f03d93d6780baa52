"""What clients see, and what is booked, when a provider refuses or fails before it has answered."""

import asyncio
import json
import time

import pytest

from billing.core.pricing import Usage
from llm.core.snapshot import Model, ProviderKey, Snapshot
from llm.core.snapshot import Provider as ProviderRow
from tests.gateway.client import post
from tests.gateway.conftest import Running
from tests.gateway.control import PRICE, PROVIDER_KEY, snapshot
from tests.gateway.provider import REPLY, Provider, Request, http, whole


@pytest.mark.parametrize(
    ("status", "seen", "code"),
    [
        (400, 400, "bad"),
        (401, 502, "provider_authentication_failed"),
        (402, 502, "provider_authentication_failed"),
        (403, 502, "provider_authentication_failed"),
        (404, 404, "bad"),
        (413, 413, "bad"),
        (422, 422, "bad"),
        (429, 429, "bad"),
        (500, 500, "bad"),
        (503, 503, "bad"),
        (529, 529, "bad"),
    ],
)
async def test_a_providers_refusal_keeps_its_status_and_reason(
    gateway: Running, status: int, seen: int, code: str
) -> None:
    error = {"message": f"No, {PROVIDER_KEY}!", "type": "some_type", "param": "p", "code": "bad"}
    gateway.provider.answers = [whole({"error": error}, status)]
    answer = await gateway.ask(post())
    assert (answer.status, answer.error["code"]) == (seen, code)
    assert PROVIDER_KEY not in answer.body.decode()
    if code == "bad":
        assert answer.error == {
            "message": "Provider acme: No, ***!",
            "type": "some_type",
            "param": "p",
            "code": "bad",
        }
    (record,) = await gateway.control.wait_for_records(1)
    assert (record.status, record.outcome, record.error_code) == (seen, "upstream_error", code)
    assert (record.cost_nano, record.usage, record.estimated) == (0, Usage(), False)


@pytest.mark.parametrize("body", [b"<html>502</html>", b"", b'"text"', b"[]", b'{"error":"plain"}', b'{"message":"m"}'])
async def test_errors_of_any_shape_become_openais(gateway: Running, body: bytes) -> None:
    gateway.provider.answers = [whole(body, 500)]
    answer = await gateway.ask(post())
    assert answer.status == 500
    assert set(answer.error) == {"message", "type", "param", "code"}
    assert answer.error["message"].startswith("Provider acme: ")


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"{}", b'{"choices":', b'{"usage":{}}', b"\xff\xfe"])
async def test_a_200_that_is_no_completion_is_a_502(gateway: Running, body: bytes) -> None:
    gateway.provider.answers = [whole(body)]
    answer = await gateway.ask(post())
    assert (answer.status, answer.error["code"]) == (502, "provider_broken")


async def test_a_provider_that_cannot_be_reached_is_a_502(gateway: Running) -> None:
    await gateway.configure(snapshot("http://127.0.0.1:9/v1", 2))
    answer = await gateway.ask(post())
    assert (answer.status, answer.error["code"]) == (502, "provider_unreachable")


async def test_the_next_candidate_answers_when_the_first_fails(gateway: Running) -> None:
    async with Provider(whole({"error": {"message": "busy"}}, 503)) as broken:
        await gateway.configure(_two(broken.url, gateway.provider.url))
        answer = await gateway.ask(post())
    assert answer.status == 200
    assert answer.headers["x-circuit-breaker-provider"] == "second"
    assert answer.headers["x-circuit-breaker-attempts"] == "2"
    _, record = await gateway.control.wait_for_records(2)
    assert (record.provider, record.attempts, record.outcome) == ("second", 2, "ok")


async def test_a_refusal_that_is_the_clients_fault_is_not_tried_elsewhere(gateway: Running) -> None:
    async with Provider(whole({"error": {"message": "no"}}, 400)) as strict:
        await gateway.configure(_two(strict.url, gateway.provider.url))
        answer = await gateway.ask(post())
    assert (answer.status, gateway.provider.requests) == (400, [])


async def test_a_slow_provider_is_a_504_in_time(gateway: Running) -> None:
    async def never(request: Request, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(30)

    gateway.provider.answers = [never]
    gateway.set_timeout(0.3)
    answer = await gateway.ask(post())
    assert (answer.status, answer.error["code"]) == (504, "provider_timeout")
    assert "127.0.0.1" not in answer.error["message"], "where a provider lives is not the client's business"
    (record,) = await gateway.control.wait_for_records(1)
    assert (record.outcome, record.attempts) == ("upstream_error", 1)


@pytest.mark.parametrize("kept", [0, 10, 200])
async def test_an_answer_cut_short_is_a_502(gateway: Running, kept: int) -> None:
    async def cut(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(http(json.dumps(REPLY).encode())[:kept])
        await writer.drain()
        writer.transport.abort()

    gateway.provider.answers = [cut]
    answer = await gateway.ask(post())
    assert (answer.status, answer.error["code"]) == (502, "provider_broken")


async def test_what_is_not_http_is_a_502(gateway: Running) -> None:
    async def babble(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")

    gateway.provider.answers = [babble]
    answer = await gateway.ask(post())
    assert (answer.status, answer.error["code"]) == (502, "provider_broken")


def _two(first: str, second: str) -> Snapshot:
    providers = [
        ProviderRow(name, "custom", "openai", url, keys=(ProviderKey(name, f"sk-{name}"),))
        for name, url in (("first", first), ("second", second))
    ]
    models = tuple(Model("gpt-4", row.name, "gpt-4", price=PRICE) for row in providers)
    return Snapshot(2, time.time_ns(), tuple(providers), models)
