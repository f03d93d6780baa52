"""Writing the ledger: `book` takes what gateways report and keeps the rollups equal to it.

Promises: a record is booked once however often and from however many connections it arrives, because its id is the
primary key and the rollups are raised, in the same transaction, only by records that were new. Odd values inside a
record (an overlong name, a NUL, an absurd figure) are trimmed rather than refused: a record that can never be booked
would block every later one of its gateway. Not promised: any order between gateways. Next file: `../selectors.py`.
"""

import logging
import uuid
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

import msgspec
from django.db import IntegrityError, connection, transaction
from django.db.models import Q

from billing.core.usage import CallRecord
from billing.models import NAME, ApiKey, Call, DailyUsage, LedgerEnd

ATTEMPTS = 5
"""A clash means another connection booked one of the same ids meanwhile; the next attempt sees it."""
MOST_TOKENS = 10**12
MOST_NANO = 10**15
"""A million dollars for one call: beyond that the figure is a fault, and a sum of such figures would overflow."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LAST_NANOSECOND = 253_402_300_799 * 10**9

RollupKey = tuple[date, str, str, str, str]
SUMS = (
    "requests",
    "attempts",
    "failures",
    "unpriced",
    "input_tokens",
    "cached_input_tokens",
    "cache_write_tokens",
    "cache_write_1h_tokens",
    "output_tokens",
    "reasoning_tokens",
    "audio_input_tokens",
    "audio_output_tokens",
    "web_searches",
    "cost_nano",
)

logger = logging.getLogger(__name__)


def book(records: Sequence[CallRecord], gateway: str) -> int:
    """Book what is new among `records`; return the last number, which the gateway may then forget.

    One transaction. Raises the database's errors, with nothing booked; the same batch may then simply be sent again.
    """
    if not records:
        return 0
    calls: dict[uuid.UUID, Call] = {}
    for record in records:  # of one id twice in a batch the first counts, as it does across batches
        call = call_of(record, gateway)
        calls.setdefault(call.id, call)
    for attempt in range(1, ATTEMPTS + 1):
        try:
            with transaction.atomic():
                _book_new(calls)
            break
        except IntegrityError:
            if attempt == ATTEMPTS:
                raise
    return max(record.number for record in records)


def _book_new(calls: dict[uuid.UUID, Call]) -> None:
    known = set(Call.objects.filter(pk__in=list(calls)).values_list("pk", flat=True))
    # In the order of their ids: two bookings of overlapping batches then wait for each other instead of deadlocking.
    new = sorted((call for key, call in calls.items() if key not in known), key=lambda call: call.pk)
    if not new:
        return
    last = _draw_positions(len(new))
    for position, call in enumerate(new, start=last - len(new) + 1):
        call.position = position
    Call.objects.bulk_create(new, batch_size=500)
    _raise_rollups(fold(new))
    _note_use(new)


def _draw_positions(count: int) -> int:
    """The last of so many positions. Locks the ledger's end until the transaction is over: the next booking waits."""
    table = LedgerEnd._meta.db_table
    statement = (
        f'INSERT INTO "{table}" ("id", "position") VALUES (1, %s) ON CONFLICT ("id") '  # noqa: S608 - a name of ours
        f'DO UPDATE SET "position" = "{table}"."position" + excluded."position" RETURNING "position"'
    )
    with connection.cursor() as cursor:
        cursor.execute(statement, [count])
        return int(cursor.fetchone()[0])


def _note_use(calls: Sequence[Call]) -> None:
    """Keep when each key was last used, as the records say; in the order of ids, against deadlocks."""
    latest: dict[int, datetime] = {}
    for call in calls:
        if call.api_key.isascii() and call.api_key.isdigit() and len(call.api_key) < 19:
            key = int(call.api_key)
            latest[key] = max(latest.get(key, call.finished_at), call.finished_at)
    for key, at in sorted(latest.items()):
        ApiKey.objects.filter(Q(last_used_at=None) | Q(last_used_at__lt=at), pk=key).update(last_used_at=at)


def fold(calls: Sequence[Call]) -> dict[RollupKey, list[int]]:
    """The calls summed by rollup row, in the order of SUMS."""
    rollups: dict[RollupKey, list[int]] = {}
    for call in calls:
        key = (call.finished_at.astimezone(UTC).date(), call.provider, call.model, call.user, call.project)
        sums = rollups.setdefault(key, [0] * len(SUMS))
        own = call.call is None  # else an attempt: a request is counted once, with its last one
        counts = (int(own), 1, int(own and call.outcome != "ok"), int(call.unpriced))
        figures = (*counts, *(getattr(call, name) for name in SUMS[len(counts) :]))
        for position, figure in enumerate(figures):
            sums[position] += figure
    return rollups


def _raise_rollups(rollups: dict[RollupKey, list[int]]) -> None:
    """Add to the rows, or make them, in one statement each and in key order, so that two bookings cannot deadlock."""
    table = DailyUsage._meta.db_table
    columns = ("day", "provider", "model", "user", "project", *SUMS)
    quoted = ", ".join(f'"{column}"' for column in columns)
    places = ", ".join(["%s"] * len(columns))
    raised = ", ".join(f'"{name}" = "{table}"."{name}" + excluded."{name}"' for name in SUMS)
    statement = (
        f'INSERT INTO "{table}" ({quoted}) VALUES ({places}) '  # noqa: S608 - names of our own columns only
        f'ON CONFLICT ("day", "provider", "model", "user", "project") DO UPDATE SET {raised}'
    )
    rows: list[tuple[str | int, ...]] = [(key[0].isoformat(), *key[1:], *sums) for key, sums in sorted(rollups.items())]
    with connection.cursor() as cursor:
        cursor.executemany(statement, rows)


def call_of(record: CallRecord, gateway: str) -> Call:
    """The ledger row of a record, every value made storable."""
    usage = record.usage
    priced = record.price is not None
    return Call(
        id=_identity(record.id),
        gateway=_text(gateway),
        number=_bounded(record.number, 2**62),
        request_id=_text(record.request_id),
        started_at=_moment(record.started_at),
        finished_at=_moment(record.finished_at),
        asked_at=None if record.asked_at is None else _moment(record.asked_at),
        first_byte_at=None if record.first_byte_at is None else _moment(record.first_byte_at),
        provider=_text(record.provider),
        provider_key=_text(record.provider_key),
        api_key=_text(record.api_key),
        model=_text(record.model),
        requested_model=_text(record.requested_model),
        operation=_text(record.operation),
        status=_bounded(record.status, 999),
        outcome=record.outcome,
        error_code=_text(record.error_code),
        input_tokens=_bounded(usage.input, MOST_TOKENS),
        cached_input_tokens=_bounded(usage.cached_input, MOST_TOKENS),
        cache_write_tokens=_bounded(usage.cache_write, MOST_TOKENS),
        cache_write_1h_tokens=_bounded(usage.cache_write_1h, MOST_TOKENS),
        output_tokens=_bounded(usage.output, MOST_TOKENS),
        reasoning_tokens=_bounded(usage.reasoning, MOST_TOKENS),
        audio_input_tokens=_bounded(usage.audio_input, MOST_TOKENS),
        audio_output_tokens=_bounded(usage.audio_output, MOST_TOKENS),
        web_searches=_bounded(usage.web_searches, MOST_TOKENS),
        cost_nano=_cost(record) if priced else 0,
        price=msgspec.to_builtins(record.price) if priced else None,
        unpriced=not priced,
        estimated=record.estimated,
        streamed=record.streamed,
        user=_text(record.user),
        project=_text(record.project),
        origin=_text(record.origin),
        attempts=_bounded(record.attempts, 10_000),
        call=None if record.call is None else _identity(record.call),
        overhead_us=_bounded(record.overhead_us, MOST_TOKENS),
    )


def _identity(text: str) -> uuid.UUID:
    """The record's UUID; of anything else, always the same UUID for the same text."""
    try:
        return uuid.UUID(text)
    except ValueError:
        return uuid.uuid5(uuid.NAMESPACE_OID, text)


def _cost(record: CallRecord) -> int:
    if not 0 <= record.cost_nano <= MOST_NANO:
        logger.error("call %s reports an impossible cost of %d nano-dollars; bounded", record.id, record.cost_nano)
    return _bounded(record.cost_nano, MOST_NANO)


def _bounded(figure: int, most: int) -> int:
    return min(max(figure, 0), most)


def _text(given: str | None) -> str:
    return (given or "").replace("\x00", "")[:NAME]


def _moment(nanoseconds: int) -> datetime:
    return EPOCH + timedelta(microseconds=_bounded(nanoseconds, LAST_NANOSECOND) // 1000)
