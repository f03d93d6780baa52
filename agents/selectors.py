"""Reads of the agents app: everything the API and the admin show. Nothing here writes or locks."""

from django.db.models import QuerySet

from agents.core.errors import AgentNotFound, ExecutionNotFound
from agents.models import Agent, AgentExecution, AgentExecutionEvent, PlaceAgentConfig

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


def require_execution(execution_id: str) -> AgentExecution:
    """The execution; raises ExecutionNotFound."""
    found = agent_execution(execution_id)
    if found is None:
        raise ExecutionNotFound(execution_id)
    return found


def execution_events(execution_id: str, after: int) -> tuple[list[AgentExecutionEvent], bool]:
    """What became of an execution after an event of it, at most LIST_LIMIT; and whether that is all there will be."""
    rows = AgentExecutionEvent.objects.filter(execution_id=execution_id).select_related("execution").order_by("seq")
    events = list(rows.filter(seq__gt=after)[:LIST_LIMIT])
    if events:
        return events, events[-1].status not in AgentExecution.OPEN and len(events) < LIST_LIMIT
    last = rows.last()
    return [], last is None or last.status not in AgentExecution.OPEN


def execution_events_end() -> int:
    """Grows with every event of any execution."""
    return AgentExecutionEvent.objects.order_by("-pk").values_list("pk", flat=True).first() or 0


def token_executions(token_id: str) -> QuerySet[AgentExecution]:
    """A token's executions, the newest first."""
    return AgentExecution.objects.filter(token_id=token_id)[:LIST_LIMIT]
