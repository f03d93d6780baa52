"""Tasks of people in GraphQL: find, claim, release, complete, escalate them. `workflowEvents` shows what happens.

GraphQL asks for no key yet, so `user` is whom the caller speaks for.
"""

from typing import Any

import graphene

from workflows import models, selectors, services
from workflows.schema.scalars import JSON

DEFAULT_LIMIT = 100


class HumanTask(graphene.ObjectType):
    """A step of a case that a person does."""

    id = graphene.String(required=True)
    workflow_id = graphene.String(required=True)
    case_id = graphene.String(required=True)
    token_id = graphene.String(required=True)
    transition = graphene.String(required=True, description="The step of the workflow.")
    title = graphene.String(required=True)
    state = graphene.String(required=True, description="open, claimed, completed, cancelled or expired")
    assignee = graphene.String(description="The person it is for.")
    group = graphene.String(description="Whose members it is for.")
    form = JSON(required=True, description="JSON schema of the answer; empty if there is nothing to say.")
    data = JSON(required=True, description="What the person is shown.")
    claimed_by = graphene.String()
    completed_by = graphene.String()
    result = JSON(description="The answer.")
    deadline = graphene.DateTime(description="Then it expires, and the step's outcome is timeout.")
    escalate_at = graphene.DateTime(description="Then it goes to those named in `escalation`.")
    escalation = JSON(required=True)
    created_at = graphene.DateTime(required=True)
    finished_at = graphene.DateTime()


class TaskFilter(graphene.InputObjectType):
    """Tasks that fit all of what is given."""

    states = graphene.List(graphene.NonNull(graphene.String), description="open, claimed, completed, …")
    user = graphene.String(
        description="Claimed by this person, or open and for this person (or anyone): what claimTask would give them."
    )
    assignee = graphene.String()
    group = graphene.String()
    workflow_id = graphene.String()
    case_id = graphene.String()


class TaskQuery(graphene.ObjectType):
    tasks = graphene.List(
        graphene.NonNull(HumanTask),
        required=True,
        filter=graphene.Argument(TaskFilter),
        limit=graphene.Int(default_value=DEFAULT_LIMIT, description=f"At most {selectors.PAGE_MAXIMUM}."),
        description="Newest first.",
    )
    task = graphene.Field(HumanTask, id=graphene.String(required=True))

    @staticmethod
    def resolve_tasks(root: Any, info: Any, limit: int, filter: Any = None) -> list[dict[str, Any]]:  # noqa: A002
        return [_show(row) for row in selectors.tasks(limit=limit, **(filter or {}))]

    @staticmethod
    def resolve_task(root: Any, info: Any, id: str) -> dict[str, Any] | None:  # noqa: A002
        row = selectors.task(id)
        return None if row is None else _show(row)


class ClaimTask(graphene.Mutation):
    class Arguments:
        task_id = graphene.String(required=True)
        user = graphene.String(required=True)

    Output = HumanTask

    @staticmethod
    def mutate(root: Any, info: Any, task_id: str, user: str) -> dict[str, Any]:
        return _show(services.claim_task(task_id, user))


class ReleaseTask(graphene.Mutation):
    class Arguments:
        task_id = graphene.String(required=True)
        user = graphene.String(required=True)

    Output = HumanTask

    @staticmethod
    def mutate(root: Any, info: Any, task_id: str, user: str) -> dict[str, Any]:
        return _show(services.release_task(task_id, user))


class CompleteTask(graphene.Mutation):
    class Arguments:
        task_id = graphene.String(required=True)
        user = graphene.String(required=True)
        data = JSON(description="The answer; it must fit the task's form.")

    Output = HumanTask

    @staticmethod
    def mutate(root: Any, info: Any, task_id: str, user: str, data: Any = None) -> dict[str, Any]:
        return _show(services.complete_task(task_id, user, data))


class EscalateTask(graphene.Mutation):
    class Arguments:
        task_id = graphene.String(required=True)
        user = graphene.String(description="Who says so.")

    Output = HumanTask

    @staticmethod
    def mutate(root: Any, info: Any, task_id: str, user: str = "") -> dict[str, Any]:
        return _show(services.escalate_task(task_id, by=user))


class TaskMutation(graphene.ObjectType):
    claim_task = ClaimTask.Field(required=True, description="Take a task for oneself.")
    release_task = ReleaseTask.Field(required=True, description="Give a claimed task back.")
    complete_task = CompleteTask.Field(required=True, description="Answer a task: its token goes on.")
    escalate_task = EscalateTask.Field(required=True, description="Hand a task to those its step names for that.")


def _show(row: models.HumanTask) -> dict[str, Any]:
    ids = {name: str(getattr(row, name)) for name in ("id", "case_id", "token_id")}
    texts = {name: getattr(row, name) or None for name in ("assignee", "group", "claimed_by", "completed_by")}
    same = ("workflow_id", "transition", "title", "state", "form", "data", "result", "escalation")
    times = ("deadline", "escalate_at", "created_at", "finished_at")
    return {**ids, **texts, **{name: getattr(row, name) for name in (*same, *times)}}
