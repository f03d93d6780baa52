"""Brings archived cases back, for the case that should not have finished: then it can get a token, or another version.

One transaction a case, under its lock: the rows are put back as they were, ids and log positions included, and the
archive's are deleted. A crash leaves the case whole on one side or the other; doing it again changes nothing. Nothing
fires by it, nobody is told of old entries again, and the case is archived anew only when ARCHIVE_AFTER_DAYS have passed
since it came back. Next: `archive.py`, whose way back this is.
"""

from datetime import datetime

from django.db import transaction

from workflows import selectors
from workflows.core.marking import DamagedLog
from workflows.core.packing import unpack
from workflows.models import (
    ArchivedLog,
    ArchivedToken,
    Case,
    CaseArchive,
    Firing,
    OutboxEffect,
    Token,
    TokenChange,
)

BATCH = 1_000


def restore_case(case_id: str, now: datetime) -> bool:
    """Bring one case back; False if it is not archived. Raises CaseNotFound, DamagedLog if its archive has a gap."""
    wanted = selectors.existing_case(case_id).pk
    with transaction.atomic():
        case = Case.objects.select_for_update().get(pk=wanted)
        if case.archived_at is None:
            return False
        Token.objects.bulk_create(selectors.archived_tokens(case.pk), batch_size=BATCH)
        _put_back_log(case)
        OutboxEffect.objects.bulk_create(selectors.archived_effects(case.pk), batch_size=BATCH)
        for model in (ArchivedLog, ArchivedToken, CaseArchive):
            model._default_manager.filter(case=case).delete()
        Case.objects.filter(pk=case.pk).update(archived_at=None, restored_at=now)
    return True


def _put_back_log(case: Case) -> None:
    """Stretch by stretch, so that no more than one is in memory."""
    last = 0
    for part in ArchivedLog.objects.filter(case=case).order_by("first_seq").iterator(chunk_size=1):
        entries = unpack(part.entries)
        if [entry["seq"] for entry in entries] != list(range(last + 1, part.last_seq + 1)):
            raise _damaged(case, last)
        Firing.objects.bulk_create([selectors.archived_row(Firing, entry) for entry in entries])
        changes = [selectors.archived_row(TokenChange, change) for entry in entries for change in entry["changes"]]
        TokenChange.objects.bulk_create(changes, batch_size=BATCH)
        last = part.last_seq
    if last != case.last_seq:
        raise _damaged(case, last)


def _damaged(case: Case, last: int) -> DamagedLog:
    return DamagedLog(f"The archived log of case {case.pk} breaks off after entry {last}.", caseId=str(case.pk))
