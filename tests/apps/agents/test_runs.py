"""Runs of agents on a real database, with a real HTTP server for the gateway: asked, mapped, fired on, left alone."""

from django.conf import settings

from agents import selectors, services
from agents.models import Agent, AgentExecution
from llm.core.internal import agents_token
from tests.apps.agents.conftest import effects, execution, placed, run_now, sent_for_review
from tests.apps.agents.stand_in import Gateway, said
from workflows import services as workflows
from workflows.models import Token


def test_a_token_that_arrives_is_reviewed_mapped_and_fired_on(agent: Agent, gateway: Gateway) -> None:
    config = placed(agent)
    token = sent_for_review()
    (effect,) = effects()
    gateway.will_say(said("Looks good."))
    assert run_now(effect) == "completed"

    token.refresh_from_db()
    assert (token.place, token.data) == (
        "approved",
        {"title": "Plan", "content": "Ship it.", "review": {"text": "Looks good."}},
    )
    row = execution()
    assert (row.status, row.agent_id, row.config_id) == ("COMPLETED", agent.pk, config.pk)
    assert (row.token_id, row.workflow_id, row.place_id) == (str(token.pk), "review_flow", "review")
    assert (row.input_data, row.output_data) == ({"document": "Ship it."}, {"content": "Looks good."})
    assert (row.model, row.prompt_tokens, row.completion_tokens, row.cost_nano) == ("sandbox/gpt-4", 7, 3, 420_000)
    assert row.duration_ms is not None
    assert list(selectors.token_executions(str(token.pk))) == [row]


def test_the_gateway_is_told_who_calls_and_what_to_say(agent: Agent, gateway: Gateway) -> None:
    placed(agent, llmConfig={"temperature": 1})
    sent_for_review()
    (effect,) = effects()
    gateway.will_say(said("Looks good."))
    run_now(effect)
    (received,) = gateway.received
    assert received.path == "/v1/chat/completions"
    assert received.body == {
        "model": "gpt-4",
        "messages": [
            {"role": "system", "content": "You review."},
            {"role": "user", "content": "Review Ship it. at review"},
        ],
        "temperature": 1.0,
        "max_tokens": 100,
    }
    assert received.headers["x-circuit-breaker-origin"] == f"agent-execution:{execution().pk}"
    assert received.headers["idempotency-key"] == str(effect.pk)
    assert received.headers["authorization"] == f"Bearer {agents_token(settings.UPLINK_SECRET)}"
    assert received.headers["x-request-id"] == f"{effect.pk}-1"
    assert execution().request_ids == [f"{effect.pk}-1"]


def test_what_a_hostile_model_says_is_stored_readably(agent: Agent, gateway: Gateway) -> None:
    placed(agent)
    token = sent_for_review()
    (effect,) = effects()
    gateway.will_say(said("\x00 \ud800 {token_id}"))
    assert run_now(effect) == "completed"
    token.refresh_from_db()
    assert token.data["review"] == {"text": "\ufffd \ufffd {token_id}"}


def test_data_cannot_speak_as_template(agent: Agent, gateway: Gateway) -> None:
    placed(agent)
    sent_for_review("{token_id} {{x}} {nobody}")
    (effect,) = effects()
    gateway.will_say(said("Looks good."))
    run_now(effect)
    assert gateway.received[0].body["messages"][1]["content"] == "Review {token_id} {{x}} {nobody} at review"


def test_conditions_that_do_not_hold_let_nothing_run(agent: Agent, gateway: Gateway) -> None:
    placed(agent, triggerConditions=[{"type": "FieldEquals", "field": "title", "value": "Other"}])
    token = sent_for_review()
    (effect,) = effects()
    assert run_now(effect) == "completed"
    token.refresh_from_db()
    assert (token.place, gateway.received, AgentExecution.objects.count()) == ("review", [], 0)


def test_a_configuration_disabled_meanwhile_lets_nothing_run(agent: Agent, gateway: Gateway) -> None:
    config = placed(agent)
    sent_for_review()
    (effect,) = effects()
    services.update_place_agent_config(
        config.pk, {"placeId": "review", "agentId": agent.pk, "workflowId": "review_flow", "enabled": False}
    )
    assert run_now(effect) == "completed"
    assert (gateway.received, AgentExecution.objects.count()) == ([], 0)


def test_an_agent_can_be_run_directly_without_a_token(agent: Agent, gateway: Gateway) -> None:
    plain = services.create_agent({"name": "Plain", "prompts": {"userTemplate": "Say {word}"}})
    asked = services.execute_agent(plain.pk, {"word": "hello"})
    assert (asked.status, asked.input_data, asked.token_id) == ("PENDING", {"word": "hello"}, "")
    (effect,) = effects()
    gateway.will_say(said('{"answer": 1}'))
    assert run_now(effect) == "completed"
    row = execution()
    assert (row.pk, row.status, row.output_data) == (asked.pk, "COMPLETED", {"answer": 1})
    assert gateway.received[0].body == {"model": "auto", "messages": [{"role": "user", "content": "Say hello"}]}


def test_a_direct_run_for_a_token_reads_it_and_leaves_it_alone(agent: Agent, gateway: Gateway) -> None:
    asking = services.create_agent(
        {"name": "A", "prompts": {"userTemplate": "{title} {current_place} {history_count}"}}
    )
    token = workflows.create_token("review_flow", data={"title": "Plan"})
    services.execute_agent(asking.pk, token_id=str(token.pk))
    workflows.fire(str(token.pk), "submit")
    before = Token.objects.get(pk=token.pk)
    (effect,) = effects()
    gateway.will_say(said("fine"))
    assert run_now(effect) == "completed"
    assert gateway.received[0].body["messages"][-1]["content"] == "Plan draft 1"
    after = Token.objects.get(pk=token.pk)
    assert (after.place, after.version, after.data) == (before.place, before.version, before.data)
    assert (execution().token_id, execution().place_id) == (str(token.pk), "draft")
