"""Limits at one worker, with the real keeper behind a control plane of our own: exact, told in headers, and safe alone."""

import asyncio
import time
from pathlib import Path

import msgspec
import pytest

from billing.core.keys import Limits
from llm.core.allowance import Allowance
from llm.core.errors import RateLimited
from llm.core.leases import Keeper
from llm.core.snapshot import ApiKey
from llm.core.uplink import Fleet, LeaseAsk, LeaseGrant, LeaseReturn, LeaseState, Up
from llm.gateway.limiter import Limiter
from llm.gateway.settings import Settings
from tests.gateway.client import CHAT, post
from tests.gateway.conftest import Running, until
from tests.gateway.control import SECRET
from tests.gateway.provider import DONE, REPLY, chunk, stream
from tests.gateway.test_admission import SIGNED, a_key, grant


async def limit(gateway: Running, version: int = 2, **limits: int) -> ApiKey:
    key = a_key(limits=Limits(**limits))
    await grant(gateway, key, version=version)
    return key


async def statuses(gateway: Running, count: int, **headers: str) -> list[int]:
    """Of so many calls, one after another on one connection."""
    client = await gateway.connect()
    found = []
    for _ in range(count):
        client.send(post(**headers))
        found.append((await client.answer()).status)
    client.close()
    return found


async def test_exactly_the_limit_is_let_in_and_the_headers_say_what_is_left(gateway: Running) -> None:
    await limit(gateway, requests_per_minute=3)
    first = await gateway.ask(post(**SIGNED))
    told = {name: value for name, value in first.headers.items() if name.startswith("x-ratelimit")}
    assert told == {
        "x-ratelimit-limit-requests": "3",
        "x-ratelimit-remaining-requests": "2",
        "x-ratelimit-reset-requests": "20s",
    }
    assert await statuses(gateway, 2, **SIGNED) == [200, 200]
    refused = await gateway.ask(post(**SIGNED))
    assert (refused.status, refused.error["code"], refused.error["type"]) == (429, "rate_limit_exceeded", "requests")
    assert 15 <= int(refused.headers["retry-after"]) <= 20
    assert refused.headers["x-ratelimit-remaining-requests"] == "0"


async def test_many_connections_at_once_get_no_more(gateway: Running) -> None:
    await limit(gateway, requests_per_minute=20)
    answers = await asyncio.gather(*(gateway.ask(post(**SIGNED)) for _ in range(60)))
    assert sorted(answer.status for answer in answers) == [200] * 20 + [429] * 40
    asked = len(gateway.control.asks)
    assert await statuses(gateway, 20, **SIGNED) == [429] * 20
    assert len(gateway.control.asks) == asked, "a refusal is remembered: hammering asks nobody"


async def test_a_high_limit_rarely_asks(gateway: Running) -> None:
    await limit(gateway, requests_per_minute=60_000)
    assert await statuses(gateway, 200, **SIGNED) == [200] * 200
    assert len(gateway.control.asks) < 20


async def test_calls_that_come_at_once_take_what_their_neighbours_answers_brought(gateway: Running) -> None:
    """An answer leases slots ahead of need: the calls that asked beside it must not find them gone."""
    await limit(gateway, concurrent_requests=40)
    gateway.provider.answers = [stream(chunk("x"), chunk(None, "stop"), DONE, pause=0.1)]
    streamed = post({**CHAT, "stream": True}, **SIGNED)
    answers = await asyncio.gather(*(gateway.ask(streamed) for _ in range(60)))
    assert sorted(answer.status for answer in answers) == [200] * 40 + [429] * 20


async def test_slots_brought_by_neighbours_answers_count_when_what_came_with_them_has_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A busy loop reads the answers late: every lease is over by then, and its slots lie here, so the keeper has none."""
    monkeypatch.setattr("llm.core.allowance.HOLD_SECONDS", 0.0)
    limiter = Limiter(asyncio.get_running_loop())
    keeper = Keeper("first", time.monotonic())
    keeper.expect(set(), time.monotonic())
    decode = msgspec.json.Decoder(Up).decode

    def send(frame: bytes) -> bool:
        message = decode(frame)
        if isinstance(message, LeaseAsk):
            grant = keeper.ask("gateway-0", message, time.monotonic())
            limiter.loop.call_later(0.02, limiter.hear_grant, grant)
        elif isinstance(message, LeaseReturn):
            keeper.give_back("gateway-0", message, time.monotonic())
        return True

    limiter.send = send
    limiter.hear_fleet(Fleet("first", 1, True))
    limits = Limits(concurrent_requests=80, requests_per_minute=60_000)
    outcomes = await asyncio.gather(*(limiter.admit("key:1", limits, 0) for _ in range(80)), return_exceptions=True)
    assert [outcome for outcome in outcomes if isinstance(outcome, BaseException)] == []
    with pytest.raises(RateLimited, match="80 requests at a time"):
        await limiter.admit("key:1", limits, 0)
    limiter.close()


async def test_calls_that_come_at_once_ask_once(gateway: Running) -> None:
    await limit(gateway, requests_per_minute=60_000)
    answers = await asyncio.gather(*(gateway.ask(post(**SIGNED)) for _ in range(50)))
    assert [answer.status for answer in answers] == [200] * 50
    assert len([ask for ask in gateway.control.asks if ask.requests]) < 5


async def test_burst_is_what_may_come_at_once(gateway: Running) -> None:
    await limit(gateway, requests_per_minute=10, burst=2)
    assert await statuses(gateway, 3, **SIGNED) == [200, 200, 429]


async def test_tokens_are_reserved_by_estimate_and_corrected(gateway: Running) -> None:
    await limit(gateway, tokens_per_minute=1_000)
    large = {**CHAT, "max_tokens": 900}
    assert (await gateway.ask(post(large, **SIGNED))).status == 200
    account = gateway.control.keeper.accounts["key:12"]
    used = REPLY["usage"]["total_tokens"]  # type: ignore[index]
    await until(lambda: account.tokens is not None and account.tokens.level > 1_000 - used - 1)
    assert (await gateway.ask(post(large, **SIGNED))).status == 200
    refused = await gateway.ask(post({**CHAT, "max_tokens": 1_000}, **SIGNED))
    assert (refused.status, refused.error["type"]) == (429, "tokens")
    assert refused.error["message"].startswith("Request too large")
    assert "retry-after" not in refused.headers


async def test_a_slot_is_taken_until_the_last_byte_or_the_hang_up(gateway: Running) -> None:
    await limit(gateway, concurrent_requests=1)
    gateway.provider.answers = [stream(*[chunk("x")] * 1_000, chunk(None, "stop"), DONE, pause=0.01)]
    client = await gateway.connect()
    client.send(post({**CHAT, "stream": True}, **SIGNED))
    assert (await client.head())[0] == 200
    refused = await gateway.ask(post(**SIGNED))
    assert (refused.status, refused.headers["retry-after"]) == (429, "1")
    client.close()
    await until(lambda: not gateway.worker.gateway.metrics.in_flight)
    gateway.provider.answers = [stream(chunk("x"), chunk(None, "stop"), DONE)]
    again = await gateway.ask(post({**CHAT, "stream": True}, **SIGNED))
    assert again.status == 200
    await until(lambda: gateway.control.keeper.accounts["key:12"].slots == {"gateway-0": 0})


async def test_an_edited_limit_counts_from_the_next_call(gateway: Running) -> None:
    await limit(gateway, requests_per_minute=1)
    assert await statuses(gateway, 2, **SIGNED) == [200, 429]
    await limit(gateway, version=3, requests_per_minute=1_000)
    assert (await gateway.ask(post(**SIGNED))).status == 200


async def test_without_a_control_plane_each_worker_has_its_share(gateway: Running) -> None:
    """Invariant 8: it begins from nothing and fills with its part of the rate, so a valid key is let in before long."""
    await limit(gateway, requests_per_minute=600)
    assert (await gateway.ask(post(**SIGNED))).status == 200
    limiter = gateway.worker.gateway.limiter
    limiter.hear_fleet(Fleet("first", 3))
    began = time.monotonic()
    await gateway.control.stop()
    await until(lambda: not limiter._leasing)
    found = await statuses(gateway, 50, **SIGNED)
    await until_let_in(gateway)
    assert found.count(200) <= (time.monotonic() - began) * 10 / 3


async def test_a_new_keeper_learns_what_was_used(gateway: Running) -> None:
    await limit(gateway, requests_per_minute=6)
    assert await statuses(gateway, 6, **SIGNED) == [200] * 6
    await gateway.control.stop()
    gateway.control.keeper = Keeper("second", 0)
    gateway.control.keeper.expect({"gateway-0"}, 0)
    await gateway.control.start()
    await until(lambda: gateway.worker.gateway.limiter._leasing, 10)
    assert (await gateway.ask(post(**SIGNED))).status == 429


async def until_let_in(gateway: Running) -> None:
    while (await gateway.ask(post(**SIGNED))).status != 200:
        await asyncio.sleep(0.02)


async def test_a_silent_control_plane_is_not_waited_for_twice(
    gateway: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("llm.gateway.limiter.ANSWER_SECONDS", 0.05)
    await limit(gateway, requests_per_minute=6_000)
    gateway.control.silent = True
    await gateway.ask(post(**SIGNED))
    await until_let_in(gateway)
    assert len(gateway.control.asks) == 1


async def test_what_a_full_uplink_does_not_take_is_given_back_later(gateway: Running) -> None:
    await limit(gateway, concurrent_requests=1)
    limiter = gateway.worker.gateway.limiter
    send, refused = limiter.send, []

    def full(frame: bytes) -> bool:
        if b"lease_return" in frame:
            refused.append(frame)
            return False
        return send(frame)

    limiter.send = full
    assert (await gateway.ask(post(**SIGNED))).status == 200
    await until(lambda: refused)
    assert (await gateway.ask(post(**SIGNED))).status == 429, "the keeper has not got the slot back yet"
    limiter.send = send
    await until_let_in(gateway)
    await until(lambda: not gateway.control.keeper.accounts["key:12"].slots.get("gateway-0"))


async def test_debts_that_were_never_told_are_told_to_the_next_keeper() -> None:
    allowance = Allowance("key:1", Limits(requests_per_minute=60, tokens_per_minute=600), 0.0)
    allowance.owe_again(LeaseReturn("key:1", requests=3, corrected=-200, overdrawn=2))
    allowance.corrected = -50
    allowance.go_alone(1.0)
    told = allowance.report(True, 1, 1.0)
    assert (told.requests, told.tokens) == (2, 250)
    assert allowance.unused(100.0) is None, "what was leased stays spent"


async def test_a_call_let_in_is_counted_before_anybody_can_be_told_of_those_under_way() -> None:
    """Grant, loss of the uplink and a new beginning within one turn of the loop: the waiting call has not run yet."""
    limiter, frames = Limiter(asyncio.get_running_loop()), list[bytes]()
    limiter.send = lambda frame: frames.append(frame) or True  # type: ignore[func-returns-value]
    limiter.hear_fleet(Fleet("first", 1))
    waiting = asyncio.ensure_future(limiter.admit("key:1", Limits(concurrent_requests=2), 0))
    await until(lambda: any(b"lease_ask" in frame for frame in frames))
    limiter.hear_grant(LeaseGrant(1, True, slots=1))
    limiter.lost()
    limiter.hear_fleet(Fleet("second", 1))
    (used,) = msgspec.json.decode(frames[-1], type=LeaseState).used
    assert used.slots == 1
    admitted = await waiting
    assert admitted.allowance.busy == 1
    limiter.release(admitted, 0)
    assert admitted.allowance.busy == 0
    limiter.close()


async def test_who_gives_up_while_being_let_in_leaves_no_slot_taken() -> None:
    limiter, frames = Limiter(asyncio.get_running_loop()), list[bytes]()
    limiter.send = lambda frame: frames.append(frame) or True  # type: ignore[func-returns-value]
    limiter.hear_fleet(Fleet("first", 1))
    waiting = asyncio.ensure_future(limiter.admit("key:1", Limits(concurrent_requests=2), 0))
    await until(lambda: any(b"lease_ask" in frame for frame in frames))
    limiter.hear_grant(LeaseGrant(1, True, slots=1))
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    caller = limiter._callers["key:1"]
    assert (caller.busy, caller.free) == (0, 1)
    limiter.close()


class TestWithoutAKey:
    @pytest.fixture
    def settings(self, tmp_path: Path) -> Settings:
        return Settings(port=0, uplink_secret=SECRET, journal_dir=tmp_path, drain_seconds=5, rate_limit=2)

    async def test_each_address_has_the_default_limit_and_so_has_a_key_without_its_own(self, gateway: Running) -> None:
        await grant(gateway, a_key(), a_key(id="13", digest="0" * 64, limits=Limits(requests_per_minute=9)))
        assert await statuses(gateway, 3) == [200, 200, 429]
        assert await statuses(gateway, 3, **SIGNED) == [200, 200, 429]
        assert set(gateway.control.keeper.accounts) == {"address:127.0.0.1", "key:12"}


async def test_a_caller_without_limits_costs_no_question_and_has_no_headers(gateway: Running) -> None:
    await grant(gateway, a_key())
    answer = await gateway.ask(post(**SIGNED))
    assert not [name for name in answer.headers if name.startswith("x-ratelimit")]
    assert gateway.control.asks == []
    assert not gateway.worker.gateway.limiter._callers
