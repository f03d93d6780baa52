"""Compares a case's token rows and state with its log, and writes them anew where they differ.

The log is the truth: a row that says something else is overwritten, one that is missing is made, one the log does not
know is consumed where it lies. The log itself is never changed: one that does not fit together (a version consumed
twice, a gap) is reported as damaged and left to people. One transaction a case, under its lock.
"""

import uuid
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.utils import timezone

from workflows.core.marking import DamagedLog
from workflows.models import Case, Firing, Token, TokenChange
from workflows.services.journal import lock_case
from workflows.services.life import life_now

_COLUMNS = ("place", "data", "metadata", "version", "entered_seq", "entered_at", "state", "created_at", "updated_at")


@dataclass(frozen=True, slots=True)
class CaseCheck:
    """What was found in one case: `differences` in words, empty if rows and log agree."""

    case_id: str
    differences: tuple[str, ...]
    damaged: bool = False
    """The log itself does not fit together; nothing was repaired."""
    repaired: bool = False


def rebuild_case(case_id: str, *, check_only: bool = False) -> CaseCheck:
    """Compare one case's rows with its log and, unless told not to, repair them. Raises CaseArchived."""
    with transaction.atomic():
        case = lock_case(uuid.UUID(case_id))
        try:
            expected = _tokens_of_log(case)
        except DamagedLog as error:
            return CaseCheck(case_id, (str(error),), damaged=True)
        differences = [*_repair_tokens(case, expected, check_only), *_repair_state(case, check_only)]
        return CaseCheck(case_id, tuple(differences), repaired=bool(differences) and not check_only)


def _tokens_of_log(case: Case) -> dict[uuid.UUID, Token]:
    """The rows as the log tells them; raises DamagedLog."""
    rows: dict[uuid.UUID, Token] = {}
    entries = Firing.objects.filter(case=case).order_by("seq").prefetch_related("changes")
    seq = 0
    for entry in entries.iterator(chunk_size=500):
        seq += 1
        if entry.seq != seq:
            raise DamagedLog(f"The log has no entry {seq}.", caseId=str(case.pk))
        for change in sorted(entry.changes.all(), key=lambda change: change.pk):
            _apply(rows, entry, change)
    if seq != case.last_seq:
        raise DamagedLog(f"The log ends with entry {seq}; the case has had {case.last_seq}.", caseId=str(case.pk))
    return rows


def _apply(rows: dict[uuid.UUID, Token], entry: Firing, change: TokenChange) -> None:
    row = rows.get(change.token_id)
    here = row.version if row is not None and row.state == Token.LIVE else None
    if change.consumed_version != here:
        found = "not there" if here is None else f"there as version {here}"
        wanted = "is made" if change.consumed_version is None else f"version {change.consumed_version} is consumed"
        raise DamagedLog(f"Entry {entry.seq}: token {change.token_id} {wanted} but is {found}.", seq=entry.seq)
    if row is None:
        row = Token(id=change.token_id, workflow_id=entry.workflow_id, case_id=entry.case_id, created_at=entry.at)
        rows[change.token_id] = row
    row.updated_at = entry.at
    if change.produced_version is None:
        row.state = Token.CONSUMED
        return
    row.state, row.place, row.version = Token.LIVE, change.to_place, change.produced_version
    row.data, row.metadata = change.data or {}, change.metadata or {}
    if change.entered_seq != row.entered_seq:
        row.entered_seq, row.entered_at = change.entered_seq or 0, entry.at


def _repair_tokens(case: Case, expected: dict[uuid.UUID, Token], check_only: bool) -> list[str]:
    differences: list[str] = []
    for row in Token.objects.filter(case=case):
        told = expected.pop(row.pk, None)
        if told is None:
            if row.state == Token.LIVE:
                differences.append(f"token {row.pk} lies in {row.place!r} and is not in the log")
                row.state = Token.CONSUMED
            else:
                continue
        else:
            wrong = [name for name in _COLUMNS if getattr(row, name) != getattr(told, name)]
            if row.entered_at is None and "entered_at" in wrong:  # a row older than the column
                wrong.remove("entered_at")
            if not wrong:
                continue
            said = "; ".join(f"{name} is {_short(row, name)}, by the log {_short(told, name)}" for name in wrong)
            differences.append(f"token {row.pk}: {said}")
            for name in wrong:
                setattr(row, name, getattr(told, name))
        if not check_only:
            row.save(update_fields=list(_COLUMNS))
    for missing in expected.values():
        differences.append(f"token {missing.pk} is missing; by the log it is in {missing.place!r}")
        if not check_only:
            missing.save(force_insert=True)
    return differences


def _repair_state(case: Case, check_only: bool) -> list[str]:
    """The rows are right by now, or, where only looked at, the state is compared with the rows as they are."""
    last = Firing.objects.filter(case=case).order_by("-seq").values_list("at", flat=True).first()
    before = case.state
    columns: dict[str, Any] = life_now(case, last or timezone.now())
    if not columns:
        return []
    if not check_only:
        Case.objects.filter(pk=case.pk).update(**columns)
    return [f"the case is marked {before} and is {case.state}"]


def _short(row: Token, name: str) -> str:
    shown = repr(getattr(row, name))
    return shown if len(shown) <= 60 else f"{shown[:57]}..."
