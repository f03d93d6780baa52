"""A gateway that answers as told, a workflow, and an agent at work in it. No broker: tests run effects themselves."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from agents import services
from agents.models import Agent, AgentExecution, PlaceAgentConfig
from tests.apps.agents.stand_in import Gateway, running_gateway
from workflows import services as workflows
from workflows.models import OutboxEffect, Token
from workflows.tasks import run_effect

REVIEW: dict[str, Any] = {
    "id": "review_flow",
    "name": "Review",
    "places": ["draft", "review", "approved", "rejected"],
    "initialPlace": "draft",
    "transitions": [
        {"id": "submit", "fromPlaces": ["draft"], "toPlace": "review"},
        {"id": "approve", "fromPlaces": ["review"], "toPlace": "approved"},
        {"id": "reject", "fromPlaces": ["review"], "toPlace": "rejected"},
    ],
}
AGENT: dict[str, Any] = {
    "name": "Reviewer",
    "llmProvider": {"providerType": "openai", "model": "gpt-4"},
    "llmConfig": {"temperature": 0, "maxTokens": 100},
    "prompts": {"system": "You review.", "userTemplate": "Review {document} at {current_place}"},
}


@pytest.fixture
def gateway(settings: Any) -> Iterator[Gateway]:
    with running_gateway() as running:
        settings.GATEWAY_URL = running.url
        settings.REQUEST_TIMEOUT_SECONDS = 5.0
        yield running


@pytest.fixture
def workflow(transactional_db: None) -> str:
    return workflows.create_workflow(REVIEW).pk


@pytest.fixture
def agent(workflow: str) -> Agent:
    return services.create_agent(AGENT)


def placed(agent: Agent, **fields: Any) -> PlaceAgentConfig:
    """The agent at `review`, writing its answer to data.review and approving."""
    return services.create_place_agent_config(
        {
            "workflowId": "review_flow",
            "placeId": "review",
            "agentId": agent.pk,
            "inputMapping": {"document": "data.content"},
            "outputMapping": {"data.review.text": "content"},
            "autoTransition": "approve",
            **fields,
        }
    )


def sent_for_review(content: Any = "Ship it.") -> Token:
    token = workflows.create_token("review_flow", data={"title": "Plan", "content": content})
    return workflows.fire(str(token.pk), "submit")


def effects() -> list[OutboxEffect]:
    return list(OutboxEffect.objects.order_by("created_at"))


def run_now(effect: OutboxEffect) -> str:
    """Run the effect as a worker would, without waiting for its back-off."""
    OutboxEffect.objects.filter(pk=effect.pk).update(available_at=timezone.now())
    return run_effect(str(effect.pk))


def execution() -> AgentExecution:
    (row,) = AgentExecution.objects.all()
    return row


def run_in_thread(effect: OutboxEffect) -> str:
    try:
        return run_effect(str(effect.pk))
    finally:
        connection.close()


def in_thread(work: Any) -> None:
    try:
        work()
    finally:
        connection.close()
