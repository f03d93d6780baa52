"""Reads of the agents app: everything the API and the admin show. Nothing here writes or locks."""

from django.db.models import QuerySet

from agents.core.errors import AgentNotFound
from agents.models import Agent, AgentExecution, PlaceAgentConfig

LIST_LIMIT = 1000
"""Rows of one list; the newest (executions) or first (agents, configurations) ones are shown."""


def agents() -> QuerySet[Agent]:
    return Agent.objects.all()[:LIST_LIMIT]


def agent(agent_id: str) -> Agent | None:
    return Agent.objects.filter(pk=agent_id).first()


def require_agent(agent_id: str) -> Agent:
    """The agent; raises AgentNotFound."""
    found = agent(agent_id)
    if found is None:
        raise AgentNotFound(agent_id)
    return found


def place_agent_configs(place_id: str) -> QuerySet[PlaceAgentConfig]:
    return PlaceAgentConfig.objects.filter(place_id=place_id)[:LIST_LIMIT]


def agent_execution(execution_id: str) -> AgentExecution | None:
    return AgentExecution.objects.filter(pk=execution_id).first()


def token_executions(token_id: str) -> QuerySet[AgentExecution]:
    """A token's executions, the newest first."""
    return AgentExecution.objects.filter(token_id=token_id)[:LIST_LIMIT]
