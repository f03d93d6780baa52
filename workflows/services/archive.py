"""Moves finished cases out of the hot tables, so that these stay as small as what is alive.

One transaction a case, under its lock: the log in stretches, the tokens and the effects are written to the archive,
then their rows are deleted, then the case is marked. A crash leaves the case whole on one side or the other; doing it
again changes nothing. The case's own row stays, and so do its id, state and times. What is archived can be read
(`selectors/archive.py`) and does not change, unless it is brought back whole (`restore.py`). Left alone: a case with
work outside that has not ended.
"""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any

from django.db import connection, transaction
from django.db.models import Q

from workflows import selectors
from workflows.core.packing import pack
from workflows.models import (
    ArchivedLog,
    ArchivedToken,
    Case,
    CaseArchive,
    Firing,
    HumanTask,
    OutboxEffect,
    Token,
    TokenChange,
)
from workflows.services.cascade import WAKE

STRETCH = 500
"""Entries of the log that are packed together: what is unpacked to read one of them."""
BATCH = 1_000


@dataclass(frozen=True, slots=True)
class Archived:
    """What one call did: cases archived and cases passed over, and where to go on."""

    cases: int
    passed_over: int
    last: tuple[datetime, uuid.UUID] | None
    """The (finishedAt, id) of the last case looked at; None: there was none left."""


def archive_finished(
    before: datetime, now: datetime, limit: int, after: tuple[datetime, uuid.UUID] | None = None
) -> Archived:
    """Archive cases that finished, or came back, before a time: the longest finished first, at most `limit` of them."""
    rested = Q(restored_at__isnull=True) | Q(restored_at__lt=before)
    found = Case.objects.filter(rested, state=Case.FINISHED, archived_at__isnull=True, finished_at__lt=before)
    if after is not None:
        found = found.filter(finished_at__gte=after[0]).exclude(finished_at=after[0], id__lte=after[1])
    due = [(at, pk) for at, pk in found.order_by("finished_at", "id").values_list("finished_at", "pk")[:limit] if at]
    done = sum(archive_case(case_id, now) for _, case_id in due)
    return Archived(done, len(due) - done, due[-1] if due else None)


def archive_case(case_id: uuid.UUID, now: datetime) -> bool:
    """Archive one case; False if it is not finished, archived already, still has work outside, or is locked."""
    with transaction.atomic():
        rows = Case.objects.select_for_update(skip_locked=connection.features.has_select_for_update_skip_locked)
        case = rows.filter(pk=case_id, state=Case.FINISHED, archived_at__isnull=True).first()
        if case is None or _works_outside(case):
            return False
        _copy(case, now)
        _delete(case)
        Case.objects.filter(pk=case.pk).update(archived_at=now)
    return True


def _works_outside(case: Case) -> bool:
    """Timers are no reason to wait: in a finished case none can fire."""
    effects = OutboxEffect.objects.filter(case=case, state__in=OutboxEffect.UNDER_WAY).exclude(kind=WAKE)
    return effects.exists() or HumanTask.objects.filter(case=case, state__in=HumanTask.WAITING).exists()


def _copy(case: Case, now: datetime) -> None:
    tokens = list(Token.objects.filter(case=case).order_by("created_at", "id"))
    effects = OutboxEffect.objects.filter(case=case).order_by("created_at", "id")
    CaseArchive.objects.create(
        case=case,
        tokens=pack([selectors.plain(token) for token in tokens]),
        effects=pack([selectors.plain(effect) for effect in effects]),
        at=now,
    )
    ArchivedToken.objects.bulk_create([ArchivedToken(id=token.pk, case=case) for token in tokens], batch_size=BATCH)
    for first, last in _stretches(case):
        ArchivedLog.objects.create(case=case, first_seq=first, last_seq=last, entries=pack(_entries(case, first, last)))


def _stretches(case: Case) -> Iterator[tuple[int, int]]:
    for first in range(1, case.last_seq + 1, STRETCH):
        yield first, min(first + STRETCH - 1, case.last_seq)


def _entries(case: Case, first: int, last: int) -> list[dict[str, Any]]:
    """The entries of a stretch with their changes, as JSON values."""
    firings = list(Firing.objects.filter(case=case, seq__gte=first, seq__lte=last).order_by("seq"))
    changes = TokenChange.objects.filter(firing__in=[firing.pk for firing in firings]).order_by("firing_id", "id")
    by_firing = {key: [selectors.plain(each) for each in group] for key, group in groupby(changes, _firing_of)}
    return [{**selectors.plain(firing), "changes": by_firing.get(firing.pk, [])} for firing in firings]


def _firing_of(change: TokenChange) -> int:
    return change.firing_id


def _delete(case: Case) -> None:
    """In the order in which the rows point at each other."""
    TokenChange.objects.filter(firing__case=case).delete()
    OutboxEffect.objects.filter(case=case).delete()
    Firing.objects.filter(case=case).delete()
    Token.objects.filter(case=case).delete()
