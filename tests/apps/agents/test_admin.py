"""The admin pages of agents: they open, search and filter, write through the services, and show refusals as form errors."""

import json
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from agents.models import Agent, AgentExecution, PlaceAgentConfig
from tests.apps.agents.conftest import AGENT, placed
from workflows.models import PlaceAction


@pytest.fixture
def staff(workflow: str) -> Client:
    user = get_user_model().objects.create_superuser("ada", "ada@example.org", "a long pass phrase")
    client = Client()
    client.force_login(user)
    return client


def agent_form(**fields: Any) -> dict[str, str]:
    given = {
        "name": "Reviewer",
        "description": "",
        "llm_provider": {"model": "gpt-4"},
        "llm_config": {},
        "prompts": {},
        "capabilities": [],
        "tools": [],
        **fields,
    }
    return {name: value if isinstance(value, str) else json.dumps(value) for name, value in given.items()}


def config_form(agent: Agent, **fields: Any) -> dict[str, str]:
    given = {
        "agent": agent.pk,
        "workflow_id": "review_flow",
        "place_id": "review",
        "enabled": "on",
        "input_mapping": {"document": "data.content"},
        "output_mapping": {"data.review": "content"},
        "auto_transition": "approve",
        "trigger_conditions": [],
        "llm_config": {},
        "retry_config": {},
        "schedule": {},
        **fields,
    }
    return {name: value if isinstance(value, str) else json.dumps(value) for name, value in given.items()}


def test_every_list_opens_searches_and_filters(staff: Client, agent: Agent) -> None:
    placed(agent)
    AgentExecution.objects.create(effect_id="e", agent=agent, token_id="token-7", status="FAILED", cost_nano=420_000)
    AgentExecution.objects.create(effect_id="f", agent=agent, token_id="token-8", status="COMPLETED")
    for page in ("agent", "placeagentconfig", "agentexecution"):
        assert staff.get(f"/admin/agents/{page}/").status_code == 200
        assert staff.get(f"/admin/agents/{page}/?q=review").status_code == 200
    found = staff.get("/admin/agents/agentexecution/?q=token-7").content.decode()
    assert "token-7" in found
    assert "token-8" not in found
    assert "0.00042" in found
    failed = staff.get("/admin/agents/agentexecution/?status__exact=FAILED").content.decode()
    assert "token-7" in failed
    assert "token-8" not in failed


def test_an_agent_is_added_and_changed(staff: Client) -> None:
    assert staff.post("/admin/agents/agent/add/", agent_form()).status_code == 302
    agent = Agent.objects.get()
    assert agent.llm_provider == {"model": "gpt-4"}
    page = f"/admin/agents/agent/{agent.pk}/change/"
    assert staff.get(page).status_code == 200
    assert staff.post(page, agent_form(name="Second", llm_config={"maxTokens": 5})).status_code == 302
    agent.refresh_from_db()
    assert (agent.name, agent.llm_config) == ("Second", {"maxTokens": 5})


def test_a_secret_is_refused_on_the_form(staff: Client) -> None:
    answer = staff.post("/admin/agents/agent/add/", agent_form(llm_provider={"apiKey": "sk-x"}))
    assert answer.status_code == 200
    assert "an agent keeps no provider secret" in answer.content.decode()
    assert Agent.objects.count() == 0


def test_a_placing_is_added_disabled_and_deleted_with_its_action(staff: Client, agent: Agent) -> None:
    assert staff.post("/admin/agents/placeagentconfig/add/", config_form(agent)).status_code == 302
    config = PlaceAgentConfig.objects.get()
    assert (PlaceAction.objects.get().reference, PlaceAction.objects.get().enabled) == (config.pk, True)
    page = f"/admin/agents/placeagentconfig/{config.pk}"
    form = config_form(agent)
    del form["enabled"]
    assert staff.post(f"{page}/change/", form).status_code == 302
    assert PlaceAction.objects.get().enabled is False
    assert staff.post(f"{page}/delete/", {"post": "yes"}).status_code == 302
    assert (PlaceAgentConfig.objects.count(), PlaceAction.objects.count()) == (0, 0)


def test_a_faulty_placing_is_shown_on_the_form(staff: Client, agent: Agent) -> None:
    answer = staff.post("/admin/agents/placeagentconfig/add/", config_form(agent, place_id="reviw"))
    assert answer.status_code == 200
    assert "has no place" in answer.content.decode()
    assert PlaceAgentConfig.objects.count() == 0


def test_an_agent_at_work_cannot_be_deleted_an_idle_one_can(staff: Client, agent: Agent) -> None:
    config = placed(agent)
    assert staff.post(f"/admin/agents/agent/{agent.pk}/delete/", {"post": "yes"}).status_code in (200, 403)
    assert Agent.objects.filter(pk=agent.pk).exists()
    staff.post(f"/admin/agents/placeagentconfig/{config.pk}/delete/", {"post": "yes"})
    assert staff.post(f"/admin/agents/agent/{agent.pk}/delete/", {"post": "yes"}).status_code == 302
    assert Agent.objects.count() == 0


def test_executions_are_read_only(staff: Client, agent: Agent) -> None:
    row = AgentExecution.objects.create(effect_id="e", agent=agent, input_data=AGENT["llmProvider"])
    page = f"/admin/agents/agentexecution/{row.pk}"
    assert staff.get(f"{page}/change/").status_code == 200
    assert staff.post(f"{page}/change/", {"status": "COMPLETED"}).status_code == 403
    assert staff.post(f"{page}/delete/", {"post": "yes"}).status_code == 403
    assert staff.get("/admin/agents/agentexecution/add/").status_code == 403
    row.refresh_from_db()
    assert row.status == "PENDING"
