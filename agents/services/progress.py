"""Every change of an execution's status, noted in the transaction that makes it, so that it can be followed.

The execution's row is locked while a note is written: its notes are numbered from 1, without gaps, in the order in
which they become visible. Next: `schema/progress.py`.
"""

from typing import Any

from django.db import transaction
from django.db.models import Max, QuerySet
from django.utils import timezone

from agents.models import AgentExecution, AgentExecutionEvent


def change(rows: QuerySet[AgentExecution], **columns: Any) -> int:
    """Update these executions and note what became of each; returns how many there were."""
    with transaction.atomic():
        found = list(rows.order_by("pk").select_for_update().values_list("pk", flat=True))
        changed = AgentExecution.objects.filter(pk__in=found).update(**columns)
        for pk in found:
            note(AgentExecution.objects.get(pk=pk))
    return changed


def note(execution: AgentExecution) -> None:
    """Note how the execution is now; the caller's transaction has made it or holds its row's lock."""
    last = execution.events.aggregate(last=Max("seq"))["last"] or 0
    AgentExecutionEvent.objects.create(
        execution=execution,
        seq=last + 1,
        status=execution.status,
        attempt=execution.attempt,
        retry_count=execution.retry_count,
        error_message=execution.error_message,
        at=timezone.now(),
    )
