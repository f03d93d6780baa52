"""PNML in GraphQL: a stored workflow as a file, and a workflow made from a file."""

from typing import Any

import graphene

from workflows import selectors, services
from workflows.core.notation import Compiled
from workflows.core.pnml import definition_from_pnml, pnml_from_definition, read_pnml, write_pnml
from workflows.schema import types
from workflows.schema.hearing import heard, policy_argument


class PnmlQuery(graphene.ObjectType):
    workflow_pnml = graphene.String(
        required=True,
        workflow_id=graphene.String(required=True),
        refined=graphene.Boolean(
            default_value=False,
            description="Steps as the transitions they are made of, for the analysis of other tools.",
        ),
        description="The current definition as PNML, a P/T net. Guards and kinds travel in `toolspecific`.",
    )

    @staticmethod
    def resolve_workflow_pnml(root: Any, info: Any, workflow_id: str, refined: bool) -> str:
        version = selectors.existing_workflow(workflow_id).current
        assert version is not None
        return write_pnml(pnml_from_definition(Compiled(version.definition, selectors.net_of(version)), refined))


class ImportPnml(graphene.Mutation):
    """Make a workflow of a P/T net in PNML."""

    class Arguments:
        pnml = graphene.String(required=True, description="The file's text.")
        id = graphene.String(description="Made up where it is missing.")
        initial_place = graphene.String(
            description="Where a case begins, if the file does not mark one place with one token."
        )
        analysis = policy_argument()

    Output = types.Workflow

    @staticmethod
    def mutate(
        root: Any,
        info: Any,
        pnml: str,
        analysis: Any,
        id: str | None = None,  # noqa: A002
        initial_place: str | None = None,
    ) -> dict[str, Any]:
        definition = definition_from_pnml(read_pnml(pnml.encode("utf-8", "surrogatepass")), initial_place)
        if id is not None:
            definition["id"] = id
        warnings = heard(definition, analysis)
        made = services.create_workflow(definition)
        return {**types.show_workflow(selectors.existing_workflow(made.pk)), "warnings": warnings}


class PnmlMutation(graphene.ObjectType):
    import_pnml = ImportPnml.Field(required=True)
