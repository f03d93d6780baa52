"""The agents of a token's place, asked for now and once, beside what its arrival asks for."""

from django.db import transaction
from django.db.models import Q

from agents.core import definition
from agents.core.errors import BadDefinition
from agents.models import AgentExecution, PlaceAgentConfig
from agents.services import progress
from agents.services.definitions import CRASH_ATTEMPTS, KIND
from agents.services.executions import conditions_hold, view_of
from workflows import services as workflows
from workflows.actions import TokenView

MOST = 100
"""Agents of one place that one call asks for."""


def trigger_place_agents(token_id: str, place_id: str | None = None) -> list[AgentExecution]:
    """Ask for a run of each enabled agent at the token's place whose trigger conditions hold; their executions.

    A run that is asked for already and not over (by the token's arrival or an earlier call) is returned in place of
    another. `place_id`: refuse if the token lies elsewhere. Raises BadDefinition, and the workflow engine's
    TokenNotFound, CaseArchived, NotEnabled (the token was consumed).
    """
    token = view_of(token_id)
    if place_id is not None and token.place != place_id:
        raise BadDefinition("placeId", f"the token lies at {token.place!r}, not at {place_id!r}.")
    here = Q(workflow_id="") | Q(workflow_id=token.workflow_id)
    configs = PlaceAgentConfig.objects.filter(here, place_id=token.place, enabled=True).select_related("agent")
    with transaction.atomic():
        return [_execution(config, token) for config in configs[:MOST] if conditions_hold(config, token)]


def _execution(config: PlaceAgentConfig, token: TokenView) -> AgentExecution:
    retry = definition.parse(definition.RetryConfig, config.retry_config, "retryConfig")
    effect_id = workflows.enqueue(
        KIND, config.pk, token_id=token.id, max_attempts=retry.max_attempts + CRASH_ATTEMPTS, once=True
    )
    execution, made = AgentExecution.objects.get_or_create(
        effect_id=effect_id,
        defaults={
            "agent": config.agent,
            "config": config,
            "token_id": token.id,
            "workflow_id": token.workflow_id,
            "place_id": token.place,
        },
    )
    if made:
        progress.note(execution)
    return execution
