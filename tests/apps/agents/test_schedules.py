"""Agents of a place that run after a delay, again and again, or because somebody asks for them now."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from agents import services
from agents.core.errors import BadDefinition
from agents.models import Agent, AgentExecution
from tests.apps.agents.conftest import effects, placed, run_now, sent_for_review
from tests.apps.agents.stand_in import Gateway, said
from tests.apps.agents.stand_in import refused as declined
from tests.apps.agents.test_api import asked, refused
from workflows import services as workflows
from workflows.core.errors import NotEnabled, TokenNotFound
from workflows.models import OutboxEffect, PlaceAction
from workflows.tasks import run_effect

TRIGGER = """mutation ($input: TriggerPlaceAgentsInput, $token: String) {
  triggerPlaceAgents(input: $input, tokenId: $token) { id agentId tokenId placeId status } }"""


def due() -> list[float]:
    """Seconds until each effect that waits is due, rounded."""
    now = timezone.now()
    waiting = OutboxEffect.objects.filter(state=OutboxEffect.PENDING).order_by("available_at")
    return [round((each.available_at - now).total_seconds(), -1) for each in waiting]


def test_a_delayed_run_waits_and_then_runs_once(agent: Agent, gateway: Gateway) -> None:
    placed(agent, schedule={"initialDelaySeconds": 300})
    token = sent_for_review()
    (effect,) = effects()
    assert due() == [300]
    assert run_effect(str(effect.pk)) == "not claimed"
    gateway.will_say(said("Looks good."))
    assert run_now(effect) == "completed"
    token.refresh_from_db()
    assert (token.place, due()) == ("approved", [])


def test_runs_repeat_while_the_token_stays_up_to_their_number(agent: Agent, gateway: Gateway) -> None:
    placed(agent, autoTransition=None, schedule={"intervalSeconds": 60, "maxExecutions": 3})
    sent_for_review()
    for run in range(3):
        gateway.will_say(said(f"Run {run}."))
        assert run_now(OutboxEffect.objects.get(state=OutboxEffect.PENDING)) == "completed"
        assert due() == ([60] if run < 2 else [])
    assert AgentExecution.objects.filter(status="COMPLETED").count() == 3


def test_repeating_ends_when_the_token_goes_on(agent: Agent, gateway: Gateway) -> None:
    placed(agent, autoTransition=None, schedule={"intervalSeconds": 60})
    token = sent_for_review()
    gateway.will_say(said("Seen."))
    run_now(effects()[0])
    workflows.fire(str(token.pk), "approve")
    assert run_now(effects()[-1]) == "not claimed"
    assert [each.state for each in effects()] == ["done", "orphaned"]


def test_a_failed_run_is_followed_by_the_next_too(agent: Agent, gateway: Gateway) -> None:
    placed(agent, autoTransition=None, schedule={"intervalSeconds": 60}, retryConfig={"maxAttempts": 1})
    sent_for_review()
    gateway.will_say(declined(400, "no such model"))
    assert run_now(effects()[0]) == "failed"
    assert due() == [60]
    gateway.will_say(said("Better."))
    assert run_now(effects()[-1]) == "completed"
    assert due() == [60]


@pytest.mark.parametrize("what", ["disabled", "deleted", "without interval"])
def test_a_change_of_the_schedule_reaches_tokens_that_are_there(agent: Agent, gateway: Gateway, what: str) -> None:
    repeating = {"autoTransition": None, "schedule": {"intervalSeconds": 60}}
    config = placed(agent, **repeating)
    sent_for_review()
    fields = {"workflowId": "review_flow", "placeId": "review", "agentId": agent.pk}
    if what == "disabled":
        services.update_place_agent_config(config.pk, {**fields, **repeating, "enabled": False})
    elif what == "deleted":
        services.delete_place_agent_config(config.pk)
    else:
        services.update_place_agent_config(config.pk, fields)
        gateway.will_say(said("Once."))
    run_now(effects()[0])
    assert (len(effects()), due()) == (1, [])


def test_a_result_that_comes_twice_asks_for_one_next_run(agent: Agent, gateway: Gateway) -> None:
    placed(agent, autoTransition=None, schedule={"intervalSeconds": 60})
    sent_for_review()
    gateway.will_say(said("Seen."))
    (effect,) = effects()
    run_now(effect)
    assert run_effect(str(effect.pk)) == "not claimed"
    assert len(effects()) == 2


def test_attaching_says_when(agent: Agent) -> None:
    placed(agent, schedule={"initialDelaySeconds": 5, "intervalSeconds": 60, "maxExecutions": 2})
    (action,) = PlaceAction.objects.all()
    assert (action.delay_seconds, action.every_seconds, action.most_runs) == (5, 60, 2)


def test_agents_of_a_place_run_when_they_are_triggered(agent: Agent, gateway: Gateway) -> None:
    token = sent_for_review()
    placed(agent)
    placed(agent, triggerConditions={"type": "FieldEquals", "field": "title", "value": "Other"})
    placed(agent, enabled=False)
    (made,) = asked(TRIGGER, token=str(token.pk))["triggerPlaceAgents"]
    assert made == {
        "id": made["id"], "agentId": agent.pk, "tokenId": str(token.pk), "placeId": "review", "status": "PENDING",
    }  # fmt: skip
    again = asked(TRIGGER, input={"tokenId": str(token.pk), "placeId": "review"})["triggerPlaceAgents"]
    assert [each["id"] for each in again] == [made["id"]]
    gateway.will_say(said("Looks good."))
    assert run_now(effects()[0]) == "completed"
    token.refresh_from_db()
    assert (token.place, AgentExecution.objects.get().status) == ("approved", "COMPLETED")


def test_a_run_that_the_arrival_asked_for_is_not_doubled(agent: Agent, gateway: Gateway) -> None:
    placed(agent)
    token = sent_for_review()
    (made,) = services.trigger_place_agents(str(token.pk))
    (effect,) = effects()
    assert made.effect_id == str(effect.pk)
    gateway.will_say(said("Looks good."))
    assert run_now(effect) == "completed"
    assert len(gateway.received) == 1


def test_what_cannot_be_triggered_is_refused(agent: Agent) -> None:
    token = sent_for_review()
    given: dict[str, Any] = {"tokenId": str(token.pk)}
    for wrong in ({}, {"input": given, "token": str(token.pk)}, {"input": {**given, "placeId": "draft"}}):
        assert isinstance(refused(TRIGGER, **wrong), BadDefinition)
    assert isinstance(refused(TRIGGER, token="nobody"), TokenNotFound)
    assert asked(TRIGGER, token=str(token.pk)) == {"triggerPlaceAgents": []}


def test_a_consumed_token_triggers_nothing(agent: Agent) -> None:
    workflows.create_workflow(
        {
            "id": "pair",
            "name": "Pair",
            "places": ["review", "b", "end"],
            "initialPlace": "review",
            "transitions": [
                {"id": "join", "inputs": [{"place": "review"}, {"place": "b"}], "outputs": [{"place": "end"}]}
            ],
        }
    )
    first = workflows.create_token("pair")
    other = workflows.create_token("pair", place="b", case_id=str(first.case_id))
    placed(agent, workflowId="", placeId="b", autoTransition=None)
    workflows.fire(str(first.pk), "join")
    with pytest.raises(NotEnabled):
        services.trigger_place_agents(str(other.pk))
    assert not AgentExecution.objects.exists()


def test_no_time_is_lost_to_a_sweep(agent: Agent) -> None:
    placed(agent, schedule={"initialDelaySeconds": 3600})
    sent_for_review()
    (effect,) = effects()
    assert effect.dispatched_at == effect.available_at > timezone.now() + timedelta(minutes=59)
