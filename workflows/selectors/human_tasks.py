"""Finds tasks of people. Lists are bounded by `limit`, newest first."""

import uuid
from datetime import datetime

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.db.models import Exists, OuterRef, Q, QuerySet

from workflows.core.errors import BadInput, TaskNotFound
from workflows.core.payload import checked_text
from workflows.models import HumanTask, Token
from workflows.selectors.rows import page_size

ESCALATE, EXPIRE = "escalate", "expire"
SETTLED_AT_ONCE = 200
USER_LENGTH = 150
STATES = (HumanTask.OPEN, HumanTask.CLAIMED, HumanTask.COMPLETED, HumanTask.CANCELLED, HumanTask.EXPIRED)


def task(task_id: str) -> HumanTask | None:
    try:
        return HumanTask.objects.filter(pk=uuid.UUID(task_id)).first()
    except ValueError:
        return None


def existing_task(task_id: str) -> HumanTask:
    """The task, or TaskNotFound (also for what is no UUID)."""
    found = task(task_id)
    if found is None:
        raise TaskNotFound(task_id[:200])
    return found


def tasks(
    *,
    limit: int,
    states: list[str] | None = None,
    user: str | None = None,
    assignee: str | None = None,
    group: str | None = None,
    workflow_id: str | None = None,
    case_id: str | None = None,
) -> QuerySet[HumanTask]:
    """Tasks that fit all of what is given. `user`: those this person has claimed or may claim. Raises BadInput."""
    found = HumanTask.objects.order_by("-created_at", "id")
    if states is not None:
        for state in states:
            if state not in STATES:
                raise BadInput("states", f"{state[:50]!r} is no state; known: {', '.join(STATES)}")
        found = found.filter(state__in=states)
    if user is not None:
        found = found.filter(tasks_of(checked_text(user, "user", USER_LENGTH)))
    if case_id is not None:
        try:
            found = found.filter(case_id=uuid.UUID(case_id))
        except ValueError:
            raise BadInput("caseId", f"there is no case {case_id[:200]!r}") from None
    given = {"assignee": assignee, "group": group, "workflow_id": workflow_id}
    return found.filter(**{name: value for name, value in given.items() if value is not None})[: page_size(limit)]


def due_tasks(now: datetime) -> list[tuple[str, str]]:
    """(id, what is to be done) of waiting tasks that the clock changes."""
    waiting = HumanTask.objects.filter(state__in=HumanTask.WAITING)
    kinds = (
        (EXPIRE, waiting.filter(deadline__lte=now).order_by("deadline")),
        (ESCALATE, waiting.filter(escalate_at__lte=now).order_by("escalate_at")),
    )
    due: dict[str, str] = {}
    for reason, rows in kinds:
        for pk in rows.values_list("pk", flat=True)[:SETTLED_AT_ONCE]:
            due.setdefault(str(pk), reason)
    return list(due.items())


def cases_with_lost_tasks() -> list[uuid.UUID]:
    """Cases with a waiting task whose token has left; some of them."""
    there = Token.objects.filter(pk=OuterRef("token_id"), state=Token.LIVE, entered_seq=OuterRef("entered_seq"))
    lost = HumanTask.objects.filter(~Exists(there), state__in=HumanTask.WAITING)
    return list(lost.order_by("case_id").values_list("case_id", flat=True).distinct()[:SETTLED_AT_ONCE])


def tasks_of(user: str) -> Q:
    """The condition of those a person has claimed, may claim, or was assigned when they ended."""
    free = Q(state=HumanTask.OPEN) & _meant_for(user)
    ended = Q(assignee=user) & ~Q(state__in=HumanTask.WAITING)
    return Q(claimed_by=user) | free | ended


def may_do(task: HumanTask, user: str) -> bool:
    """Whether a task, as it is stored, is for this person."""
    return HumanTask.objects.filter(_meant_for(user), pk=task.pk).exists()


def _meant_for(user: str) -> Q:
    """The one rule of whose a task is: its assignee's, its group's members', or anyone's if it names neither.

    A group that Django does not know has no members here: who they are is left to the caller, so it keeps nobody out.
    """
    account = get_user_model()._default_manager.filter(username=user, is_active=True).first()
    groups = [] if account is None else list(account.groups.values_list("name", flat=True))
    unknown = Q(~Exists(Group.objects.filter(name=OuterRef("group")))) & ~Q(group="")
    return Q(assignee=user) | Q(assignee="", group="") | Q(group__in=groups) | unknown
