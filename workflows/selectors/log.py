"""Reads the log for live views, in order of position. Next: `schema/tail.py`, which keeps it complete and in order."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection
from django.db.models import BigIntegerField, Expression, Func, Max, Value

from workflows.models import Case, Firing, TokenChange
from workflows.selectors.archive import archived_log
from workflows.selectors.rows import page_size

NO_HORIZON = 2**62


@dataclass(frozen=True, slots=True)
class TokenState:
    """A token as one log entry left it; `place` is empty if it was consumed."""

    token_id: str
    place: str
    data: dict[str, Any]
    metadata: dict[str, Any]
    version: int


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One entry of the log, for live views."""

    position: int
    """Its place among all entries, growing with gaps; a cursor."""
    workflow_id: str
    case_id: str
    seq: int
    """Its place in the case, growing without gaps."""
    kind: str
    transition: str
    token_id: str
    from_place: str
    to_place: str
    data: dict[str, Any]
    triggered_by: str
    at: datetime
    states: tuple[TokenState, ...]


def log_end(lookback: int) -> tuple[int, list[int]]:
    """The highest position visible now, and the visible positions among the `lookback` before it, ascending."""
    end = Firing.objects.aggregate(end=Max("id"))["end"] or 0
    ids = Firing.objects.filter(id__gt=end - lookback, id__lte=end).order_by("id").values_list("id", flat=True)
    return end, list(ids)


def read_log(after: int, limit: int) -> tuple[list[LogEntry], int]:
    """Entries visible after a position, ascending, and the horizon of the very snapshot that read them.

    The horizon is the oldest transaction id still running. Positions are drawn before they are committed, so a missing
    one may still turn up. It cannot once every transaction that ran when it was missed (`take_fence`) has ended.
    Every writer has its transaction id before it draws a position, because it locks or inserts its case first.
    SQLite has one writer at a time, so nothing can turn up there.
    """
    rows = list(Firing.objects.filter(id__gt=after).order_by("id").annotate(horizon=_horizon())[:limit])
    return _entries(rows), rows[0].horizon if rows else 0


def take_fence() -> int:
    """A transaction id above those of all transactions running now. Call outside a transaction."""
    if connection.vendor != "postgresql":
        return 0
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_current_xact_id()::text::bigint")
        row: tuple[int] = cursor.fetchone()
    return row[0]


def log_writers() -> set[str]:
    """The transactions that may have drawn a position and have not ended: those that hold the log's table for writing.

    They took hold of it before they drew; transactions of other databases, which `read_log`'s horizon knows too, are
    not among them. Empty on SQLite, whose writers come one at a time.
    """
    if connection.vendor != "postgresql":
        return set()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT virtualtransaction FROM pg_locks WHERE relation = %s::regclass AND granted "
            "AND mode = 'RowExclusiveLock' "
            "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
            [Firing._meta.db_table],
        )
        return {row[0] for row in cursor.fetchall()}


def log_after(after: int, limit: int) -> list[LogEntry]:
    """All workflows' entries visible after a position, the first `limit` of them."""
    return _entries(list(Firing.objects.filter(id__gt=after).order_by("id")[:limit]))


def log_of_workflow(workflow_id: str, after: int, upto: int, limit: int) -> list[LogEntry]:
    """The workflow's entries with after < position <= upto, the first `limit` of them."""
    found = Firing.objects.filter(workflow_id=workflow_id, id__gt=after, id__lte=upto)
    return _entries(list(found.order_by("id")[:limit]))


def log_of_token(token_id: str, after: int, upto: int, limit: int) -> list[LogEntry]:
    """The entries that changed or name the token, with after < position <= upto, the first `limit` of them."""
    changed = TokenChange.objects.filter(token_id=token_id, firing_id__gt=after, firing_id__lte=upto)
    named = Firing.objects.filter(token_id=token_id, id__gt=after, id__lte=upto)
    ids = {
        *changed.order_by("firing_id").values_list("firing_id", flat=True)[:limit],
        *named.order_by("id").values_list("id", flat=True)[:limit],
    }
    return _entries(list(Firing.objects.filter(id__in=sorted(ids)[:limit]).order_by("id")))


def log_of_case(case: Case, after: int, limit: int) -> list[LogEntry]:
    """The case's entries with seq > after, the first `limit` of them; archived or not."""
    if case.archived_at is not None:
        return _shown(*archived_log(case.pk, after, page_size(limit)))
    found = Firing.objects.filter(case_id=case.pk, seq__gt=after).order_by("seq")
    return _entries(list(found[: page_size(limit)]))


def _entries(rows: Sequence[Firing]) -> list[LogEntry]:
    ids = [row.pk for row in rows]
    return _shown(rows, TokenChange.objects.filter(firing_id__in=ids).order_by("id"))


def _shown(rows: Sequence[Firing], changes: Iterable[TokenChange]) -> list[LogEntry]:
    states: dict[int, list[TokenState]] = {row.pk: [] for row in rows}
    for change in changes:
        state = TokenState(
            str(change.token_id),
            change.to_place,
            change.data or {},
            change.metadata or {},
            change.produced_version or change.consumed_version or 0,
        )
        states[change.firing_id].append(state)
    return [
        LogEntry(
            position=row.pk,
            workflow_id=row.workflow_id,
            case_id=str(row.case_id),
            seq=row.seq,
            kind=row.kind,
            transition=row.transition,
            token_id=str(row.token_id),
            from_place=row.from_place,
            to_place=row.to_place,
            data=row.data,
            triggered_by=row.triggered_by,
            at=row.at,
            states=tuple(states[row.pk]),
        )
        for row in rows
    ]


def _horizon() -> Expression:
    if connection.vendor != "postgresql":
        return Value(NO_HORIZON, output_field=BigIntegerField())
    return Func(template="pg_snapshot_xmin(pg_current_snapshot())::text::bigint", output_field=BigIntegerField())
