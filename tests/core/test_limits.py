"""Buckets and leases: never more than the limit over all workers, whatever happens; and all of it when one asks."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from billing.core.keys import Limits
from llm.core.allowance import Allowance
from llm.core.leases import HOLD_SECONDS, SETTLE_SECONDS, SLOT_SECONDS, Keeper
from llm.core.limits import Bucket, shown_duration
from llm.core.uplink import LeaseAsk, LeaseReturn, LeaseState, Used

steps = st.lists(
    st.tuples(
        st.sampled_from(["ask", "use", "return", "die", "join"]), st.integers(0, 3), st.floats(0, 2, allow_nan=False)
    ),
    max_size=80,
)


def a_keeper(*workers: str, now: float = 0.0) -> Keeper:
    keeper = Keeper("one", now)
    keeper.expect(set(), now)
    for worker in workers:
        keeper.join(worker, worker, LeaseState(), now)
    return keeper


def ask(keeper: Keeper, worker: str, now: float, limits: Limits, **need: int) -> bool:
    return keeper.ask(worker, LeaseAsk(1, "key:1", limits, **need), now).granted


@settings(max_examples=300)
@given(steps, st.integers(1, 6000), st.one_of(st.none(), st.integers(1, 500)))
def test_never_more_than_capacity_and_rate_in_any_span(
    steps: list[tuple[str, int, float]], per_minute: int, burst: int | None
) -> None:
    limits = Limits(requests_per_minute=per_minute, burst=burst)
    keeper = a_keeper("w0", "w1", "w2", "w3")
    held: dict[int, list[tuple[float, int]]] = {n: [] for n in range(4)}
    uses: list[tuple[float, int]] = []
    now = 0.0
    for what, worker, pause in steps:
        now += pause
        held[worker] = [(until, units) for until, units in held[worker] if until > now]
        if what == "ask":
            grant = keeper.ask(f"w{worker}", LeaseAsk(1, "key:1", limits, requests=1), now)
            if grant.granted:
                uses.append((now, 1))
                held[worker].append((now + HOLD_SECONDS, grant.requests - 1))
        elif what == "use":
            uses += [(now, units) for _, units in held[worker]]
            held[worker] = []
        elif what == "return":
            keeper.give_back(f"w{worker}", LeaseReturn("key:1", requests=sum(u for _, u in held[worker])), now)
            held[worker] = []
        elif what == "die":
            keeper.leave(f"w{worker}", f"w{worker}", now)
            held[worker] = []
        else:
            keeper.join(f"w{worker}", f"w{worker}", LeaseState(), now)
            held[worker] = []
    capacity = burst or per_minute
    for start, _ in uses:
        for end, _ in uses:
            if start <= end:
                total = sum(units for at, units in uses if start <= at <= end)
                assert total <= capacity + per_minute / 60 * (end - start) + 1e-6


@given(st.integers(1, 100_000), st.integers(1, 8))
def test_one_worker_alone_can_use_all_of_it(per_minute: int, workers: int) -> None:
    limits = Limits(requests_per_minute=per_minute)
    keeper = a_keeper(*(f"w{n}" for n in range(workers)))
    granted = 0
    while (grant := keeper.ask("w0", LeaseAsk(1, "key:1", limits, requests=1), 0.0)).granted:
        granted += grant.requests
    assert granted == per_minute


def test_a_low_limit_is_leased_one_by_one_and_says_when_to_come_back() -> None:
    limits = Limits(requests_per_minute=3)
    keeper = a_keeper("a", "b", "c", "d")
    assert [keeper.ask(w, LeaseAsk(1, "k", limits, requests=1), 0.0).requests for w in "abc"] == [1, 1, 1]
    refused = keeper.ask("d", LeaseAsk(1, "k", limits, requests=1), 0.0)
    assert (refused.granted, refused.lacking, refused.wait) == (False, "requests", pytest.approx(20))
    assert not keeper.ask("d", LeaseAsk(1, "k", limits, requests=1), 19.9).granted
    assert keeper.ask("d", LeaseAsk(1, "k", limits, requests=1), 20.1).granted


def test_tokens_are_corrected_both_ways_and_what_never_fits_says_so() -> None:
    limits = Limits(tokens_per_minute=1000)
    keeper = a_keeper(*"abcdefghijklmnopqrstuvwxyz")
    assert ask(keeper, "a", 0, limits, tokens=1000)
    assert not ask(keeper, "a", 0, limits, tokens=100)
    keeper.give_back("a", LeaseReturn("key:1", corrected=900), 0)
    assert ask(keeper, "b", 0, limits, tokens=100)
    keeper.give_back("b", LeaseReturn("key:1", corrected=-1300), 0)
    assert not ask(keeper, "b", 29, limits, tokens=1)
    assert ask(keeper, "b", 31, limits, tokens=1)
    assert keeper.ask("a", LeaseAsk(1, "key:1", limits, tokens=1001), 500).wait == 1e9
    assert Bucket(60, 10, 0).wait(11, 0) == math.inf


def test_slots_of_a_dead_worker_return_when_its_lease_has_ended() -> None:
    limits = Limits(concurrent_requests=2)
    keeper = a_keeper("a", "b")
    assert ask(keeper, "a", 0, limits, slots=1)
    assert ask(keeper, "a", 0, limits, slots=1)
    assert not ask(keeper, "b", 0, limits, slots=1)
    assert keeper.leave("a", "a", 1)
    assert not ask(keeper, "b", SLOT_SECONDS, limits, slots=1)
    assert ask(keeper, "b", SLOT_SECONDS + 1.1, limits, slots=1)
    keeper.join("a", "new", LeaseState((Used("key:1", limits, slots=1),)), 20)
    assert not ask(keeper, "b", 20, limits, slots=1)
    assert not keeper.leave("a", "a", 21), "the old connection's end means nothing by now"


def test_a_new_keeper_leases_nothing_until_those_known_before_have_said_what_they_used() -> None:
    limits = Limits(requests_per_minute=10)
    keeper = Keeper("two", 0)
    keeper.expect({"a", "b"}, 0)
    keeper.join("a", "a", LeaseState((Used("key:1", limits, requests=7),)), 0)
    assert keeper.ask("a", LeaseAsk(1, "key:1", limits, requests=1), 0).lacking == "keeper"
    keeper.join("b", "b", LeaseState((Used("key:1", limits, requests=2),)), 0)
    assert [ask(keeper, w, 0, limits, requests=1) for w in "ab"] == [True, False]
    late = Keeper("three", 0)
    late.expect({"never"}, 0)
    assert not late.settled(SETTLE_SECONDS - 0.1)
    assert late.settled(SETTLE_SECONDS)
    assert not ask(late, "a", SETTLE_SECONDS, Limits(requests_per_minute=6), requests=1)
    assert ask(late, "a", 10.1, Limits(requests_per_minute=6), requests=1)


def test_a_new_keeper_begins_empty_when_a_worker_died_as_well() -> None:
    limits = Limits(requests_per_minute=6)
    keeper = Keeper("two", 0)
    keeper.expect({"a", "b"}, 0)
    keeper.join("a", "a", LeaseState((Used("key:1", limits, requests=1),)), 0)
    keeper.join("b", "b", LeaseState(), 1, fresh=True)
    assert not ask(keeper, "a", 9.9, limits, requests=1)
    assert ask(keeper, "a", 10.1, limits, requests=1)
    assert not ask(keeper, "a", 10.2, limits, requests=1)
    keeper.join("c", "c", LeaseState(), 11, fresh=True)
    assert ask(keeper, "c", 70.3, limits, requests=1)


def test_an_edited_limit_keeps_what_was_used() -> None:
    keeper = a_keeper("a")
    for _ in range(5):
        assert ask(keeper, "a", 0, Limits(requests_per_minute=5), requests=1)
    assert not ask(keeper, "a", 0, Limits(requests_per_minute=5), requests=1)
    assert [ask(keeper, "a", 0, Limits(requests_per_minute=7), requests=1) for _ in range(3)] == [True, True, False]


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0, "0s"), (0.0201, "21ms"), (1, "1s"), (59.2, "1m0s"), (360, "6m0s"), (3661, "1h1m1s")]
)
def test_durations_are_shown_as_openai_does(seconds: float, shown: str) -> None:
    assert shown_duration(seconds) == shown


def test_what_is_held_counts_against_the_capacity() -> None:
    bucket = Bucket(600, 10, 0)
    assert bucket.take(1, 3, 0, hold=2) == 4
    assert bucket.fill(1.9) == 7, "3 may still be used, so no more than 7 are there"
    assert bucket.fill(2.5) == 10


def test_units_given_back_too_late_are_lost() -> None:
    bucket = Bucket(60, 10, 0)
    bucket.take(1, 5, 0, hold=1)
    bucket.give_back(2, 0.5)
    assert bucket.level == pytest.approx(6.5)
    bucket.give_back(3, 1.5)
    assert bucket.level == pytest.approx(7.5)


def test_what_a_worker_used_fades_at_its_share_of_the_rate() -> None:
    allowance = Allowance("key:1", Limits(requests_per_minute=60), 0)
    for _ in range(10):
        allowance.use(0, 2, 0)
    assert allowance.report(False, 2, 10).requests == pytest.approx(5)
