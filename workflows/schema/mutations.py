"""Mutations on workflows and tokens: check the shape, call one service, show the result."""

from typing import Any

import graphene

from workflows import selectors, services
from workflows.core.errors import BadDefinition
from workflows.core.notation import nearest
from workflows.schema import types
from workflows.schema.hearing import heard, policy_argument
from workflows.schema.scalars import JSON


class ArcInput(graphene.InputObjectType):
    place = graphene.String(required=True)
    weight = graphene.Int(default_value=1)
    data = JSON(description="Of an output: an expression, or an object of them, that is the token's new data.")
    set = JSON(description="Of an output: the same, merged over the data.")


class PlaceInput(graphene.InputObjectType):
    """More about one of the workflow's places."""

    id = graphene.String(required=True)
    capacity = graphene.Int(description="The most tokens it may hold.")
    scope = graphene.String(description="case (each case has its own), workflow or account (shared).")


class TransitionDefinitionInput(graphene.InputObjectType):
    """Either fromPlaces (any of them) and toPlace, or inputs (all of them) and outputs.

    Durations are seconds or ISO 8601, such as "PT15M".
    """

    id = graphene.String(description="Made of the name where it is missing.")
    name = graphene.String()
    from_places = graphene.List(graphene.NonNull(graphene.String))
    to_place = graphene.String()
    conditions = graphene.List(graphene.NonNull(JSON), description='Rules, e.g. {type: "FieldExists", field: "title"}')
    description = graphene.String()
    inputs = graphene.List(graphene.NonNull(ArcInput))
    outputs = graphene.List(graphene.NonNull(ArcInput))
    kind = graphene.String(description="manual (default), automatic, timer, agent, function, human, workflow or signal")
    priority = graphene.Int(description="Orders automatic choices, highest first.")
    reads = graphene.List(graphene.NonNull(ArcInput), description="Tokens that must be there and stay.")
    inhibitors = graphene.List(graphene.NonNull(ArcInput), description="Blocks at `weight` tokens or more.")
    resets = graphene.List(graphene.NonNull(graphene.String), description="Places that are emptied.")
    otherwise = graphene.Boolean(name="else", description="Fires where no guarded transition of the choice can.")
    after = JSON(description="Not before it was enabled for so long.")
    deadline = JSON(description="A timer fires then; any other transition no longer can.")
    correlation = JSON(description="An expression equal for all tokens that meet, or one for each place.")
    carrier = graphene.String(description="The output place where the named token keeps its id.")
    start = graphene.String(description="automatic (default) or manual: how a step that works outside begins.")
    work = JSON(description="What it does outside, by kind.")
    outcomes = JSON(description="Where a step goes on failed, timeout and cancelled: lists of outputs.")
    retries = JSON(description="{maxAttempts, backoffSeconds, factor, longestSeconds}")
    timeout = JSON(description="After so long a running step ends as timeout.")
    compensation = JSON(description="{transition} or {kind, reference, payload}: what undoes a step that went wrong.")


class WorkflowDefinitionInput(graphene.InputObjectType):
    id = graphene.String(description="Made up where it is missing.")
    name = graphene.String(required=True)
    description = graphene.String()
    places = graphene.List(graphene.NonNull(graphene.String), required=True)
    transitions = graphene.List(graphene.NonNull(TransitionDefinitionInput), required=True)
    initial_place = graphene.String(required=True)
    place_options = graphene.List(graphene.NonNull(PlaceInput), description="For places that need more than a name.")
    rules = JSON(description="Rules by name, for `conditions` to name.")
    annotations = JSON(description="An object that is kept with the definition; `pnml` holds what a file brought.")


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
    partner_token_ids = graphene.List(
        graphene.NonNull(graphene.String),
        description="Exactly the tokens to take beside it; else the first that came and fit.",
    )


class SignalInput(graphene.InputObjectType):
    name = graphene.String(required=True)
    case_id = graphene.String(description="Either this case, or all of the workflow.")
    workflow_id = graphene.String()
    correlation = JSON(description="What the tokens it is for must match.")
    data = JSON(description="Merged shallowly into their data.")
    idempotency_key = graphene.String(description="The same key again moves no token again.")


class CreateWorkflowInstanceInput(graphene.InputObjectType):
    workflow_id = graphene.String(required=True)
    initial_data = JSON()
    metadata = JSON()
    triggered_by = graphene.String()


class CreateWorkflow(graphene.Mutation):
    class Arguments:
        input = WorkflowDefinitionInput(required=True)
        analysis = policy_argument()

    Output = types.Workflow

    @staticmethod
    def mutate(root: Any, info: Any, input: WorkflowDefinitionInput, analysis: Any) -> dict[str, Any]:  # noqa: A002
        definition = definition_of(input)
        warnings = heard(definition, analysis)
        made = services.create_workflow(definition)
        return {**types.show_workflow(selectors.existing_workflow(made.pk)), "warnings": warnings}


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
            partner_token_ids=input.get("partner_token_ids"),
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


class SendSignal(graphene.Mutation):
    """Moves the tokens that wait for the signal; the answer says which, possibly none."""

    class Arguments:
        input = SignalInput(required=True)

    tokens = graphene.List(graphene.NonNull(types.Token), required=True)

    @staticmethod
    def mutate(root: Any, info: Any, input: SignalInput) -> "SendSignal":  # noqa: A002
        moved = services.signal(
            input.name,
            case_id=input.get("case_id"),
            workflow_id=input.get("workflow_id"),
            correlation=input.get("correlation"),
            data=input.get("data"),
            idempotency_key=input.get("idempotency_key"),
        )
        return SendSignal(tokens=types.show_tokens([selectors.existing_token(each.token_id) for each in moved]))


class Mutation(graphene.ObjectType):
    create_workflow = CreateWorkflow.Field(required=True)
    create_token = CreateToken.Field(required=True)
    fire_transition = FireTransition.Field(required=True)
    send_signal = SendSignal.Field(required=True)
    create_workflow_instance = CreateWorkflowInstance.Field(
        required=True, description="Open a case: its root token in the initial place."
    )


def definition_of(written: WorkflowDefinitionInput) -> dict[str, Any]:
    """The input in the notation of `core/notation.py`, with the keys as the client wrote them."""
    plain = _camel(written)
    plain["transitions"] = [_camel(item) for item in written.transitions]
    options = {option.id: (index, dict(option)) for index, option in enumerate(plain.pop("placeOptions", None) or ())}
    plain["places"] = [options.pop(place, (0, place))[1] for place in written.places]
    for name, (index, _) in options.items():
        raise BadDefinition(f"placeOptions[{index}].id", f'no place "{name}"{nearest(name, written.places)}')
    return plain


def _camel(written: Any) -> dict[str, Any]:
    names = {
        "initial_place": "initialPlace",
        "place_options": "placeOptions",
        "from_places": "fromPlaces",
        "to_place": "toPlace",
        "otherwise": "else",
    }
    return {names.get(key, key): value for key, value in written.items()}
