"""The agents' GraphQL, executed against the app's own schema: names, shapes, errors, and that no secret comes back."""

from typing import Any

import graphene
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from agents.models import Agent, AgentExecution
from agents.schema import Mutation, Query
from tests.apps.agents.conftest import placed
from tests.apps.agents.stand_in import Gateway, said
from workflows import services as workflows
from workflows.models import OutboxEffect
from workflows.tasks import run_effect

SCHEMA = graphene.Schema(query=Query, mutation=Mutation)

CREATE_AGENT = """
mutation ($input: AgentDefinitionInput!) {
  createAgent(input: $input) {
    id name description llmProvider { providerType model }
    llmConfig { temperature maxTokens topP frequencyPenalty presencePenalty stopSequences }
    prompts { system userTemplate contextInstructions } capabilities tools
  }
}
"""
PLACE = """
mutation ($input: CreatePlaceAgentConfigInput!) {
  createPlaceAgentConfig(input: $input) {
    id placeId agentId workflowId llmConfig { topP } inputMapping outputMapping autoTransition
    schedule { initialDelaySeconds intervalSeconds maxExecutions }
    retryConfig { maxAttempts backoffSeconds retryOnErrors } triggerConditions enabled
  }
}
"""
EXECUTE = """
mutation ($input: AgentExecutionInput!) {
  executeAgent(input: $input) {
    id agentId tokenId placeId status inputData outputData errorMessage startedAt completedAt durationMs retryCount
  }
}
"""


def asked(query: str, **variables: Any) -> dict[str, Any]:
    answer = SCHEMA.execute(query, variables=variables)
    assert answer.errors is None, answer.errors
    data: dict[str, Any] = answer.data
    return data


def refused(query: str, **variables: Any) -> Any:
    answer = SCHEMA.execute(query, variables=variables)
    assert answer.errors
    return answer.errors[0].original_error or answer.errors[0]


def test_an_agent_is_made_and_read_back(db: None) -> None:
    given = {
        "name": "Reviewer",
        "description": "Reads",
        "llmProvider": {"providerType": "openai", "model": "gpt-4", "apiKey": "", "baseUrl": None},
        "llmConfig": {"temperature": 0.5, "maxTokens": 10, "topP": 0.9, "stopSequences": ["END"]},
        "prompts": {"system": "You review.", "userTemplate": "{document}"},
        "capabilities": ["review"],
        "tools": [],
    }
    made = asked(CREATE_AGENT, input=given)["createAgent"]
    assert made == {
        "id": made["id"],
        "name": "Reviewer",
        "description": "Reads",
        "llmProvider": {"providerType": "openai", "model": "gpt-4"},
        "llmConfig": {
            "temperature": 0.5,
            "maxTokens": 10,
            "topP": 0.9,
            "frequencyPenalty": None,
            "presencePenalty": None,
            "stopSequences": ["END"],
        },
        "prompts": {"system": "You review.", "userTemplate": "{document}", "contextInstructions": ""},
        "capabilities": ["review"],
        "tools": [],
    }
    assert asked("query ($id: String!) { agent(id: $id) { name } }", id=made["id"])["agent"] == {"name": "Reviewer"}
    assert asked("{ agents { id } }")["agents"] == [{"id": made["id"]}]


def test_a_key_is_refused_by_code_and_never_repeated(db: None) -> None:
    problem = refused(CREATE_AGENT, input={"name": "A", "llmProvider": {"apiKey": "sk-very-secret"}})
    assert problem.code == "AGENT_KEY_REFUSED"
    assert "sk-very-secret" not in str(problem)
    assert Agent.objects.count() == 0


def test_a_configuration_is_made_and_read_back(agent: Agent) -> None:
    given = {
        "placeId": "review",
        "agentId": agent.pk,
        "workflowId": "review_flow",
        "llmConfig": {"topP": 0.1},
        "inputMapping": {"document": "data.deep_er.camelNot.f"},
        "outputMapping": {"data.review_text": "content"},
        "autoTransition": "approve",
        "retryConfig": {"maxAttempts": 2, "retryOnErrors": ["timeout"]},
        "triggerConditions": {"type": "FieldExists", "field": "content"},
    }
    made = asked(PLACE, input=given)["createPlaceAgentConfig"]
    assert made == {
        "id": made["id"],
        "placeId": "review",
        "agentId": agent.pk,
        "workflowId": "review_flow",
        "llmConfig": {"topP": 0.1},
        "inputMapping": {"document": "data.deep_er.camelNot.f"},
        "outputMapping": {"data.review_text": "content"},
        "autoTransition": "approve",
        "schedule": {"initialDelaySeconds": 0.0, "intervalSeconds": None, "maxExecutions": None},
        "retryConfig": {"maxAttempts": 2, "backoffSeconds": 2.0, "retryOnErrors": ["timeout"]},
        "triggerConditions": [{"type": "FieldExists", "field": "content"}],
        "enabled": True,
    }
    found = asked('{ placeAgentConfigs(placeId: "review") { id } }')["placeAgentConfigs"]
    assert found == [{"id": made["id"]}]
    assert asked('{ placeAgentConfigs(placeId: "draft") { id } }')["placeAgentConfigs"] == []


def test_a_run_is_asked_for_and_followed(agent: Agent, gateway: Gateway) -> None:
    token = workflows.create_token("review_flow", data={"document": "Ship it."})
    asked_for = asked(EXECUTE, input={"agentId": agent.pk, "tokenId": str(token.pk)})["executeAgent"]
    assert asked_for == {
        "id": asked_for["id"],
        "agentId": agent.pk,
        "tokenId": str(token.pk),
        "placeId": "draft",
        "status": "PENDING",
        "inputData": {"document": "Ship it."},
        "outputData": None,
        "errorMessage": None,
        "startedAt": None,
        "completedAt": None,
        "durationMs": None,
        "retryCount": 0,
    }
    gateway.will_say(said('{"verdict": "good"}'))
    run_effect(str(OutboxEffect.objects.get().pk))
    query = "query ($id: String!) { agentExecution(id: $id) { status outputData durationMs startedAt completedAt } }"
    done = asked(query, id=asked_for["id"])["agentExecution"]
    assert (done["status"], done["outputData"]) == ("COMPLETED", {"verdict": "good"})
    assert done["durationMs"] >= 0
    assert done["startedAt"] <= done["completedAt"]
    listed = asked("query ($id: String!) { tokenExecutions(tokenId: $id) { id } }", id=str(token.pk))
    assert listed["tokenExecutions"] == [{"id": asked_for["id"]}]


@pytest.mark.parametrize(
    ("query", "variables", "code"),
    [
        (EXECUTE, {"input": {"agentId": "nobody"}}, "AGENT_NOT_FOUND"),
        (PLACE, {"input": {"agentId": "nobody", "placeId": "p"}}, "AGENT_NOT_FOUND"),
        (CREATE_AGENT, {"input": {"name": "A", "llmConfig": {"topP": 2.0}}}, "AGENT_BAD_DEFINITION"),
    ],
)
def test_errors_carry_a_code(db: None, query: str, variables: dict[str, Any], code: str) -> None:
    assert refused(query, **variables).code == code


def test_what_is_unknown_is_null_or_empty(db: None) -> None:
    answer = asked('{ agent(id: "x") { id } agentExecution(id: "x") { id } tokenExecutions(tokenId: "x") { id } }')
    assert answer == {"agent": None, "agentExecution": None, "tokenExecutions": []}


@pytest.mark.parametrize("rows", [2, 20])
def test_lists_cost_one_query_however_long(agent: Agent, rows: int) -> None:
    for number in range(rows):
        placed(agent, autoTransition=None, outputMapping={f"data.n{number}": "content"})
        AgentExecution.objects.create(effect_id=str(number), agent=agent, token_id="t")
    with CaptureQueriesContext(
        connection,
    ) as queries:
        answer = asked('{ placeAgentConfigs(placeId: "review") { agentId } tokenExecutions(tokenId: "t") { agentId } }')
    assert [len(found) for found in answer.values()] == [rows, rows]
    assert len(queries) == 2
