"""A gateway that answers as told, a workflow, and an agent at work in it. No broker: tests run effects themselves."""

from collections.abc import Iterator
from typing import Any

import pytest

from agents import services
from agents.models import Agent, PlaceAgentConfig
from tests.apps.agents.stand_in import Gateway, running_gateway
from workflows import services as workflows

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
