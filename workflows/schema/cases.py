"""Cases and versions in GraphQL: their types, the queries that find them. Next: `changes.py`, which changes them."""

from collections.abc import Sequence
from typing import Any

import graphene

from workflows import models, selectors
from workflows.schema import types
from workflows.schema.scalars import JSON

DEFAULT_FIRST = 100


class CaseTransition(graphene.ObjectType):
    """One transition of a case: the tokens it can be fired with now, or the reasons why with none."""

    transition = graphene.Field(types.Transition, required=True)
    token_ids = graphene.List(
        graphene.NonNull(graphene.String),
        required=True,
        description=f"Of the {selectors.TOKENS_TRIED} oldest tokens in each place it takes from.",
    )
    reasons = graphene.List(graphene.NonNull(types.NotEnabledReason), required=True)


class Case(graphene.ObjectType):
    """One run of a workflow."""

    id = graphene.String(required=True)
    workflow_id = graphene.String(required=True)
    version = graphene.Int(required=True, description="Number of the definition it runs by.")
    state = graphene.String(required=True, description="open or finished")
    triggered_by = graphene.String()
    last_seq = graphene.Int(required=True, description="Number of entries in its log.")
    created_at = graphene.DateTime(required=True)
    finished_at = graphene.DateTime(description="When its last token came to rest in a final place.")
    archived_at = graphene.DateTime(description="When its log and tokens moved to the archive; they can still be read.")
    marking = JSON(required=True, description="How many live tokens lie in each place that has any.")
    tokens = graphene.List(
        graphene.NonNull(types.Token),
        required=True,
        state=graphene.String(description="live or consumed; both where it is missing"),
        first=graphene.Int(default_value=DEFAULT_FIRST),
        description="Oldest first.",
    )
    log = graphene.List(
        graphene.NonNull(types.WorkflowEvent),
        required=True,
        after=graphene.Int(default_value=0, description="The seq of the last entry read."),
        first=graphene.Int(default_value=DEFAULT_FIRST),
        description="The case's log in order of seq.",
    )
    transitions = graphene.List(
        graphene.NonNull(CaseTransition),
        required=True,
        first=graphene.Int(default_value=DEFAULT_FIRST, description=f"At most {selectors.PAGE_MAXIMUM}."),
        after=graphene.String(description="The id of the last transition of the page before."),
        description="In order of definition: what can fire, and why others not.",
    )

    @staticmethod
    def resolve_marking(row: "CaseRow", info: Any) -> dict[str, int]:
        return selectors.marking_counts(row.case)

    @staticmethod
    def resolve_tokens(row: "CaseRow", info: Any, first: int, state: str | None = None) -> list[types.TokenRow]:
        return types.show_tokens(selectors.tokens_of_case(row.case, state, first))

    @staticmethod
    def resolve_log(row: "CaseRow", info: Any, after: int, first: int) -> list[dict[str, Any]]:
        return [types.show_workflow_event(entry) for entry in selectors.log_of_case(row.case, after, first)]

    @staticmethod
    def resolve_transitions(row: "CaseRow", info: Any, first: int, after: str | None = None) -> list[dict[str, Any]]:
        written = {each["id"]: each for each in row.case.version.definition["transitions"]}
        net = selectors.net_of(row.case.version)
        return [
            {
                "transition": types.show_transition(
                    found.transition, written[found.transition.step or found.transition.id], net
                ),
                "token_ids": found.token_ids,
                "reasons": [types.show_reason(reason) for reason in found.reasons],
            }
            for found in selectors.transitions_of_case(row.case, first, after)
        ]


class WorkflowVersion(graphene.ObjectType):
    """One definition of a workflow; it never changes."""

    number = graphene.Int(required=True)
    created_at = graphene.DateTime(required=True)
    current = graphene.Boolean(required=True, description="Whether new cases begin with it.")
    open_cases = graphene.Int(required=True)
    definition = JSON(required=True, description="As it was written.")


class CaseRow:
    """A case on its way out."""

    def __init__(self, case: models.Case) -> None:
        self.case = case
        self.id, self.version = str(case.pk), case.version.number

    def __getattr__(self, name: str) -> Any:
        return getattr(self.case, name)


class CaseQuery(graphene.ObjectType):
    case = graphene.Field(Case, id=graphene.String(required=True))
    cases = graphene.List(
        graphene.NonNull(Case),
        required=True,
        workflow_id=graphene.String(),
        state=graphene.String(description="open or finished"),
        first=graphene.Int(default_value=DEFAULT_FIRST, description=f"At most {selectors.PAGE_MAXIMUM}."),
        after=graphene.String(description="The id of the last case of the page before."),
        description="Newest first.",
    )
    workflow_versions = graphene.List(
        graphene.NonNull(WorkflowVersion),
        required=True,
        workflow_id=graphene.String(required=True),
        description="Newest first.",
    )

    @staticmethod
    def resolve_case(root: Any, info: Any, id: str) -> CaseRow | None:  # noqa: A002
        row = selectors.case(id)
        return None if row is None else CaseRow(row)

    @staticmethod
    def resolve_cases(
        root: Any,
        info: Any,
        first: int,
        workflow_id: str | None = None,
        state: str | None = None,
        after: str | None = None,
    ) -> list[CaseRow]:
        return [CaseRow(row) for row in selectors.cases(workflow_id, state, first, after)]

    @staticmethod
    def resolve_workflow_versions(root: Any, info: Any, workflow_id: str) -> list[dict[str, Any]]:
        return show_versions(selectors.existing_workflow(workflow_id))


def show_versions(workflow: models.Workflow) -> list[dict[str, Any]]:
    versions: Sequence[models.WorkflowVersion] = selectors.versions(workflow.pk)
    open_cases = selectors.open_cases_by_version(workflow.pk)
    return [
        {
            "number": version.number,
            "created_at": version.created_at,
            "current": version.pk == workflow.current_id,
            "open_cases": open_cases.get(version.pk, 0),
            "definition": {**version.definition, "id": workflow.pk},
        }
        for version in versions
    ]
