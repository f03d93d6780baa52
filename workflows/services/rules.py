"""Makes, changes and removes stored rules. A rule is parsed before it is kept, so a stored one is always good.

It is kept whole and names no other: what it means does not depend on what becomes of others. Versions of workflows
hold copies (`selectors.with_stored_rules`), so neither a change nor a removal reaches a case that runs.
"""

import re
import uuid
from collections.abc import Sequence
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from workflows.core.errors import BadInput, RuleConflict, RuleExists, RuleNotFound
from workflows.core.guard import parse_rule
from workflows.core.payload import checked_object, checked_text
from workflows.models import StoredRule
from workflows.models.rules import RuleTag

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,127}")
MAXIMUM_TAGS = 32
TAG_LENGTH = 100
DESCRIPTION_LENGTH = 10_000


def create_rule(
    condition: Any,
    *,
    rule_id: str | None = None,
    name: str | None = None,
    description: str = "",
    tags: Sequence[str] = (),
) -> StoredRule:
    """Store a rule under its id, or one made up. Raises BadDefinition with the path, BadInput, RuleExists."""
    rule_id = str(uuid.uuid4()) if rule_id is None else rule_id
    name = name or rule_id
    check_rule(rule_id, name, description, condition, tags)
    now = timezone.now()
    row = StoredRule(
        id=rule_id, name=name, description=description, condition=condition, created_at=now, updated_at=now
    )
    try:
        with transaction.atomic():
            row.save(force_insert=True)
            _tag(row, tags)
    except IntegrityError:
        raise RuleExists(rule_id) from None
    return row


def update_rule(
    rule_id: str,
    *,
    condition: Any = None,
    name: str | None = None,
    description: str | None = None,
    tags: Sequence[str] | None = None,
    expected_version: int | None = None,
) -> StoredRule:
    """Change what is given (not None) of a stored rule; versions that exist keep the copy they have.

    Raises RuleNotFound, RuleConflict, BadDefinition, BadInput.
    """
    with transaction.atomic():
        row = StoredRule.objects.select_for_update().filter(pk=rule_id).first()
        if row is None:
            raise RuleNotFound(rule_id)
        if expected_version is not None and row.version != expected_version:
            raise RuleConflict(rule_id, expected_version, row.version)
        row.condition = row.condition if condition is None else condition
        row.name = row.name if name is None else name
        row.description = row.description if description is None else description
        check_rule(rule_id, row.name, row.description, row.condition, tags or ())
        row.version, row.updated_at = row.version + 1, timezone.now()
        row.save()
        if tags is not None:
            row.tags.all().delete()
            _tag(row, tags)
    return row


def delete_rule(rule_id: str) -> None:
    """Forget a stored rule; versions of workflows keep their copies. Raises RuleNotFound."""
    if not StoredRule.objects.filter(pk=rule_id).delete()[0]:
        raise RuleNotFound(rule_id)


def check_rule(rule_id: str, name: str, description: str, condition: Any, tags: Sequence[str]) -> None:
    """Raises what is wrong with a rule to be kept (BadInput, BadDefinition), and keeps nothing: for forms too."""
    if not _ID.fullmatch(rule_id):
        raise BadInput("id", "must be 1 to 128 letters, digits, '_', '-', '.' or ':', a letter or digit first")
    checked_text(name, "name")
    if description:
        checked_text(description, "description", DESCRIPTION_LENGTH)
    parse_rule(checked_object(condition, "condition"), "condition")
    if len(tags) > MAXIMUM_TAGS:
        raise BadInput("tags", f"has {len(tags)} entries; at most {MAXIMUM_TAGS} are kept")
    for index, tag in enumerate(tags):
        checked_text(tag, f"tags[{index}]", TAG_LENGTH)


def _tag(row: StoredRule, tags: Sequence[str]) -> None:
    RuleTag.objects.bulk_create([RuleTag(rule=row, tag=tag) for tag in sorted(set(tags))])
