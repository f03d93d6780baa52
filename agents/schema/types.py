"""What the API shows of agents, their places and their executions. No field can hold a provider secret: no row does.

JSON columns hold the API's camelCase objects, so their types resolve a field by its API name.
"""

from collections.abc import Mapping
from typing import Any

import graphene
from graphene.utils.str_converters import to_camel_case

from agents import models
from workflows.schema.scalars import JSON


def resolve_stored(attribute: str, default: Any, stored: Mapping[str, Any], info: Any, **arguments: Any) -> Any:
    """A field of a stored JSON object."""
    return stored.get(to_camel_case(attribute), default)


class AgentLlmProvider(graphene.ObjectType):
    """Which model answers. Keys and addresses belong to the provider's own configuration."""

    provider_type = graphene.String()
    model = graphene.String(default_value="auto")

    class Meta:
        default_resolver = resolve_stored


class AgentLlmConfig(graphene.ObjectType):
    """Sampling; null: left to the provider."""

    temperature = graphene.Float()
    max_tokens = graphene.Int()
    top_p = graphene.Float()
    frequency_penalty = graphene.Float()
    presence_penalty = graphene.Float()
    stop_sequences = graphene.List(graphene.NonNull(graphene.String))

    class Meta:
        default_resolver = resolve_stored


class AgentPrompts(graphene.ObjectType):
    """Templates with variables in braces."""

    system = graphene.String(default_value="")
    user_template = graphene.String(default_value="", description="Empty: the input as JSON.")
    context_instructions = graphene.String(default_value="", description="Follows the system prompt.")

    class Meta:
        default_resolver = resolve_stored


class AgentSchedule(graphene.ObjectType):
    initial_delay_seconds = graphene.Float(default_value=0)
    interval_seconds = graphene.Float()
    max_executions = graphene.Int()

    class Meta:
        default_resolver = resolve_stored


class AgentRetryConfig(graphene.ObjectType):
    max_attempts = graphene.Int(default_value=3)
    backoff_seconds = graphene.Float(default_value=2, description="Doubled before each further attempt.")
    retry_on_errors = graphene.List(graphene.NonNull(graphene.String), default_value=(), description="Empty: all.")

    class Meta:
        default_resolver = resolve_stored


class Agent(graphene.ObjectType):
    """A model with its instructions."""

    id = graphene.String(required=True)
    name = graphene.String(required=True)
    description = graphene.String(required=True)
    llm_provider = graphene.Field(AgentLlmProvider, required=True)
    llm_config = graphene.Field(AgentLlmConfig, required=True)
    prompts = graphene.Field(AgentPrompts, required=True)
    capabilities = graphene.List(graphene.NonNull(graphene.String), required=True)
    tools = graphene.List(graphene.NonNull(graphene.String), required=True)
    created_at = graphene.DateTime(required=True)
    updated_at = graphene.DateTime(required=True)


class PlaceAgentConfig(graphene.ObjectType):
    """An agent at work at a place: it runs for each token that arrives there."""

    id = graphene.String(required=True)
    place_id = graphene.String(required=True)
    agent_id = graphene.String(required=True)
    workflow_id = graphene.String(description="Null: any workflow with such a place.")
    llm_config = graphene.Field(AgentLlmConfig, required=True, description="Overrides the agent's, field by field.")
    input_mapping = graphene.Field(JSON, required=True, description='{"agentKey": "data.field"}')
    output_mapping = graphene.Field(JSON, required=True, description='{"data.field": "outputKey"}')
    auto_transition = graphene.String(description="Fired with the token when the agent is done.")
    schedule = graphene.Field(AgentSchedule, required=True)
    retry_config = graphene.Field(AgentRetryConfig, required=True)
    trigger_conditions = graphene.Field(JSON, required=True, description="Rules that must all hold for the token.")
    enabled = graphene.Boolean(required=True)
    created_at = graphene.DateTime(required=True)
    updated_at = graphene.DateTime(required=True)

    @staticmethod
    def resolve_workflow_id(row: models.PlaceAgentConfig, info: graphene.ResolveInfo) -> str | None:
        return row.workflow_id or None

    @staticmethod
    def resolve_auto_transition(row: models.PlaceAgentConfig, info: graphene.ResolveInfo) -> str | None:
        return row.auto_transition or None


class AgentExecution(graphene.ObjectType):
    """One run of an agent, through all its attempts."""

    id = graphene.String(required=True)
    agent_id = graphene.String(required=True)
    token_id = graphene.String()
    place_id = graphene.String()
    status = graphene.String(required=True, description="PENDING RUNNING COMPLETED FAILED TIMEOUT CANCELLED")
    input_data = graphene.Field(JSON, required=True)
    output_data = graphene.Field(JSON)
    error_message = graphene.String(description="Also of the last failed call while a retry is pending.")
    started_at = graphene.DateTime()
    completed_at = graphene.DateTime()
    duration_ms = graphene.Int()
    retry_count = graphene.Int(required=True)

    @staticmethod
    def resolve_token_id(row: models.AgentExecution, info: graphene.ResolveInfo) -> str | None:
        return row.token_id or None

    @staticmethod
    def resolve_place_id(row: models.AgentExecution, info: graphene.ResolveInfo) -> str | None:
        return row.place_id or None

    @staticmethod
    def resolve_error_message(row: models.AgentExecution, info: graphene.ResolveInfo) -> str | None:
        return row.error_message or None
