"""The agents app's mutations. Inputs are typed here by name only; `core/definition.py` says what may stand in them."""

from collections.abc import Mapping
from typing import Any

import graphene
from graphene.types.inputobjecttype import InputObjectTypeContainer
from graphene.utils.str_converters import to_camel_case

from agents import models, services
from agents.core.errors import BadDefinition
from agents.schema.types import Agent, AgentExecution, PlaceAgentConfig
from workflows.schema.scalars import JSON


class AgentLlmProviderInput(graphene.InputObjectType):
    provider_type = graphene.String()
    model = graphene.String(description="Any name the gateway knows; `auto` if left out.")
    api_key = graphene.String(description="Refused: keys are configured once, for the provider.")
    base_url = graphene.String(description="Refused: addresses are configured once, for the provider.")


class AgentLlmConfigInput(graphene.InputObjectType):
    temperature = graphene.Float()
    max_tokens = graphene.Int()
    top_p = graphene.Float()
    frequency_penalty = graphene.Float()
    presence_penalty = graphene.Float()
    stop_sequences = graphene.List(graphene.NonNull(graphene.String))


class AgentPromptsInput(graphene.InputObjectType):
    """Variables: {input_data} {token_id} {current_place} {token_metadata} {workflow_id} {history_count}, input keys."""

    system = graphene.String()
    user_template = graphene.String(description="Left out: the input as JSON.")
    context_instructions = graphene.String(description="Follows the system prompt.")


class AgentDefinitionInput(graphene.InputObjectType):
    name = graphene.String(required=True)
    description = graphene.String()
    llm_provider = graphene.InputField(AgentLlmProviderInput)
    llm_config = graphene.InputField(AgentLlmConfigInput)
    prompts = graphene.InputField(AgentPromptsInput)
    capabilities = graphene.List(graphene.NonNull(graphene.String))
    tools = graphene.List(graphene.NonNull(graphene.String))


class AgentScheduleInput(graphene.InputObjectType):
    """Left out: once, at once."""

    initial_delay_seconds = graphene.Float(description="From the token's arrival to the first run.")
    interval_seconds = graphene.Float(
        description="From the end of a run to the next, at least 1, while the token stays; left out: one run."
    )
    max_executions = graphene.Int(description="Runs of one arrival at most; left out: no bound.")


class AgentRetryConfigInput(graphene.InputObjectType):
    max_attempts = graphene.Int()
    backoff_seconds = graphene.Float(description="Doubled before each further attempt.")
    retry_on_errors = graphene.List(graphene.NonNull(graphene.String), description="Kinds or statuses; empty: all.")


class CreatePlaceAgentConfigInput(graphene.InputObjectType):
    place_id = graphene.String(required=True)
    agent_id = graphene.String(required=True)
    workflow_id = graphene.String(description="Left out: any workflow with such a place.")
    llm_config = graphene.InputField(AgentLlmConfigInput)
    input_mapping = JSON(description='{"agentKey": "data.field"}; left out: all of the token\'s data.')
    output_mapping = JSON(description='{"data.field": "outputKey"}; left out: the token\'s data stays as it is.')
    auto_transition = graphene.String()
    schedule = graphene.InputField(AgentScheduleInput)
    retry_config = graphene.InputField(AgentRetryConfigInput)
    trigger_conditions = JSON(description="A rule or a list of rules that must all hold for the token.")
    enabled = graphene.Boolean()


class AgentExecutionInput(graphene.InputObjectType):
    agent_id = graphene.String(required=True)
    token_id = graphene.String()
    input_data = JSON()


class CreateAgent(graphene.Mutation):
    """Make an agent."""

    class Arguments:
        input = AgentDefinitionInput(required=True)

    Output = graphene.NonNull(Agent)

    @staticmethod
    def mutate(root: object, info: graphene.ResolveInfo, input: Mapping[str, Any]) -> models.Agent:  # noqa: A002
        return services.create_agent(_api_names(input))


class CreatePlaceAgentConfig(graphene.Mutation):
    """Put an agent to work at a place: it runs for each token that arrives there from now on."""

    class Arguments:
        input = CreatePlaceAgentConfigInput(required=True)

    Output = graphene.NonNull(PlaceAgentConfig)

    @staticmethod
    def mutate(
        root: object,
        info: graphene.ResolveInfo,
        input: Mapping[str, Any],  # noqa: A002
    ) -> models.PlaceAgentConfig:
        return services.create_place_agent_config(_api_names(input))


class ExecuteAgent(graphene.Mutation):
    """Ask for one run of an agent. It is answered at once, PENDING; query agentExecution(id) for the outcome."""

    class Arguments:
        input = AgentExecutionInput(required=True)

    Output = graphene.NonNull(AgentExecution)

    @staticmethod
    def mutate(
        root: object,
        info: graphene.ResolveInfo,
        input: Mapping[str, Any],  # noqa: A002
    ) -> models.AgentExecution:
        return services.execute_agent(input["agent_id"], input.get("input_data"), input.get("token_id"))


class TriggerPlaceAgentsInput(graphene.InputObjectType):
    token_id = graphene.String(required=True)
    place_id = graphene.String(description="Refuse if the token lies elsewhere.")


class TriggerPlaceAgents(graphene.Mutation):
    """Let the agents of a token's place run now: those enabled whose trigger conditions hold.

    The answer has their executions; a run that is asked for already and not over stands in place of another.
    """

    class Arguments:
        input = TriggerPlaceAgentsInput()
        token_id = graphene.String(description="Instead of the input.")

    Output = graphene.NonNull(graphene.List(graphene.NonNull(AgentExecution)))

    @staticmethod
    def mutate(
        root: object,
        info: graphene.ResolveInfo,
        input: Mapping[str, Any] | None = None,  # noqa: A002
        token_id: str | None = None,
    ) -> list[models.AgentExecution]:
        if (input is None) == (token_id is None):
            raise BadDefinition("tokenId", "give either the input or a tokenId.")
        given = input or {"token_id": token_id}
        return services.trigger_place_agents(given["token_id"], given.get("place_id"))


class Mutation(graphene.ObjectType):
    create_agent = CreateAgent.Field()
    create_place_agent_config = CreatePlaceAgentConfig.Field()
    execute_agent = ExecuteAgent.Field()
    trigger_place_agents = TriggerPlaceAgents.Field()


def _api_names(given: Mapping[str, Any]) -> dict[str, Any]:
    """The input under its API names; JSON scalars inside it are data and stay as they are."""
    return {
        to_camel_case(name): _api_names(value) if isinstance(value, InputObjectTypeContainer) else value
        for name, value in given.items()
    }
