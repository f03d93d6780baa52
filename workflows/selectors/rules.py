"""Finds stored rules, and the rules that a workflow uses."""

from collections.abc import Mapping, Sequence
from typing import Any

from workflows.core.errors import RuleNotFound
from workflows.core.named_rules import names_found_nowhere
from workflows.models import StoredRule, Workflow
from workflows.selectors.rows import page_size


def rule(rule_id: str) -> StoredRule | None:
    return StoredRule.objects.prefetch_related("tags").filter(pk=rule_id).first()


def existing_rule(rule_id: str) -> StoredRule:
    """The stored rule, or RuleNotFound."""
    found = rule(rule_id)
    if found is None:
        raise RuleNotFound(rule_id)
    return found


def rules(tags: Sequence[str] | None, limit: int) -> list[StoredRule]:
    """Stored rules by id, at most `limit`; those with any of the tags where there are some. Raises BadInput."""
    found = StoredRule.objects.prefetch_related("tags").order_by("id")
    if tags is not None:
        found = found.filter(tags__tag__in=list(tags)).distinct()
    return list(found[: page_size(limit)])


def rules_of_workflow(workflow: Workflow) -> dict[str, Any]:
    """The rules by name that the workflow's current version holds, as it holds them."""
    assert workflow.current is not None
    return dict(workflow.current.definition.get("rules") or {})


def with_stored_rules(definition: Mapping[str, Any]) -> dict[str, Any]:
    """The definition with copies of the stored rules that its conditions name and it does not have itself.

    A name that no stored rule has stays a name, for `compile_definition` to refuse with its path.
    """
    wanted = names_found_nowhere(definition)
    stored = dict(StoredRule.objects.filter(pk__in=wanted).values_list("id", "condition")) if wanted else {}
    return {**definition, "rules": {**stored, **(definition.get("rules") or {})}} if stored else dict(definition)
