"""Finds workflows and tokens. Lists are bounded by `limit`, which is at most PAGE_MAXIMUM. Next: `markings.py`."""

import uuid
from collections.abc import Sequence

from django.db.models import Prefetch, Q, QuerySet, prefetch_related_objects

from workflows.core.errors import BadInput, CaseArchived, TokenNotFound, WorkflowNotFound
from workflows.models import Token, TokenChange, Workflow
from workflows.selectors.archive import archived_case_of, archived_token, load_archived_histories

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
    """The token, archived or not."""
    wanted = _uuid(token_id)
    if wanted is None:
        return None
    return Token.objects.filter(pk=wanted).first() or archived_token(wanted)


def existing_token(token_id: str) -> Token:
    """The token that may still move; raises TokenNotFound (also for what is no UUID) or CaseArchived."""
    wanted = _uuid(token_id)
    found = Token.objects.filter(pk=wanted).first() if wanted is not None else None
    if found is not None:
        return found
    archived = archived_case_of(wanted) if wanted is not None else None
    if archived is not None:
        raise CaseArchived(str(archived))
    raise TokenNotFound(token_id[:200])


def _uuid(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text)
    except ValueError:
        return None


def page_size(limit: int) -> int:
    if not 1 <= limit <= PAGE_MAXIMUM:
        raise BadInput("limit", f"must be from 1 to {PAGE_MAXIMUM}, not {limit}")
    return limit


def load_histories(rows: Sequence[Token]) -> None:
    """Fetch the newest HISTORY_MAXIMUM changes of all these tokens with one query, into `token.newest_changes`."""
    changes = TokenChange.objects.select_related("firing").defer("data", "metadata").order_by("-firing_id")
    load_archived_histories([row for row in rows if hasattr(row, "is_archived")], HISTORY_MAXIMUM)
    stored = [row for row in rows if not hasattr(row, "is_archived")]
    prefetch_related_objects(stored, Prefetch("changes", changes[:HISTORY_MAXIMUM], to_attr="newest_changes"))


def changes_of_token(row: Token) -> list[TokenChange]:
    """The newest HISTORY_MAXIMUM changes that made the token what `row` shows, oldest first, with their firings.

    Changes that were committed after `row` was read are left out, so that both tell of one moment.
    """
    if hasattr(row, "is_archived"):
        load_archived_histories([row], HISTORY_MAXIMUM)
        return list(reversed(row.newest_changes))  # type: ignore[attr-defined]
    seen = Q(produced_version__lte=row.version)
    if row.state == Token.CONSUMED:
        seen |= Q(consumed_version=row.version, produced_version=None)
    changes = TokenChange.objects.select_related("firing").defer("data").filter(seen, token_id=row.pk)
    return list(changes.order_by("-firing_id")[:HISTORY_MAXIMUM])[::-1]
