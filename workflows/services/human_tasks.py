"""Tasks of people: opened when a token comes to a human step, ended once by a person, the clock or the token's leaving.

Each function is one transaction that locks the case first, as all writers do; so of two people who complete a task at
the same time one succeeds and the other raises TaskConflict. Whoever completes it ends the step's effect in the same
transaction. Each change of a task is an entry of the log, which live views show. Who may do a task is said by one rule
for lists and for claims, in `selectors/human_tasks.py`. Next: `actions/human.py`.
"""

import logging
import uuid
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from workflows import selectors
from workflows.core.effects import EffectResult, EffectRun
from workflows.core.errors import (
    CaseArchived,
    EffectFailed,
    FormInvalid,
    TaskConflict,
    TaskNotYours,
    WorkflowError,
)
from workflows.core.forms import faults_of_answer
from workflows.core.payload import checked_object, checked_text
from workflows.models import Case, Firing, HumanTask, Token
from workflows.services import effects
from workflows.services.journal import lock_case
from workflows.services.task_log import cancel_left, record

logger = logging.getLogger(__name__)


def open_task(run: EffectRun) -> HumanTask:
    """The task of a human step's effect; made once, however often the effect is run. Raises EffectFailed."""
    if run.token is None:
        raise EffectFailed("A human task belongs to a token; this effect has none.")
    given, now = run.settings, timezone.now()
    escalation = dict(given.get("escalation") or {})
    after = escalation.pop("after", None)
    with transaction.atomic():
        case = lock_case(uuid.UUID(run.token.case_id))
        token = Token.objects.get(pk=run.token.id)
        found = HumanTask.objects.filter(effect_id=run.id).first()
        if found is not None:  # the worker before us opened it and died before it could say so
            found.attempt = run.attempt
            found.save(update_fields=["attempt"])
            return found
        task = HumanTask.objects.create(
            workflow_id=run.token.workflow_id,
            case=case,
            token_id=token.pk,
            entered_seq=token.entered_seq,
            effect_id=run.id,
            attempt=run.attempt,
            transition=run.step or run.token.place,
            title=run.reference or run.step,
            assignee=given.get("assignee", ""),
            group=given.get("group", ""),
            form=given.get("form", {}),
            data=dict(run.input) if run.step else dict(run.token.data),
            deadline=_later(now, given.get("deadline")),
            escalate_at=_later(now, after),
            escalation=escalation,
            created_at=now,
        )
        record(case, task, Firing.TASK_CREATED, "", now)
    return task


def claim_task(task_id: str, user: str, *, anyone: bool = False) -> HumanTask:
    """Take a task for oneself; once more changes nothing. `anyone`: whoever it is for.

    Raises TaskNotFound, TaskConflict, TaskNotYours, BadInput.
    """
    user = checked_text(user, "user", selectors.USER_LENGTH)
    with transaction.atomic():
        case, task = _locked(task_id)
        gone = _gone(case, task)
        if not gone and not (task.state == HumanTask.CLAIMED and task.claimed_by == user):
            _check_waiting(task)
            _check_may(task, user, anyone)
            if task.state == HumanTask.CLAIMED and not anyone:
                raise _taken(task)
            task.state, task.claimed_by = HumanTask.CLAIMED, user
            task.save(update_fields=["state", "claimed_by"])
            record(case, task, Firing.TASK_CLAIMED, user, timezone.now())
    return _present(task, gone)


def release_task(task_id: str, user: str, *, anyone: bool = False) -> HumanTask:
    """Give a claimed task back; an open one stays as it is. Raises TaskNotFound, TaskConflict, BadInput."""
    user = checked_text(user, "user", selectors.USER_LENGTH)
    with transaction.atomic():
        case, task = _locked(task_id)
        gone = _gone(case, task)
        if not gone and task.state != HumanTask.OPEN:
            _check_waiting(task)
            if task.claimed_by != user and not anyone:
                raise _taken(task)
            task.state, task.claimed_by = HumanTask.OPEN, ""
            task.save(update_fields=["state", "claimed_by"])
            record(case, task, Firing.TASK_RELEASED, user, timezone.now())
    return _present(task, gone)


def complete_task(
    task_id: str, user: str, answer: Mapping[str, Any] | None = None, *, anyone: bool = False
) -> HumanTask:
    """Answer a task, which need not be claimed before; the token goes on with the answer merged into its data.

    The same answer by the same person once more changes nothing. Raises TaskNotFound, TaskConflict, TaskNotYours,
    FormInvalid with paths, BadInput.
    """
    user, given = checked_text(user, "user", selectors.USER_LENGTH), checked_object(answer, "data")
    with transaction.atomic():
        case, task = _locked(task_id)
        if (task.state, task.completed_by, task.result) == (HumanTask.COMPLETED, user, given):
            return task
        gone = _gone(case, task)
        if not gone:
            _check_waiting(task)
            _check_may(task, user, anyone)
            if task.state == HumanTask.CLAIMED and task.claimed_by != user and not anyone:
                raise _taken(task)
            faults = faults_of_answer(task.form, given)
            if faults:
                raise FormInvalid(str(task.pk), [(fault.path, fault.message) for fault in faults])
            task.completed_by, task.result = user, given
            _end(case, task, HumanTask.COMPLETED, user, EffectResult(data=given))
    return _present(task, gone)


def escalate_task(task_id: str, *, by: str = "") -> HumanTask:
    """Hand the task to those its step names for that, away from who claimed it.

    Raises TaskNotFound, TaskConflict, BadInput.
    """
    by = checked_text(by, "user", selectors.USER_LENGTH) if by else ""
    with transaction.atomic():
        case, task = _locked(task_id)
        gone = _gone(case, task)
        if not gone:
            _check_waiting(task)
            if not task.escalation:
                raise TaskConflict(f"Task {task.pk} names nobody to go to from here.", taskId=str(task.pk))
            task.assignee, task.group = task.escalation.get("assignee", ""), task.escalation.get("group", "")
            task.state, task.claimed_by = HumanTask.OPEN, ""
            task.escalate_at, task.escalation = None, {}
            task.save(update_fields=["assignee", "group", "state", "claimed_by", "escalate_at", "escalation"])
            record(case, task, Firing.TASK_ESCALATED, by, timezone.now())
    return _present(task, gone)


def settle_tasks(now: datetime) -> int:
    """End tasks whose deadline passed and hand on those that are to be; how many changed."""
    changed = 0
    for task_id, reason in selectors.due_tasks(now):
        try:
            changed += _settle(task_id, reason, now)
        except WorkflowError as error:  # one task that cannot be settled keeps no other from it
            logger.warning("Task %s was not settled (%s): %s", task_id, reason, error)
    return changed


def cancel_lost_tasks(now: datetime) -> int:
    """Cancel tasks whose token was taken by what does not look for tasks, such as a migration; how many."""
    cancelled = 0
    for case_id in selectors.cases_with_lost_tasks():
        try:
            with transaction.atomic():
                cancelled += cancel_left(lock_case(case_id), now)
        except CaseArchived:  # nothing can be written down about it any more
            waiting = HumanTask.objects.filter(case_id=case_id, state__in=HumanTask.WAITING)
            cancelled += waiting.update(state=HumanTask.CANCELLED, finished_at=now)
    return cancelled


def _settle(task_id: str, reason: str, now: datetime) -> bool:
    if reason == selectors.ESCALATE:
        escalate_task(task_id, by="escalation")
        return True
    with transaction.atomic():
        case, task = _locked(task_id)
        if _gone(case, task):
            return True
        if task.state not in HumanTask.WAITING or task.deadline is None or task.deadline > now:
            return False
        _end(case, task, HumanTask.EXPIRED, "deadline", EffectResult(outcome="timeout"))
    return True


def _locked(task_id: str) -> tuple[Case, HumanTask]:
    """The task and its case, locked in the order all writers keep: case first."""
    case = lock_case(selectors.existing_task(task_id).case_id)
    return case, HumanTask.objects.select_for_update().get(pk=task_id)


def _gone(case: Case, task: HumanTask) -> bool:
    """Whether the task was waiting for a token that has left the step unseen; it is cancelled then."""
    if task.state not in HumanTask.WAITING or not cancel_left(case, timezone.now()):
        return False
    task.refresh_from_db()
    return task.state == HumanTask.CANCELLED


def _present(task: HumanTask, gone: bool) -> HumanTask:
    """After the transaction, so that the cancelling stands."""
    if gone:
        raise TaskConflict(
            f"Task {task.pk} is over: its token has left the step.", taskId=str(task.pk), state=task.state
        )
    return task


def _check_waiting(task: HumanTask) -> None:
    if task.state not in HumanTask.WAITING:
        by = f" by {task.completed_by}" if task.completed_by else ""
        raise TaskConflict(f"Task {task.pk} is {task.state}{by}.", taskId=str(task.pk), state=task.state)


def _check_may(task: HumanTask, user: str, anyone: bool) -> None:
    if anyone or selectors.may_do(task, user):
        return
    meant = " or ".join(filter(None, (task.assignee, f"group {task.group}" if task.group else "")))
    raise TaskNotYours(f"Task {task.pk} is for {meant}, not for {user}.", taskId=str(task.pk))


def _taken(task: HumanTask) -> TaskConflict:
    return TaskConflict(
        f"Task {task.pk} is claimed by {task.claimed_by}.",
        taskId=str(task.pk),
        state=task.state,
        claimedBy=task.claimed_by,
    )


def _end(case: Case, task: HumanTask, state: str, by: str, result: EffectResult) -> None:
    task.state, task.finished_at = state, timezone.now()
    task.save(update_fields=["state", "finished_at", "completed_by", "result"])
    kind = Firing.TASK_COMPLETED if state == HumanTask.COMPLETED else Firing.TASK_EXPIRED
    record(case, task, kind, by, task.finished_at)
    booked = effects.complete(str(task.effect_id), task.attempt, result)
    if booked != effects.COMPLETED:
        raise TaskConflict(f"Task {task.pk} is over: its step ended otherwise ({booked}).", taskId=str(task.pk))


def _later(now: datetime, seconds: Any) -> datetime | None:
    return None if seconds is None else now + timedelta(seconds=float(seconds))
