"""Stored rules in GraphQL: kept, changed, tried out, and those a workflow uses."""

from typing import Any

import graphene

from workflows import models, selectors, services
from workflows.core.errors import BadInput
from workflows.core.guard import Verdict, evaluate, parse_rule
from workflows.core.payload import checked_object
from workflows.schema.scalars import JSON

DEFAULT_LIMIT = 100


class Rule(graphene.ObjectType):
    """A rule that `conditions` may name by its id. A workflow's version holds a copy, made when the version was."""

    id = graphene.String(required=True)
    name = graphene.String(required=True)
    description = graphene.String(required=True)
    condition = JSON(required=True, description='The rule, e.g. {type: "FieldExists", field: "title"}')
    tags = graphene.List(graphene.NonNull(graphene.String), required=True)
    version = graphene.Int(description="Counts its changes; null for a rule that only its workflow has.")
    created_at = graphene.DateTime(required=True)
    updated_at = graphene.DateTime(required=True)


class RuleEvaluation(graphene.ObjectType):
    """Whether a rule holds, and why; of And, Or and Not also its parts."""

    rule_id = graphene.String(description="Of a stored rule.")
    passed = graphene.Boolean(required=True)
    reason = graphene.String(required=True)
    sub_results = graphene.List(graphene.NonNull(lambda: RuleEvaluation), required=True)


class RuleDefinitionInput(graphene.InputObjectType):
    id = graphene.String(description="What conditions name it by; made up where it is missing.")
    name = graphene.String(description="For people; the id where it is missing.")
    description = graphene.String()
    condition = JSON(required=True, description="The rule, whole: it names no other.")
    tags = graphene.List(graphene.NonNull(graphene.String))


class RuleChangeInput(graphene.InputObjectType):
    """What is missing stays as it is."""

    name = graphene.String()
    description = graphene.String()
    condition = JSON()
    tags = graphene.List(graphene.NonNull(graphene.String), description="All of them, in place of those it has.")
    expected_version = graphene.Int(description="Change it only if it is at this version.")


class RuleEvaluationInput(graphene.InputObjectType):
    """Either a stored rule or a condition, over a token or over what is handed in."""

    rule_id = graphene.String()
    condition = JSON()
    token_id = graphene.String()
    data = JSON()
    metadata = JSON()


class RuleQuery(graphene.ObjectType):
    rule = graphene.Field(Rule, id=graphene.String(required=True))
    rules = graphene.List(
        graphene.NonNull(Rule),
        required=True,
        tags=graphene.List(graphene.NonNull(graphene.String), description="Those with any of them."),
        limit=graphene.Int(default_value=DEFAULT_LIMIT, description=f"At most {selectors.PAGE_MAXIMUM}."),
        description="Stored rules, by id.",
    )
    workflow_rules = graphene.List(
        graphene.NonNull(Rule),
        required=True,
        workflow_id=graphene.String(required=True),
        description="The named rules that the workflow's current version holds, by name.",
    )

    @staticmethod
    def resolve_rule(root: Any, info: Any, id: str) -> dict[str, Any] | None:  # noqa: A002
        found = selectors.rule(id)
        return None if found is None else _show(found)

    @staticmethod
    def resolve_rules(root: Any, info: Any, limit: int, tags: list[str] | None = None) -> list[dict[str, Any]]:
        return [_show(row) for row in selectors.rules(tags, limit)]

    @staticmethod
    def resolve_workflow_rules(root: Any, info: Any, workflow_id: str) -> list[dict[str, Any]]:
        workflow = selectors.existing_workflow(workflow_id)
        assert workflow.current is not None
        made = workflow.current.created_at
        unnamed: dict[str, Any] = {
            "description": "",
            "tags": [],
            "version": None,
            "created_at": made,
            "updated_at": made,
        }
        held = selectors.rules_of_workflow(workflow)
        return [{**unnamed, "id": name, "name": name, "condition": held[name]} for name in sorted(held)]


class CreateRule(graphene.Mutation):
    class Arguments:
        input = RuleDefinitionInput(required=True)

    Output = Rule

    @staticmethod
    def mutate(root: Any, info: Any, input: dict[str, Any]) -> dict[str, Any]:  # noqa: A002
        row = services.create_rule(
            input["condition"],
            rule_id=input.get("id"),
            name=input.get("name"),
            description=input.get("description") or "",
            tags=input.get("tags") or (),
        )
        return _show(row)


class UpdateRule(graphene.Mutation):
    class Arguments:
        id = graphene.String(required=True)
        input = RuleChangeInput(required=True)

    Output = Rule

    @staticmethod
    def mutate(root: Any, info: Any, id: str, input: dict[str, Any]) -> dict[str, Any]:  # noqa: A002
        return _show(services.update_rule(id, **input))


class DeleteRule(graphene.Mutation):
    class Arguments:
        id = graphene.String(required=True)

    Output = graphene.Boolean

    @staticmethod
    def mutate(root: Any, info: Any, id: str) -> bool:  # noqa: A002
        services.delete_rule(id)
        return True


class EvaluateRule(graphene.Mutation):
    """Stores nothing: it tells what the rule would say of a token, or of data."""

    class Arguments:
        input = RuleEvaluationInput(required=True)

    Output = RuleEvaluation

    @staticmethod
    def mutate(root: Any, info: Any, input: dict[str, Any]) -> dict[str, Any]:  # noqa: A002
        rule_id, condition = input.get("rule_id"), input.get("condition")
        if (rule_id is None) == (condition is None):
            raise BadInput("input", "needs either ruleId or condition")
        written = condition if rule_id is None else selectors.existing_rule(rule_id).condition
        data, metadata = _fields(input)
        verdict = evaluate(parse_rule(written, "condition"), data, metadata)
        return {**_show_verdict(verdict), "rule_id": rule_id}


class RuleMutation(graphene.ObjectType):
    create_rule = CreateRule.Field(required=True, description="Store a rule for conditions to name.")
    update_rule = UpdateRule.Field(
        required=True, description="Change a stored rule; versions of workflows that exist keep their copy."
    )
    delete_rule = DeleteRule.Field(
        required=True, description="Forget a stored rule; versions of workflows that exist keep their copy."
    )
    evaluate_rule = EvaluateRule.Field(required=True, description="What a rule says of a token, or of data.")


def _fields(given: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the rule looks at: the token's fields, or those handed in."""
    token_id = given.get("token_id")
    if token_id is None:
        return checked_object(given.get("data"), "data"), checked_object(given.get("metadata"), "metadata")
    if given.get("data") is not None or given.get("metadata") is not None:
        raise BadInput("input", "needs either tokenId or data and metadata")
    token = selectors.existing_token(token_id)
    return token.data, token.metadata


def _show(row: models.StoredRule) -> dict[str, Any]:
    names = ("id", "name", "description", "condition", "version", "created_at", "updated_at")
    return {**{name: getattr(row, name) for name in names}, "tags": sorted(each.tag for each in row.tags.all())}


def _show_verdict(verdict: Verdict) -> dict[str, Any]:
    parts = [_show_verdict(part) for part in verdict.parts]
    return {"passed": verdict.passed, "reason": verdict.reason, "sub_results": parts}
