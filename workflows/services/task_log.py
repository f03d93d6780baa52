"""What the log says of people's tasks, and the end of a task whose token has left. Callers hold the case's lock.

Apart from `human_tasks.py`, which ends steps, because firings end tasks too.
"""

from datetime import datetime
from typing import Any

from django.db.models import Exists, OuterRef

from workflows.core.marking import Change
from workflows.models import Case, Firing, HumanTask, Token
from workflows.services.journal import Entry, append


def record(case: Case, task: HumanTask, kind: str, by: str, now: datetime) -> None:
    """Append an entry that changes no token."""
    data: dict[str, Any] = {"taskId": str(task.pk), "title": task.title, "transition": task.transition}
    data |= {"assignee": task.assignee, "group": task.group, "claimedBy": task.claimed_by}
    append(case, Entry(kind, str(task.token_id), now, data=data, triggered_by=by), Change((), ()))


def cancel_left(case: Case, now: datetime) -> int:
    """Cancel the case's waiting tasks whose tokens are no longer on the visit they are for; how many."""
    there = Token.objects.filter(pk=OuterRef("token_id"), state=Token.LIVE, entered_seq=OuterRef("entered_seq"))
    left = HumanTask.objects.select_for_update().filter(~Exists(there), case=case, state__in=HumanTask.WAITING)
    tasks = list(left.order_by("created_at"))
    for task in tasks:
        task.state, task.finished_at = HumanTask.CANCELLED, now
        task.save(update_fields=["state", "finished_at"])
        record(case, task, Firing.TASK_CANCELLED, "", now)
    return len(tasks)
