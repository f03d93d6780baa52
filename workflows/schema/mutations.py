"""Mutations on workflows and tokens: check the shape, call one service, show the result."""

from typing import Any

import graphene

from workflows import selectors, services
from workflows.schema import types
from workflows.schema.scalars import JSON


class ArcInput(graphene.InputObjectType):
    place = graphene.String(required=True)
    weight = graphene.Int(default_value=1)


class TransitionDefinitionInput(graphene.InputObjectType):
    """Either fromPlaces (any of them) and toPlace, or inputs (all of them) and outputs."""

    id = graphene.String(description="Made of the name where it is missing.")
    name = graphene.String()
    from_places = graphene.List(graphene.NonNull(graphene.String))
    to_place = graphene.String()
    conditions = graphene.List(graphene.NonNull(JSON), description='Rules, e.g. {type: "FieldExists", field: "title"}')
    description = graphene.String()
    inputs = graphene.List(graphene.NonNull(ArcInput))
    outputs = graphene.List(graphene.NonNull(ArcInput))


class WorkflowDefinitionInput(graphene.InputObjectType):
    id = graphene.String(description="Made up where it is missing.")
    name = graphene.String(required=True)
    description = graphene.String()
    places = graphene.List(graphene.NonNull(graphene.String), required=True)
    transitions = graphene.List(graphene.NonNull(TransitionDefinitionInput), required=True)
    initial_place = graphene.String(required=True)


class TokenCreateInput(graphene.InputObjectType):
    workflow_id = graphene.String(required=True)
    initial_place = graphene.String(description="The workflow's own initial place where it is missing.")
    data = JSON()
    metadata = JSON()
    case_id = graphene.String(description="An existing case; a new one is opened where it is missing.")


class TransitionFireInput(graphene.InputObjectType):
    token_id = graphene.String(required=True)
    transition_id = graphene.String(required=True)
    data = JSON(description="Merged shallowly into the token's data.")
    idempotency_key = graphene.String(description="The same key again fires nothing again.")
    expected_version = graphene.Int(description="Fire only if the token is at this version.")


class CreateWorkflowInstanceInput(graphene.InputObjectType):
    workflow_id = graphene.String(required=True)
    initial_data = JSON()
    metadata = JSON()
    triggered_by = graphene.String()


class CreateWorkflow(graphene.Mutation):
    class Arguments:
        input = WorkflowDefinitionInput(required=True)

    Output = types.Workflow

    @staticmethod
    def mutate(root: Any, info: Any, input: WorkflowDefinitionInput) -> dict[str, Any]:  # noqa: A002
        made = services.create_workflow(_definition(input))
        return types.show_workflow(selectors.existing_workflow(made.pk))


class CreateToken(graphene.Mutation):
    class Arguments:
        input = TokenCreateInput(required=True)

    Output = types.Token

    @staticmethod
    def mutate(root: Any, info: Any, input: TokenCreateInput) -> types.TokenRow | None:  # noqa: A002
        token = services.create_token(
            input.workflow_id,
            place=input.get("initial_place"),
            data=input.get("data"),
            metadata=input.get("metadata"),
            case_id=input.get("case_id"),
        )
        return types.show_token(token)


class FireTransition(graphene.Mutation):
    class Arguments:
        input = TransitionFireInput(required=True)

    Output = types.Token

    @staticmethod
    def mutate(root: Any, info: Any, input: TransitionFireInput) -> types.TokenRow | None:  # noqa: A002
        token = services.fire(
            input.token_id,
            input.transition_id,
            input.get("data"),
            idempotency_key=input.get("idempotency_key"),
            expected_version=input.get("expected_version"),
        )
        return types.show_token(token)


class CreateWorkflowInstance(graphene.Mutation):
    class Arguments:
        input = CreateWorkflowInstanceInput(required=True)

    Output = types.Token

    @staticmethod
    def mutate(root: Any, info: Any, input: CreateWorkflowInstanceInput) -> types.TokenRow | None:  # noqa: A002
        token = services.create_token(
            input.workflow_id,
            data=input.get("initial_data"),
            metadata=input.get("metadata"),
            triggered_by=input.get("triggered_by") or "",
        )
        return types.show_token(token)


class Mutation(graphene.ObjectType):
    create_workflow = CreateWorkflow.Field(required=True)
    create_token = CreateToken.Field(required=True)
    fire_transition = FireTransition.Field(required=True)
    create_workflow_instance = CreateWorkflowInstance.Field(
        required=True, description="Open a case: its root token in the initial place."
    )


def _definition(written: WorkflowDefinitionInput) -> dict[str, Any]:
    """The input in the notation of `core/notation.py`, with the keys as the client wrote them."""
    plain = _camel(written)
    plain["transitions"] = [_camel(item) for item in written.transitions]
    return plain


def _camel(written: Any) -> dict[str, Any]:
    names = {"initial_place": "initialPlace", "from_places": "fromPlaces", "to_place": "toPlace"}
    return {names.get(key, key): value for key, value in written.items()}
