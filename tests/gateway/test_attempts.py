"""Each attempt at a provider leaves a record of its own; the call counts once; nothing a provider may bill is left out."""

import asyncio
import contextlib
import json
import time
from pathlib import Path

import pytest

from billing.core.pricing import Usage
from billing.core.usage import CallRecord, attempt_id
from llm.core.snapshot import Model, ProviderKey, Snapshot
from llm.core.snapshot import Provider as ProviderRow
from llm.gateway.http_limits import Bounds
from llm.gateway.server import HttpServer
from llm.sandbox.server import Sandbox
from tests.gateway.client import CHAT, ask, get, post
from tests.gateway.conftest import Running, until
from tests.gateway.control import PRICE, Control
from tests.gateway.fault_row import Row
from tests.gateway.fault_table import CHAT as CHAT_FAULTS
from tests.gateway.processes import start
from tests.gateway.provider import DONE, REPLY, Provider, Request, chunk, http, stream, usage_chunk, whole
from tests.gateway.test_fault_table import name

ASKED = len(json.dumps(CHAT)) // 4 + 1
"""Tokens of the request by our estimate."""


def chain(*urls: str, version: int = 2) -> Snapshot:
    """Providers `first`, `second`, ... that all have gpt-4, tried in that order."""
    names = ("first", "second", "third")
    providers = [
        ProviderRow(name, "custom", "openai", url, keys=(ProviderKey(f"{name}-key", f"sk-{name}"),))
        for name, url in zip(names, urls, strict=False)
    ]
    models = tuple(Model("gpt-4", row.name, "gpt-4", price=PRICE, rank=n) for n, row in enumerate(providers))
    return Snapshot(version, time.time_ns(), tuple(providers), models)


async def cut(request: Request, writer: asyncio.StreamWriter) -> None:
    """A 200 that breaks off in the middle."""
    writer.write(http(json.dumps(REPLY).encode())[:-20])
    await writer.drain()
    writer.transport.abort()


async def by_attempt(gateway: Running, count: int) -> list[CallRecord]:
    return sorted(await gateway.control.wait_for_records(count), key=lambda record: record.attempts)


async def test_each_attempt_has_its_record_and_its_key(gateway: Running) -> None:
    async with Provider(whole({"error": {"message": "busy", "code": "busy"}}, 503)) as busy, Provider(cut) as broken:
        await gateway.configure(chain(busy.url, broken.url, gateway.provider.url))
        answer = await gateway.ask(post())
    first, second, last = await by_attempt(gateway, 3)
    assert answer.status == 200
    assert [(one.attempts, one.provider, one.provider_key) for one in (first, second, last)] == [
        (1, "first", "first-key"),
        (2, "second", "second-key"),
        (3, "third", "third-key"),
    ]
    assert (last.call, last.outcome) == (None, "ok")
    assert [(one.call, one.id) for one in (first, second)] == [(last.id, attempt_id(last.id, n)) for n in (1, 2)]
    assert (first.status, first.error_code, first.outcome) == (503, "busy", "upstream_error")
    assert (first.usage, first.cost_nano, first.estimated) == (Usage(), 0, False), "an error costs nothing"
    assert (second.status, second.error_code) == (502, "provider_broken")
    assert (second.usage, second.estimated) == (Usage(ASKED), True), "a 200 that broke off may be billed"
    assert second.cost_nano == ASKED * PRICE.input // 10**6
    assert last.started_at <= first.started_at <= first.finished_at <= second.started_at <= second.finished_at
    assert float(answer.headers["x-circuit-breaker-cost"]) == pytest.approx((second.cost_nano + last.cost_nano) / 1e9)
    await until(lambda: gateway.worker.journal.register._fresh == len(gateway.worker.journal.register._free))


async def test_a_request_counts_once_and_a_provider_answers_for_each_failed_attempt(gateway: Running) -> None:
    async with Provider(cut) as broken:
        await gateway.configure(chain(broken.url, gateway.provider.url))
        await gateway.ask(post())
        await gateway.ask(post())
    await gateway.control.wait_for_records(4)
    await until(lambda: gateway.control.observations[-1].requests == 2)
    seen = gateway.control.observations[-1]
    assert (seen.requests, seen.errors) == (2, 0)
    assert {name: (one.requests, one.errors) for name, one in seen.providers.items()} == {
        "first": (2, 2),
        "second": (2, 0),
    }
    assert seen.providers["first"].latency_us_total > 0
    text = (await gateway.ask(get("/metrics"), "GET")).body.decode()
    assert (
        'circuit_breaker_requests_total{provider="second",model="gpt-4",status="200",operation="chat_completions"} 2\n'
        in text
    )
    assert (
        'circuit_breaker_requests_total{provider="first",model="gpt-4",status="502",operation="chat_completions"} 0\n'
        in text
    )
    assert (
        f'circuit_breaker_tokens_total{{provider="first",model="gpt-4",status="502",operation="chat_completions",kind="input"}} {2 * ASKED}'
        in text
    )
    assert 'gen_ai_server_request_duration_seconds_count{gen_ai_operation_name="chat"} 2\n' in text


async def test_the_last_attempt_is_the_call_when_all_fail(gateway: Running) -> None:
    async with Provider(cut) as one, Provider(whole({"error": {"message": "no"}}, 500)) as other:
        await gateway.configure(chain(one.url, other.url))
        answer = await gateway.ask(post())
    first, last = await by_attempt(gateway, 2)
    assert (answer.status, answer.headers["x-circuit-breaker-provider"]) == (500, "second")
    assert (last.provider, last.status, last.call, last.cost_nano) == ("second", 500, None, 0)
    assert (first.provider, first.call, first.estimated) == ("first", last.id, True)
    assert float(answer.headers["x-circuit-breaker-cost"]) == pytest.approx(first.cost_nano / 1e9)


async def test_a_candidate_that_cannot_be_asked_leaves_the_failed_attempt_as_the_call(gateway: Running) -> None:
    """The second speaks a wire that has no place for the request, so nothing is sent there."""
    async with Provider(whole({"error": {"message": "no", "code": "busy"}}, 503)) as busy:
        new = chain(busy.url)
        anthropic = ProviderRow("other", "anthropic", "anthropic", busy.url, "native", (ProviderKey("k", "s"),))
        model = Model("gpt-4", "other", "gpt-4", price=PRICE, rank=9)
        await gateway.configure(Snapshot(2, time.time_ns(), (*new.providers, anthropic), (*new.models, model)))
        answer = await gateway.ask(post({**CHAT, "n": 2}))
    (record,) = await gateway.control.wait_for_records(1)
    assert (answer.status, answer.headers["x-circuit-breaker-provider"]) == (503, "first")
    assert (record.provider, record.attempts, record.call, record.error_code) == ("first", 1, None, "busy")
    assert answer.headers["x-circuit-breaker-attempts"] == "1"


async def test_a_provider_out_of_reach_is_an_attempt_that_costs_nothing(gateway: Running) -> None:
    await gateway.configure(chain("http://127.0.0.1:9/v1", gateway.provider.url))
    assert (await gateway.ask(post())).status == 200
    first, _ = await by_attempt(gateway, 2)
    assert (first.error_code, first.usage, first.cost_nano) == ("provider_unreachable", Usage(), 0)


@pytest.mark.parametrize("row", [row for row in CHAT_FAULTS if row.outcome == "upstream_error"], ids=name)
async def test_an_attempt_is_booked_as_the_fault_table_says(gateway: Running, row: Row) -> None:
    """Those of its faults that another provider can mend."""
    upstream = HttpServer(Sandbox().handle)
    gateway.worker.gateway.upstream.bounds = Bounds(reply_bytes=1_000_000)
    if row.streamed:
        gateway.provider.answers = [stream(chunk("Hi"), chunk(finish="stop"), usage_chunk(), DONE)]
    url = f"http://127.0.0.1:{await upstream.listen('127.0.0.1', 0)}/v1"
    new = chain(url, gateway.provider.url)
    failing = Model("gpt-4", "first", f"sandbox?{row.fault}", price=PRICE, rank=0)
    await gateway.configure(Snapshot(2, time.time_ns(), new.providers, (failing, new.models[1])))
    gateway.set_timeout(0.25 if "hang" in row.fault else 20)
    answer = await gateway.ask(post({**CHAT, "stream": row.streamed}))
    mended = answer.status == 200
    assert mended == (row.status not in (400, 404, 504)), "what another would refuse too, and what the time is up for"
    records = await by_attempt(gateway, 1 + mended)
    first = records[0]
    assert (first.outcome, first.error_code, first.status) == (row.outcome, row.code, row.status)
    assert (bool(first.cost_nano), first.estimated) == (row.estimated, row.estimated)
    assert (first.call is None) == (not mended)
    await upstream.drain(0)


async def test_kill_9_in_the_second_attempt_books_the_first_and_the_lost_one_once(
    tmp_path: Path, provider: Provider
) -> None:
    never = asyncio.Event()

    async def hang(request: Request, writer: asyncio.StreamWriter) -> None:
        await never.wait()

    provider.answers = [hang]
    async with Provider(cut) as broken, Control(chain(broken.url, provider.url)) as control:
        async with start(control, tmp_path) as process:
            asked = asyncio.create_task(ask(process.port, post()))
            await until(lambda: provider.requests)
            process.kill()
            await process.ended()
            with contextlib.suppress(Exception):
                await asked
        for _ in range(2):
            async with start(control, tmp_path):
                records = await control.wait_for_records(2)
        first, last = sorted(records, key=lambda record: record.attempts)
    assert (first.attempts, first.outcome, first.provider, first.call) == (1, "upstream_error", "first", last.id)
    assert (last.attempts, last.outcome, last.provider, last.call) == (2, "lost", "second", None)
    never.set()


async def test_a_client_that_leaves_in_the_second_attempt(gateway: Running) -> None:
    held = asyncio.Event()

    async def hold(request: Request, writer: asyncio.StreamWriter) -> None:
        await held.wait()

    gateway.provider.answers = [hold]
    async with Provider(cut) as broken:
        await gateway.configure(chain(broken.url, gateway.provider.url))
        client = await gateway.connect()
        client.send(post())
        await until(lambda: gateway.provider.requests)
        client.close()
        first, last = await by_attempt(gateway, 2)
    assert (first.outcome, first.call) == ("upstream_error", last.id)
    assert (last.outcome, last.status, last.call, last.provider) == ("cancelled", 499, None, "second")
    held.set()
