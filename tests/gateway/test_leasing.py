"""Several workers' limiters and one keeper in a simulated time: never more than the limit, also when control restarts."""

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from billing.core.keys import Limits
from llm.core.errors import RateLimited
from llm.core.leases import SLOT_SECONDS, Keeper
from llm.core.uplink import LeaseAsk, LeaseReturn, LeaseState, Up
from llm.gateway.limiter import Admitted, Limiter

WORKERS = 3
_up = msgspec.json.Decoder(Up)


class Clock:
    """The part of an event loop the limiter uses, at a time of our own. Timers never fire: the test sweeps."""

    def __init__(self) -> None:
        self.now = 0.0

    def time(self) -> float:
        return self.now

    def create_future(self) -> "asyncio.Future[Any]":
        return asyncio.get_running_loop().create_future()

    def call_later(self, delay: float, callback: Callable[..., None], *args: object) -> asyncio.TimerHandle:
        return asyncio.get_running_loop().call_later(3_600, callback, *args)


class World:
    """Workers, the keeper, and what was admitted when."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.clock = Clock()
        self.frames: list[tuple[int, bytes]] = []
        self.up = True
        self.limiters = [Limiter(self.clock) for _ in range(WORKERS)]  # type: ignore[arg-type]
        for number, limiter in enumerate(self.limiters):
            limiter.send = lambda frame, number=number: self.up and (self.frames.append((number, frame)) or True)  # type: ignore[misc]
        self.running: list[list[Admitted]] = [[] for _ in range(WORKERS)]
        self.uses: list[float] = []
        self.most = self.excess = 0
        self.alone = False
        """Whether the workers were ever without a keeper."""
        self.start("epoch-0")

    def start(self, epoch: str) -> None:
        self.keeper = Keeper(epoch, self.clock.now)
        self.keeper.expect({str(n) for n in range(WORKERS)} if epoch != "epoch-0" else set(), self.clock.now)
        self.up = True
        self.tell()
        self.deliver()

    def stop(self) -> None:
        share = (self.limits.concurrent_requests or 0) // WORKERS
        self.excess = max(self.excess, sum(max(0, len(calls) - share) for calls in self.running))
        self.up, self.alone = False, True
        self.frames.clear()
        for limiter in self.limiters:
            limiter.lost()

    def unsent(self, number: int) -> list[bytes]:
        """A worker's frames that have not left."""
        return [frame for worker, frame in self.frames if worker == number]

    def break_off(self) -> None:
        """All uplinks break; the keeper lives on."""
        left = [self.unsent(number) for number in range(WORKERS)]
        self.frames.clear()
        share = (self.limits.concurrent_requests or 0) // WORKERS
        self.excess = max(self.excess, sum(max(0, len(calls) - share) for calls in self.running))
        self.up, self.alone = False, True
        for number, limiter in enumerate(self.limiters):
            limiter.lost(left[number])
            self.keeper.leave(str(number), number, self.clock.now)

    def reconnect(self) -> None:
        """To the same keeper."""
        self.up = True
        self.tell()
        self.deliver()

    def tell(self) -> None:
        for limiter in self.limiters:
            limiter.hear_fleet(msgspec.structs.replace(self.keeper.fleet(self.clock.now), workers=WORKERS))

    def deliver(self) -> None:
        while self.frames:
            number, frame = self.frames.pop(0)
            message, name = _up.decode(frame), str(number)
            if isinstance(message, LeaseState):
                self.keeper.join(name, number, message, self.clock.now)
            elif isinstance(message, LeaseReturn):
                self.keeper.give_back(name, message, self.clock.now)
            elif isinstance(message, LeaseAsk):
                self.limiters[number].hear_grant(self.keeper.ask(name, message, self.clock.now))

    async def call(self, number: int, count: int) -> None:
        """So many calls at once at one worker."""
        tasks = [asyncio.create_task(self.limiters[number].admit("key:1", self.limits, 10)) for _ in range(count)]
        while not all(task.done() for task in tasks):
            await asyncio.sleep(0)
            self.deliver()
        for outcome in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(outcome, Admitted):
                self.running[number].append(outcome)
                self.uses.append(self.clock.now)
            else:
                assert isinstance(outcome, RateLimited)
        self.most = max(self.most, sum(map(len, self.running)))

    def end(self, number: int) -> None:
        for admitted in self.running[number]:
            self.limiters[number].release(admitted, 10)
        self.running[number].clear()
        self.deliver()

    def wait(self, seconds: float) -> None:
        """Time in which no worker's timer comes round."""
        self.clock.now += seconds

    def sweep_unheard(self) -> None:
        """What is given back now waits to be sent."""
        for limiter in self.limiters:
            limiter._sweep()

    def sweep(self, seconds: float) -> None:
        self.clock.now += seconds
        if self.up:
            for limiter in self.limiters:
                limiter._sweep()
            self.deliver()


steps = st.lists(
    st.one_of(
        st.tuples(st.just("call"), st.integers(0, WORKERS - 1), st.integers(1, 12)),
        st.tuples(st.just("end"), st.integers(0, WORKERS - 1), st.just(0)),
        st.tuples(st.sampled_from(["pass", "wait"]), st.just(0), st.floats(0.01, 4, allow_nan=False)),
        st.tuples(st.sampled_from(["stop", "restart", "break", "reconnect", "sweep"]), st.just(0), st.just(0)),
    ),
    max_size=40,
)


async def play(limits: Limits, steps: list[tuple[str, int, Any]]) -> World:
    world = World(limits)
    for epoch, (what, number, amount) in enumerate(steps, start=1):
        if what == "call":
            await world.call(number, amount)
        elif what == "end":
            world.end(number)
        elif what == "pass":
            world.sweep(amount)
        elif what == "wait":
            world.wait(amount)
        elif what == "sweep" and world.up:
            world.sweep_unheard()
        elif what in ("break", "reconnect") and world.up and world.keeper.settled(world.clock.now):
            world.break_off()
        elif what in ("stop", "restart") and world.up:
            world.stop()
        if what == "reconnect" and not world.up:
            world.reconnect()
        if what == "restart" and not world.up:
            world.start(f"epoch-{epoch}")
    return world


@settings(max_examples=150, deadline=None)
@given(steps, st.integers(1, 600), st.one_of(st.none(), st.integers(1, 20)))
def test_requests_over_all_workers(steps: list[tuple[str, int, Any]], per_minute: int, burst: int | None) -> None:
    world = asyncio.run(play(Limits(requests_per_minute=per_minute, burst=burst), steps))
    uses, at_once = world.uses, max(burst or per_minute, WORKERS if world.alone else 0)
    for first, start in enumerate(uses):
        for last in range(first, len(uses)):
            allowed = at_once + per_minute / 60 * (uses[last] - start)
            assert last - first + 1 <= allowed + 1e-6


@settings(max_examples=150, deadline=None)
@given(steps, st.integers(1, 60))
def test_concurrent_requests_over_all_workers(steps: list[tuple[str, int, Any]], limit: int) -> None:
    """Exact while the control plane is there; if not, what one worker had beyond its share then runs on on top."""
    world = asyncio.run(play(Limits(concurrent_requests=limit), steps))
    assert world.most <= limit + world.excess


def test_slots_outlive_a_dead_worker_for_a_while_only() -> None:
    async def scene() -> None:
        world = World(Limits(concurrent_requests=2))
        await world.call(0, 5)
        assert len(world.running[0]) == 2
        assert world.keeper.leave("0", 0, world.clock.now)
        world.running[0].clear()
        await world.call(1, 1)
        assert not world.running[1]
        world.sweep(SLOT_SECONDS + 1)
        await world.call(1, 3)
        assert len(world.running[1]) == 2

    asyncio.run(scene())


def test_what_was_let_in_while_the_keeper_settled_is_told_to_it() -> None:
    async def scene() -> None:
        world = World(Limits(requests_per_minute=60, concurrent_requests=30))
        world.stop()
        world.keeper = Keeper("next", world.clock.now)
        world.keeper.expect({"never comes"}, world.clock.now)
        world.up = True
        world.tell()
        world.deliver()
        world.sweep(4)
        await world.call(0, 3)
        assert len(world.running[0]) == 1, "a third of the rate, for four seconds"
        assert not world.keeper.accounts
        world.sweep(2)
        await world.call(0, 1)
        account = world.keeper.accounts["key:1"]
        assert account.requests is not None
        assert account.requests.level == 6 - 2, "what had come in since the keeper began, less the two"
        assert account.slots["0"] == 3, "two calls, and one ahead of need"

    asyncio.run(scene())


def test_a_steady_load_is_not_refused_for_what_its_own_worker_was_leased() -> None:
    """A lease that ends between two sweeps is given back before anything is asked for."""

    async def scene() -> None:
        world = World(Limits(requests_per_minute=60_000, concurrent_requests=30))
        for _ in range(40):
            await world.call(0, 1)
            world.end(0)
            world.wait(1.1)
        assert len(world.uses) == 40

    asyncio.run(scene())
