"""Booking: once however often, whole or not at all, and the rollups always equal the ledger."""

import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta

import msgspec
import pytest
from django.db import DatabaseError, connection
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from billing import services
from billing.core.pricing import Price, Usage
from billing.core.usage import CallRecord, attempt_id
from billing.models import Call, DailyUsage
from tests.apps.billing.records import NOON, a_record, nanoseconds


def ledger_folded() -> dict[services.RollupKey, list[int]]:
    return services.fold(list(Call.objects.all()))


def rollups_stored() -> dict[services.RollupKey, list[int]]:
    return {
        (row.day, row.provider, row.model, row.user, row.project): [getattr(row, name) for name in services.SUMS]
        for row in DailyUsage.objects.all()
    }


@pytest.mark.django_db
def test_booked_call_keeps_every_field_of_its_record() -> None:
    record = a_record(
        number=7,
        request_id="req-7",
        usage=Usage(1, 2, 3, 4, 5, 6, 7, cache_write_1h=8, web_searches=9),
        operation="messages",
        asked_at=nanoseconds(NOON) - 7 * 10**8,
        streamed=True,
        estimated=True,
        first_byte_at=nanoseconds(NOON) - 5 * 10**8,
        provider_key="12",
        api_key="34",
        user="user-123",
        project="project-456",
        origin="agent-execution:9",
        error_code="none",
        attempts=2,
        overhead_us=150,
    )
    assert services.book([record], "gateway-0") == 7
    call = Call.objects.get()
    assert call.id == uuid.UUID(record.id)
    stored = {field.name: getattr(call, field.name) for field in Call._meta.fields if field.name != "id"}
    assert stored == {
        "gateway": "gateway-0",
        "number": 7,
        "request_id": "req-7",
        "started_at": NOON - timedelta(seconds=1),
        "finished_at": NOON,
        "asked_at": NOON - timedelta(milliseconds=700),
        "first_byte_at": NOON - timedelta(milliseconds=500),
        "provider": "openai",
        "provider_key": "12",
        "api_key": "34",
        "model": "gpt-4",
        "requested_model": "auto",
        "operation": "messages",
        "status": 200,
        "outcome": "ok",
        "error_code": "none",
        "input_tokens": 1,
        "cached_input_tokens": 2,
        "cache_write_tokens": 3,
        "cache_write_1h_tokens": 8,
        "output_tokens": 4,
        "reasoning_tokens": 5,
        "audio_input_tokens": 6,
        "audio_output_tokens": 7,
        "web_searches": 9,
        "cost_nano": 6_000_000,
        "price": {"input": 30 * 10**9, "output": 60 * 10**9},
        "unpriced": False,
        "estimated": True,
        "streamed": True,
        "user": "user-123",
        "project": "project-456",
        "origin": "agent-execution:9",
        "attempts": 2,
        "call": None,
        "overhead_us": 150,
        "position": 1,
    }


@pytest.mark.django_db
def test_a_record_of_an_older_gateway_is_booked() -> None:
    """One that knows nothing of operations, attempts, hours in the cache and searches: it has chat only."""
    record = a_record()
    sent = msgspec.json.decode(msgspec.json.encode(record))
    for name in ("operation", "asked_at", "attempts", "call", "overhead_us", "api_key"):
        sent.pop(name, None)
    sent["usage"] = {"input": 5}
    services.book([msgspec.convert(sent, CallRecord)], "gateway-0")
    call = Call.objects.get()
    assert (call.operation, call.asked_at, call.input_tokens) == ("chat completions", None, 5)
    assert (call.cache_write_1h_tokens, call.web_searches) == (0, 0)


@pytest.mark.django_db
def test_batch_half_old_half_new_books_only_the_new_half() -> None:
    old, new = a_record(), a_record()
    assert services.book([old], "gateway-0") == old.number
    assert services.book([old, new, new], "gateway-0") == new.number
    assert Call.objects.count() == 2
    row = DailyUsage.objects.get()
    assert (row.requests, row.cost_nano, row.input_tokens) == (2, 12_000_000, 200)


@pytest.mark.django_db
def test_of_one_id_twice_in_a_batch_the_first_counts() -> None:
    first = a_record(cost_nano=5_000)
    again = a_record(id=first.id, outcome="lost", cost_nano=9_000)
    assert services.book([first, again], "gateway-0") == again.number
    assert Call.objects.get().cost_nano == 5_000


@pytest.mark.django_db
def test_a_call_of_several_attempts_is_one_request_and_each_attempt_is_booked_once() -> None:
    last = a_record(provider="google", attempts=2)
    failed = a_record(
        id=attempt_id(last.id, 1), call=last.id, outcome="upstream_error", status=504, estimated=True, cost_nano=500
    )
    for _ in range(2):
        services.book([failed, last], "gateway-0")
    services.book([failed], "gateway-0")
    assert list(Call.objects.order_by("attempts").values_list("attempts", "call", "provider")) == [
        (1, uuid.UUID(last.id), "openai"),
        (2, None, "google"),
    ]
    rows = {row.provider: (row.requests, row.attempts, row.failures, row.cost_nano) for row in DailyUsage.objects.all()}
    assert rows == {"openai": (0, 1, 0, 500), "google": (1, 1, 0, 6_000_000)}


@pytest.mark.django_db
def test_empty_batch_books_nothing() -> None:
    assert services.book([], "gateway-0") == 0
    assert Call.objects.count() == 0


@pytest.mark.django_db
def test_call_without_a_price_is_booked_at_zero_and_flagged() -> None:
    services.book([a_record(price=None, cost_nano=5)], "gateway-0")
    call, row = Call.objects.get(), DailyUsage.objects.get()
    assert (call.cost_nano, call.price, call.unpriced) == (0, None, True)
    assert (row.cost_nano, row.unpriced) == (0, 1)


@pytest.mark.django_db
def test_a_call_counts_on_the_utc_day_it_finished() -> None:
    before_midnight = datetime(2025, 3, 10, 23, 59, 59, tzinfo=UTC)
    services.book([a_record(before_midnight), a_record(before_midnight + timedelta(seconds=1))], "gateway-0")
    assert list(DailyUsage.objects.order_by("day").values_list("day", "requests")) == [
        (date(2025, 3, 10), 1),
        (date(2025, 3, 11), 1),
    ]


@pytest.mark.django_db
def test_odd_values_are_made_storable_rather_than_blocking_the_journal() -> None:
    odd = a_record(
        id="no uuid at all",
        user="a\x00b" + "x" * 500,
        usage=Usage(input=10**30, output=-5),
        cost_nano=10**30,
        finished_at=10**30,
        started_at=-1,
    )
    services.book([odd], "gateway-0")
    services.book([odd], "gateway-0")
    call = Call.objects.get()
    assert (call.user[:2], len(call.user)) == ("ab", 256)
    assert (call.input_tokens, call.output_tokens, call.cost_nano) == (10**12, 0, 10**15)
    assert (call.started_at.year, call.finished_at.year) == (1970, 9999)
    assert rollups_stored() == ledger_folded()


@pytest.mark.django_db
def test_failure_in_the_rollups_leaves_the_ledger_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(rollups: object) -> None:
        raise DatabaseError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr("billing.services.ledger._raise_rollups", broken)
        with pytest.raises(DatabaseError, match="disk full"):
            services.book([a_record()], "gateway-0")
    assert Call.objects.count() == 0


def at_once(*batches: list[CallRecord]) -> None:
    """Book the batches at the same moment, each from a database connection of its own; raise what they raise."""
    start = threading.Barrier(len(batches))

    def run(batch: list[CallRecord]) -> None:
        try:
            start.wait(10)
            services.book(batch, "gateway-0")
        finally:
            connection.close()

    with ThreadPoolExecutor(len(batches)) as pool:
        list(pool.map(run, batches))


@pytest.mark.django_db(transaction=True)
def test_same_and_overlapping_batches_booked_at_once_count_once() -> None:
    records = [a_record(user=f"user-{position % 7}", model=f"model-{position % 5}") for position in range(300)]
    at_once(records, records[::-1], records[:200], records[100:], records[50:250])
    assert Call.objects.count() == 300
    assert rollups_stored() == ledger_folded()
    assert sum(row.cost_nano for row in DailyUsage.objects.all()) == 300 * 6_000_000


USAGES = st.builds(Usage, *[st.integers(0, 9)] * 7)
RECORDS = st.builds(
    a_record,
    at=st.sampled_from([NOON, NOON + timedelta(days=1)]),
    id=st.sampled_from([uuid.UUID(int=number).hex for number in range(12)]),
    provider=st.sampled_from(["openai", "google"]),
    model=st.sampled_from(["gpt-4", "gemini-pro"]),
    user=st.sampled_from([None, "a", "b"]),
    project=st.sampled_from([None, "p"]),
    outcome=st.sampled_from(["ok", "upstream_error", "cancelled", "cut"]),
    usage=USAGES,
    price=st.sampled_from([None, Price(input=1, output=1)]),
    cost_nano=st.integers(0, 10**10),
)


class RollupsTest(TestCase):
    """In a class because hypothesis needs a transaction around each example."""

    @settings(max_examples=30, deadline=None)
    @given(st.lists(st.lists(RECORDS, max_size=8), max_size=5))
    def test_folding_the_ledger_gives_the_rollups(self, batches: list[list[CallRecord]]) -> None:
        for batch in batches:
            services.book(batch, "gateway-0")
        assert rollups_stored() == ledger_folded()
