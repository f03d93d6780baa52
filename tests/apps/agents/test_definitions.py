"""Making agents and placing them: what is stored, what is refused, and that nothing is half made."""

from typing import Any

import pytest

from agents import services
from agents.core.errors import (
    AgentError,
    AgentInUse,
    AgentNotFound,
    BadDefinition,
    ConfigNotFound,
    KeyRefused,
    MappingFailed,
    NotSupported,
    UnknownVariable,
)
from agents.models import Agent, AgentExecution, PlaceAgentConfig
from tests.apps.agents.conftest import AGENT, placed
from workflows import services as workflows
from workflows.core.errors import BadInput, TokenNotFound, UnknownPlace, UnknownTransition, WorkflowError
from workflows.models import OutboxEffect, PlaceAction


def test_an_agent_is_stored_as_it_was_given(agent: Agent) -> None:
    agent.refresh_from_db()
    assert (agent.name, agent.llm_provider, agent.llm_config, agent.prompts) == (
        "Reviewer",
        AGENT["llmProvider"],
        {"temperature": 0.0, "maxTokens": 100},
        AGENT["prompts"],
    )


@pytest.mark.parametrize(
    ("fields", "error", "details"),
    [
        ({"name": ""}, BadDefinition, {"path": "name"}),
        ({"llmProvider": {"apiKey": "sk-very-secret"}}, KeyRefused, {"path": "llmProvider.apiKey"}),
        ({"llmProvider": {"baseUrl": "http://10.0.0.1"}}, NotSupported, {"path": "llmProvider.baseUrl"}),
        ({"llmConfig": {"temperature": 9}}, BadDefinition, {"path": "llmConfig.temperature"}),
        ({"tools": ["web"]}, BadDefinition, {"path": "tools[0]"}),
        ({"prompts": {"system": "{token_id.x}"}}, BadDefinition, {"path": "prompts.system"}),
        ({"name": "nul\x00"}, BadInput, {"argument": "input.name"}),
        ({"color": "red"}, BadDefinition, {"path": ""}),
    ],
)
def test_a_faulty_agent_is_refused_whole(
    db: None, fields: dict[str, Any], error: type[Exception], details: dict[str, Any]
) -> None:
    with pytest.raises(error) as raised:
        services.create_agent({**AGENT, **fields})
    assert isinstance(raised.value, AgentError | WorkflowError)
    assert raised.value.details == details
    assert "sk-very-secret" not in str(raised.value)
    assert Agent.objects.count() == 0


def test_placing_an_agent_asks_the_engine_for_effects(agent: Agent) -> None:
    config = placed(agent, retryConfig={"maxAttempts": 7})
    action = PlaceAction.objects.get()
    assert (action.workflow_id, action.place, action.kind, action.reference) == (
        "review_flow",
        "review",
        "agent",
        config.pk,
    )
    assert (action.enabled, action.max_attempts) == (True, 12)


def test_a_placing_without_a_workflow_counts_for_any(agent: Agent) -> None:
    placed(agent, workflowId=None)
    token = workflows.fire(str(workflows.create_token("review_flow", data={"content": "x"}).pk), "submit")
    assert OutboxEffect.objects.get().token_id == token.pk


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"placeId": "reviw"}, UnknownPlace),
        ({"autoTransition": "aprove"}, UnknownTransition),
        ({"autoTransition": "submit"}, BadDefinition),
        ({"agentId": "nobody"}, AgentNotFound),
        ({"inputMapping": {"document": "token.content"}}, MappingFailed),
        ({"inputMapping": {"text": "data.content"}}, UnknownVariable),
        ({"outputMapping": {"place": "content"}}, MappingFailed),
        ({"retryConfig": {"retryOnErrors": ["401"]}}, BadDefinition),
        ({"schedule": {"intervalSeconds": 0.5}}, BadDefinition),
        ({"schedule": {"initialDelaySeconds": -1}}, BadDefinition),
        ({"schedule": {"maxExecutions": 3}}, BadDefinition),
        ({"triggerConditions": [{"type": "FieldIsNice", "field": "x"}]}, WorkflowError),
        ({"triggerConditions": ["stored_rule"]}, WorkflowError),
    ],
)
def test_a_faulty_placing_is_refused_whole(agent: Agent, fields: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        placed(agent, **fields)
    assert (PlaceAgentConfig.objects.count(), PlaceAction.objects.count()) == (0, 0)


def test_a_disabled_placing_gets_no_effects_and_an_enabled_one_does(agent: Agent) -> None:
    config = placed(agent, enabled=False)
    first = workflows.create_token("review_flow", data={"content": "x"})
    workflows.fire(str(first.pk), "submit")
    assert OutboxEffect.objects.count() == 0
    services.update_place_agent_config(
        config.pk, {"placeId": "review", "agentId": agent.pk, "workflowId": "review_flow"}
    )
    second = workflows.create_token("review_flow", data={"content": "x"})
    workflows.fire(str(second.pk), "submit")
    assert [effect.token_id for effect in OutboxEffect.objects.all()] == [second.pk]


def test_a_deleted_placing_leaves_no_action(agent: Agent) -> None:
    config = placed(agent)
    services.delete_place_agent_config(config.pk)
    assert (PlaceAgentConfig.objects.count(), PlaceAction.objects.count()) == (0, 0)
    with pytest.raises(ConfigNotFound):
        services.delete_place_agent_config(config.pk)


def test_an_agent_at_work_is_not_deleted_nor_changed_into_what_does_not_fit(agent: Agent) -> None:
    placed(agent)
    with pytest.raises(AgentInUse):
        services.delete_agent(agent.pk)
    with pytest.raises(UnknownVariable):
        services.update_agent(agent.pk, {**AGENT, "prompts": {"system": "{tone}"}})
    agent.refresh_from_db()
    assert agent.prompts == AGENT["prompts"]
    services.update_agent(agent.pk, {**AGENT, "name": "Second reviewer"})
    agent.refresh_from_db()
    assert agent.name == "Second reviewer"


@pytest.mark.parametrize(
    ("input_data", "token_id", "error"),
    [
        ({"document": "x"}, None, UnknownVariable),  # {current_place} needs a token
        ({"document": "x"}, "no-such-token", TokenNotFound),
        (["a list"], None, BadInput),
        ({"document": "nul\x00"}, None, BadInput),
    ],
)
def test_a_direct_run_that_cannot_succeed_is_refused_at_once(
    agent: Agent, input_data: Any, token_id: str | None, error: type[Exception]
) -> None:
    with pytest.raises(error):
        services.execute_agent(agent.pk, input_data, token_id)
    assert (AgentExecution.objects.count(), OutboxEffect.objects.count()) == (0, 0)
