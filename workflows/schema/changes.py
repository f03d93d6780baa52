"""Mutations that change a workflow while cases run: a new version, and running cases moved to it."""

from typing import Any

import graphene

from workflows import selectors, services
from workflows.schema import types
from workflows.schema.hearing import heard, policy_argument
from workflows.schema.mutations import WorkflowDefinitionInput, definition_of
from workflows.schema.scalars import JSON


class UpdateWorkflow(graphene.Mutation):
    class Arguments:
        input = WorkflowDefinitionInput(required=True, description="With the workflow's id.")
        expected_version = graphene.Int(description="Refuse if the workflow has another version by now.")
        analysis = policy_argument()

    Output = types.Workflow

    @staticmethod
    def mutate(
        root: Any,
        info: Any,
        input: WorkflowDefinitionInput,  # noqa: A002
        analysis: Any,
        expected_version: int | None = None,
    ) -> dict[str, Any]:
        definition = definition_of(input)
        workflow = selectors.existing_workflow(definition.get("id") or "")
        warnings = heard(definition, analysis)
        services.update_workflow(workflow.pk, definition, expected_version=expected_version)
        return {**types.show_workflow(selectors.existing_workflow(workflow.pk)), "warnings": warnings}


class MigrateCasesInput(graphene.InputObjectType):
    workflow_id = graphene.String(required=True)
    to_version = graphene.Int(required=True)
    mapping = JSON(description="{oldPlace: newPlace}; places that are not named keep their tokens.")
    case_ids = graphene.List(graphene.NonNull(graphene.String), description="These only; else all open cases.")
    dry_run = graphene.Boolean(default_value=False, description="Say what would happen, and change nothing.")
    force = graphene.Boolean(
        default_value=False,
        description="Also cases of which it is not known whether they can still finish; never those that cannot.",
    )
    first = graphene.Int(default_value=100, description=f"At most {selectors.PAGE_MAXIMUM} cases in one call.")
    after = graphene.String(description="endCursor of the call before.")


class CaseMigration(graphene.ObjectType):
    """What became of one case."""

    case_id = graphene.String(required=True)
    from_version = graphene.Int(required=True)
    outcome = graphene.String(required=True, description="migrated, would_migrate, refused, failed or unchanged")
    reason = graphene.String()
    trace = graphene.List(
        graphene.NonNull(graphene.String), required=True, description="Firings in the new net after which it is stuck."
    )
    before = graphene.List(
        graphene.NonNull(graphene.String), required=True, description="How it could have finished by its old version."
    )
    warning = graphene.String()
    marking = JSON(required=True, description="Tokens by place, as they are or would be afterwards.")


class MigrationReport(graphene.ObjectType):
    cases = graphene.List(graphene.NonNull(CaseMigration), required=True)
    end_cursor = graphene.String()
    has_more = graphene.Boolean(required=True)


class MigrateCases(graphene.Mutation):
    class Arguments:
        input = MigrateCasesInput(required=True)

    Output = MigrationReport

    @staticmethod
    def mutate(root: Any, info: Any, input: MigrateCasesInput) -> services.MigrationPage:  # noqa: A002
        return services.migrate_cases(
            input.workflow_id,
            input.to_version,
            input.get("mapping"),
            case_ids=input.get("case_ids"),
            dry_run=bool(input.get("dry_run")),
            force=bool(input.get("force")),
            first=input.get("first", 100),
            after=input.get("after"),
        )


class CaseMutation(graphene.ObjectType):
    update_workflow = UpdateWorkflow.Field(
        required=True, description="Make the next version of a workflow; running cases keep theirs."
    )
    migrate_cases = MigrateCases.Field(
        required=True, description="Move open cases to another version, each checked and in a transaction of its own."
    )
