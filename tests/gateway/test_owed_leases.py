"""What was to be given back when the uplink broke: back to the same keeper, in time, once; debts always."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from billing.core.keys import Limits
from llm.core.allowance import Allowance
from llm.core.leases import HOLD_SECONDS, RETURN_SECONDS, Keeper
from llm.core.limits import Bucket
from llm.core.uplink import LeaseAsk, LeaseReturn, LeaseState
from tests.gateway.client import post
from tests.gateway.conftest import Running, until
from tests.gateway.test_admission import SIGNED
from tests.gateway.test_leasing import World
from tests.gateway.test_limiter import limit

PER_MINUTE = 6_000


def requests_of(world: World) -> Bucket:
    found = world.keeper.accounts["key:1"].requests
    assert found is not None
    return found


async def leased(world: World) -> int:
    """Let one call in; how many requests its worker was leased beside it."""
    await world.call(0, 1)
    return world.limiters[0]._callers["key:1"].requests


async def test_what_was_leased_and_not_used_goes_back_to_the_same_keeper() -> None:
    world = World(Limits(requests_per_minute=PER_MINUTE))
    assert await leased(world) == PER_MINUTE // 60 // 3
    world.break_off()
    world.wait(0.1)
    world.reconnect()
    world.sweep(0.25)
    assert requests_of(world).held_sum == 0, "nothing is held any more"
    assert requests_of(world).level == PER_MINUTE, "and the one that was used has come in since"


async def test_a_return_that_had_not_left_is_sent_again() -> None:
    world = World(Limits(requests_per_minute=PER_MINUTE))
    ahead = await leased(world)
    world.clock.now += HOLD_SECONDS
    world.limiters[0]._sweep()
    (frame,) = world.unsent(0)
    assert f'"requests":{ahead}' in frame.decode()
    world.break_off()
    world.wait(0.1)
    world.reconnect()
    world.sweep(0.25)
    assert requests_of(world).held_sum == 0
    world.sweep(0.25)
    assert requests_of(world).level == PER_MINUTE, "given back once, and the one that was used has come in since"


async def test_what_comes_too_late_stays_spent() -> None:
    world = World(Limits(requests_per_minute=PER_MINUTE))
    await leased(world)
    world.break_off()
    world.wait(HOLD_SECONDS + RETURN_SECONDS)
    world.keeper.ask("1", LeaseAsk(99, "key:1", world.limits, 1), world.clock.now)
    held = requests_of(world).held_sum
    assert held > 0, "another worker's"
    world.reconnect()
    world.sweep(0.25)
    assert requests_of(world).held_sum == held, "of that nothing is given back"


async def test_another_keeper_is_given_nothing_back() -> None:
    world = World(Limits(requests_per_minute=PER_MINUTE))
    await leased(world)
    world.break_off()
    world.start("another")
    seen: list[LeaseReturn] = []
    give_back, world.keeper.give_back = world.keeper.give_back, lambda name, one, now: seen.append(one)  # type: ignore[method-assign]
    world.sweep(0.25)
    assert (seen, give_back) == ([], give_back)


def allowance() -> Allowance:
    made = Allowance("key:1", Limits(requests_per_minute=60, tokens_per_minute=600), 0.0)
    made.requests, made.tokens, made.until = 3, 40, 10.0
    return made


def test_units_are_owed_until_their_lease_and_its_grace_have_ended() -> None:
    held = allowance()
    held.go_alone(9.0)
    held.report(True, 1, 9.0)
    assert held.unused(9.0) == LeaseReturn("key:1", requests=3, tokens=40)
    assert held.unused(9.0) is None, "once"
    late = allowance()
    late.go_alone(9.0)
    late.report(True, 1, 9.0)
    assert late.unused(10.0 + RETURN_SECONDS) is None


def test_a_late_sweep_gives_no_units_back() -> None:
    """By then the keeper counts them as used, and what is held may be another worker's."""
    slow = allowance()
    assert slow.unused(10.0 + RETURN_SECONDS) is None


def test_estimates_that_were_too_high_are_told_to_the_same_keeper_only() -> None:
    same, other = allowance(), allowance()
    for one in (same, other):
        one.corrected = 25
        one.go_alone(9.0)
    same.report(True, 1, 9.0)
    other.report(False, 1, 9.0)
    assert same.unused(99.0) == LeaseReturn("key:1", corrected=25)
    assert other.unused(9.0) is None


def test_debts_in_a_return_that_had_not_left_are_reported() -> None:
    held = allowance()
    held.corrected = -70
    held.until = 0.0
    returned = held.unused(0.5)
    assert returned == LeaseReturn("key:1", requests=3, tokens=40, corrected=-70)
    held.owe_again(returned)
    held.go_alone(0.6)
    assert held.report(True, 1, 0.6).tokens == 70
    assert held.unused(0.7) == LeaseReturn("key:1", requests=3, tokens=40)


@pytest.fixture
def stuck(gateway: Running) -> Callable[[], Awaitable[None]]:
    """Keeps frames from leaving, as a connection that no longer moves does."""

    async def stop() -> None:
        uplink = gateway.worker.uplink
        uplink._soon = asyncio.Queue(100)
        gateway.worker.gateway.limiter.send = uplink.send_soon

    return stop


async def test_through_a_real_uplink(gateway: Running, stuck: Callable[[], Awaitable[None]]) -> None:
    await limit(gateway, tokens_per_minute=60_000)
    assert (await gateway.ask(post(**SIGNED))).status == 200
    keeper: Keeper = gateway.control.keeper
    await until(lambda: keeper.accounts["key:12"].tokens)
    bucket = keeper.accounts["key:12"].tokens
    assert bucket is not None
    assert bucket.held_sum > 0
    await stuck()
    await until(lambda: gateway.worker.uplink._soon.qsize())  # type: ignore[union-attr]
    states: list[LeaseState] = []
    join = keeper.join
    keeper.join = lambda *given, **more: (states.append(given[2]), join(*given, **more))  # type: ignore[method-assign]
    for socket in list(gateway.control._sockets):
        await socket.close()
    await until(lambda: states)
    await until(lambda: bucket.held_sum == 0, 0.9)
