"""The document review as a script would set it up over GraphQL: an agent that reads a draft when it arrives for review."""

import time
from collections.abc import Callable
from typing import Any

from tests.acceptance.graphql_client import graphql

CREATE_AGENT = """
mutation ($model: String!) {
  createAgent(input: {
    name: "Reviewer"
    description: "Reads a document and says what it thinks"
    llmProvider: { providerType: "openai", model: $model }
    llmConfig: { temperature: 0, maxTokens: 200 }
    prompts: { system: "You review documents.", userTemplate: "Review this document: {document}" }
    capabilities: ["review"]
    tools: []
  }) { id name }
}
"""
PLACE_AGENT = """
mutation ($agentId: String!, $fire: String, $inputs: JSON, $outputs: JSON) {
  createPlaceAgentConfig(input: {
    workflowId: "document_review"
    placeId: "review"
    agentId: $agentId
    inputMapping: $inputs
    outputMapping: $outputs
    autoTransition: $fire
    enabled: true
  }) { id placeId agentId enabled }
}
"""
CREATE_TOKEN = """
mutation ($content: String!) {
  createToken(input: {workflowId: "document_review", data: {title: "Plan", content: $content}}) { id place }
}
"""
FIRE = """
mutation ($token: String!, $transition: String!) {
  fireTransition(input: {tokenId: $token, transitionId: $transition}) { id place data }
}
"""
TOKEN = """
query ($id: String!) {
  token(id: $id) { id place data history { transition fromPlace toPlace timestamp data } }
  tokenExecutions(tokenId: $id) { id status placeId inputData outputData errorMessage retryCount durationMs }
}
"""
COSTS = "{ costAnalytics { totalCost modelBreakdown { model cost requests inputTokens outputTokens } } }"


def place_reviewer(control_url: str, model: str = "gpt-4", fire: str | None = "approve") -> None:
    """An agent on `document_review`'s place `review`."""
    agent = graphql(control_url, CREATE_AGENT, model=model)["createAgent"]
    mappings = {"inputs": {"document": "data.content"}, "outputs": {"data.review": "content"}}
    graphql(control_url, PLACE_AGENT, agentId=agent["id"], fire=fire, **mappings)


def send_for_review(control_url: str, content: str) -> str:
    """A new document, moved to `review`; the token's id."""
    token: str = graphql(control_url, CREATE_TOKEN, content=content)["createToken"]["id"]
    graphql(control_url, FIRE, token=token, transition="submit")
    return token


def wait_for(read: Callable[[], Any], wanted: Callable[[Any], bool], timeout: float = 30) -> Any:
    """Read until `wanted`, or an AssertionError with the last reading."""
    deadline = time.monotonic() + timeout
    while True:
        seen = read()
        if wanted(seen):
            return seen
        assert time.monotonic() < deadline, f"still not so after {timeout} s: {seen}"
        time.sleep(0.05)
