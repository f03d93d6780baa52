"""Finds workflows and tokens. Lists are bounded by `limit`, which is at most PAGE_MAXIMUM. Next: `markings.py`."""

import uuid
from collections.abc import Sequence

from django.db.models import Prefetch, QuerySet, prefetch_related_objects

from workflows.core.errors import BadInput, TokenNotFound, WorkflowNotFound
from workflows.models import Token, TokenChange, Workflow

PAGE_MAXIMUM = 500
HISTORY_MAXIMUM = 500


def workflows(limit: int) -> list[Workflow]:
    return list(Workflow.objects.select_related("current").order_by("id")[: page_size(limit)])


def workflow(workflow_id: str) -> Workflow | None:
    return Workflow.objects.select_related("current").filter(pk=workflow_id).first()


def existing_workflow(workflow_id: str) -> Workflow:
    """The workflow, or WorkflowNotFound."""
    found = workflow(workflow_id)
    if found is None:
        raise WorkflowNotFound(workflow_id)
    return found


def tokens(workflow_id: str | None, place: str | None, limit: int) -> QuerySet[Token]:
    """Live and consumed tokens, newest first; live ones only where a place is asked for."""
    found = Token.objects.order_by("-created_at", "id")
    if workflow_id is not None:
        found = found.filter(workflow_id=workflow_id)
    if place is not None:
        found = found.filter(place=place, state=Token.LIVE)
    return found[: page_size(limit)]


def token(token_id: str) -> Token | None:
    try:
        return Token.objects.filter(pk=uuid.UUID(token_id)).first()
    except ValueError:
        return None


def existing_token(token_id: str) -> Token:
    """The token, or TokenNotFound (also for what is no UUID)."""
    found = token(token_id)
    if found is None:
        raise TokenNotFound(token_id[:200])
    return found


def page_size(limit: int) -> int:
    if not 1 <= limit <= PAGE_MAXIMUM:
        raise BadInput("limit", f"must be from 1 to {PAGE_MAXIMUM}, not {limit}")
    return limit


def load_histories(rows: Sequence[Token]) -> None:
    """Fetch the newest HISTORY_MAXIMUM changes of all these tokens with one query, into `token.newest_changes`."""
    changes = TokenChange.objects.select_related("firing").defer("data", "metadata").order_by("-firing_id")
    prefetch_related_objects(rows, Prefetch("changes", changes[:HISTORY_MAXIMUM], to_attr="newest_changes"))
