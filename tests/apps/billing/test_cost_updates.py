"""Costs followed live: each call once, in the order of booking, from now on or from any position, and per user."""

import asyncio
import threading
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import graphene
import pytest
from asgiref.sync import sync_to_async
from django.db import connection

from billing import selectors, services
from billing.core.errors import BadInput
from billing.core.pricing import Usage
from billing.models import Call
from billing.schema import Query, Subscription, spending
from tests.apps.billing.records import a_record

pytestmark = pytest.mark.django_db(transaction=True)

schema = graphene.Schema(query=Query, subscription=Subscription)
FOLLOW = """subscription ($user: String, $after: String) { costUpdates(userId: $user, after: $after) {
  position userId projectId requestId provider model cost inputTokens outputTokens estimated unpriced status } }"""


def run(act: Any, *arguments: Any) -> Any:
    try:
        return act(*arguments)
    finally:
        connection.close()


async def booked(*users: str, **fields: Any) -> None:
    records = [a_record(user=user, request_id=f"of-{user}", **fields) for user in users]
    await sync_to_async(run, thread_sensitive=False)(services.book, records, "gateway-0")


async def follow(**variables: Any) -> AsyncIterator[Any]:
    opened = await schema.subscribe(FOLLOW, variable_values=variables)
    assert not hasattr(opened, "errors"), opened.errors  # type: ignore[union-attr]
    return opened  # type: ignore[return-value]


async def take(events: AsyncIterator[Any], count: int) -> list[dict[str, Any]]:
    found = []
    for _ in range(count):
        result = await asyncio.wait_for(anext(events), 10)
        assert result.errors is None
        found.append(result.data["costUpdates"])
    return found


async def nothing_comes(events: AsyncIterator[Any]) -> bool:
    waiting = asyncio.ensure_future(anext(events))
    done, _ = await asyncio.wait([waiting], timeout=0.4)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    return not done


async def test_a_call_is_told_as_it_was_booked_and_nothing_from_before() -> None:
    await booked("ann")
    events = await follow()
    await booked("bob", project="p", usage=Usage(1, 2, 3, 4, 5, 6, 7), estimated=True)
    (update,) = await take(events, 1)
    assert update == {
        "position": "2",
        "userId": "bob",
        "projectId": "p",
        "requestId": "of-bob",
        "provider": "openai",
        "model": "gpt-4",
        "cost": 0.006,
        "inputTokens": 1 + 2 + 3 + 6,
        "outputTokens": 4 + 5 + 7,
        "estimated": True,
        "unpriced": False,
        "status": 200,
    }
    assert await nothing_comes(events)


async def test_one_users_costs_leave_out_everybody_elses() -> None:
    events = await follow(user="ann")
    await booked("bob", "ann", "bob")
    await booked("bob")
    await booked("ann")
    assert [each["userId"] for each in await take(events, 2)] == ["ann", "ann"]
    assert await nothing_comes(events)


async def test_cut_at_every_update_nothing_is_lost_or_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spending, "PAGE", 3)
    await booked(*"abcdefg")
    whole = [each["position"] for each in await take(await follow(after="0"), 7)]
    assert whole == [str(number) for number in range(1, 8)]
    for cut in range(7):
        events = await follow(after="0")
        seen = [each["position"] for each in await take(events, cut)]
        await events.aclose()  # type: ignore[attr-defined]
        after = seen[-1] if seen else "0"
        assert seen + [each["position"] for each in await take(await follow(after=after), 7 - cut)] == whole


async def test_many_follow_one_watch_which_ends_with_the_last() -> None:
    events = [await follow() for _ in range(20)]
    waiting = [asyncio.ensure_future(anext(each)) for each in events]
    await asyncio.sleep(0.3)
    (watch,) = spending.ledger._watches.values()
    assert watch.followers == 20
    await booked("ann")
    assert {result.data["costUpdates"]["position"] for result in await asyncio.gather(*waiting)} == {"1"}
    for each in events:
        await each.aclose()  # type: ignore[attr-defined]
    assert len(spending.ledger._watches) == 0


async def test_a_reader_that_stands_still_holds_one_page_and_then_gets_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spending, "PAGE", 5)
    events = await follow(after="0")
    await booked(*["ann"] * 5)
    (first,) = await take(events, 1)
    await booked(*["bob"] * 40)
    rest = await take(events, 44)
    assert [first["position"], *(each["position"] for each in rest)] == [str(number) for number in range(1, 46)]


@pytest.mark.parametrize("after", ["-1", "x", "1" * 19, "\u0661"])
async def test_a_position_that_is_none_is_refused(after: str) -> None:
    result: Any = await schema.subscribe(FOLLOW, variable_values={"after": after})
    assert isinstance(result.errors[0].original_error, BadInput)


def test_positions_have_no_gap_and_no_pair_whoever_books_at_once() -> None:
    if connection.vendor == "sqlite":
        pytest.skip("SQLite has one writer at a time")
    start = threading.Barrier(8)

    def book_some(number: int) -> None:
        start.wait()
        for turn in range(10):
            services.book([a_record(user=f"{number}-{turn}") for _ in range(3)], f"gateway-{number}")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: run(book_some, number), range(8)))
    positions = sorted(Call.objects.values_list("position", flat=True))
    assert positions == list(range(1, 241))
    assert selectors.ledger_end() == 240


def test_a_call_that_is_booked_twice_takes_one_position() -> None:
    record = a_record()
    services.book([record], "gateway-0")
    services.book([record, a_record()], "gateway-0")
    assert sorted(Call.objects.values_list("position", flat=True)) == [1, 2]
