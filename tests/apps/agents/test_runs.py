"""Runs of agents on a real database, with a real HTTP server for the gateway: once, mapped, retried, never twice."""

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from agents import gateway as agents_gateway
from agents import selectors, services
from agents.models import Agent, AgentExecution
from tests.apps.agents.conftest import placed
from tests.apps.agents.stand_in import Answered, Gateway, refused, said
from workflows import services as workflows
from workflows.models import Firing, OutboxEffect, Token
from workflows.tasks import run_effect


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
    assert received.headers["x-request-id"] == f"{effect.pk}-1"
    assert execution().request_ids == [f"{effect.pk}-1"]


def test_an_effect_told_of_twice_is_done_once(agent: Agent, gateway: Gateway) -> None:
    placed(agent)
    token = sent_for_review()
    (effect,) = effects()
    gateway.will_say(said("Looks good."), said("A second opinion."))
    assert [run_now(effect), run_now(effect)] == ["completed", "not claimed"]
    assert len(gateway.received) == 1
    moves = Firing.objects.filter(token=token, kind=Firing.FIRED).values_list("transition", flat=True)
    assert list(moves.order_by("seq")) == ["submit", "approve"]


def test_two_workers_at_once_call_the_model_once(agent: Agent, gateway: Gateway) -> None:
    placed(agent)
    token = sent_for_review()
    (effect,) = effects()
    other: list[str] = []

    def meanwhile() -> None:
        worker = threading.Thread(target=lambda: other.append(run_in_thread(effect)))
        worker.start()
        worker.join()

    answer = said("Looks good.")
    answer.before = meanwhile
    gateway.will_say(answer)
    assert run_now(effect) == "completed"
    assert other == ["not claimed"]
    assert len(gateway.received) == 1
    token.refresh_from_db()
    assert token.place == "approved"


def run_in_thread(effect: OutboxEffect) -> str:
    from django.db import connection

    try:
        return run_effect(str(effect.pk))
    finally:
        connection.close()


def test_a_server_error_is_retried_and_then_succeeds(agent: Agent, gateway: Gateway) -> None:
    placed(agent, retryConfig={"maxAttempts": 3, "backoffSeconds": 10})
    token = sent_for_review()
    (effect,) = effects()
    gateway.will_say(refused(500, "overloaded"), said("Looks good."))
    assert run_now(effect) == "pending"
    row = execution()
    assert (row.status, row.retry_count) == ("PENDING", 1)
    assert row.error_message == "The model call was answered with status 500: overloaded"
    effect.refresh_from_db()
    assert timedelta(seconds=8) < effect.available_at - timezone.now() <= timedelta(seconds=10)

    assert run_now(effect) == "completed"
    row = execution()
    assert (row.status, row.retry_count, row.error_message) == ("COMPLETED", 1, "")
    assert row.request_ids == [f"{effect.pk}-1", f"{effect.pk}-2"]
    assert {received.headers["idempotency-key"] for received in gateway.received} == {str(effect.pk)}
    token.refresh_from_db()
    assert token.place == "approved"


def test_retry_after_outweighs_a_shorter_back_off(agent: Agent, gateway: Gateway) -> None:
    placed(agent, retryConfig={"backoffSeconds": 0})
    sent_for_review()
    (effect,) = effects()
    gateway.will_say(refused(429, "slow down", **{"retry-after": "30"}))
    assert run_now(effect) == "pending"
    effect.refresh_from_db()
    assert timedelta(seconds=28) < effect.available_at - timezone.now() <= timedelta(seconds=30)


def test_a_refused_request_fails_at_once_and_visibly(agent: Agent, gateway: Gateway) -> None:
    placed(agent)
    token = sent_for_review()
    (effect,) = effects()
    gateway.will_say(refused(400, "no such model"))
    assert run_now(effect) == "failed"
    row = execution()
    assert (row.status, row.retry_count) == ("FAILED", 0)
    assert row.error_message == "The model call was answered with status 400: no such model"
    assert row.completed_at is not None
    token.refresh_from_db()
    assert (token.place, token.data) == ("review", {"title": "Plan", "content": "Ship it."})


def test_attempts_end_where_the_configuration_says(agent: Agent, gateway: Gateway) -> None:
    placed(agent, retryConfig={"maxAttempts": 2})
    sent_for_review()
    (effect,) = effects()
    gateway.will_say(refused(503, "down"), refused(503, "down"), said("too late"))
    assert [run_now(effect), run_now(effect), run_now(effect)] == ["pending", "failed", "not claimed"]
    assert (execution().status, len(gateway.received)) == ("FAILED", 2)


def test_errors_that_are_not_listed_are_not_retried(agent: Agent, gateway: Gateway) -> None:
    placed(agent, retryConfig={"retryOnErrors": ["rate_limit"]})
    sent_for_review()
    (effect,) = effects()
    gateway.will_say(refused(500, "overloaded"))
    assert run_now(effect) == "failed"


def test_a_cut_connection_is_retried(agent: Agent, gateway: Gateway) -> None:
    placed(agent)
    sent_for_review()
    (effect,) = effects()
    gateway.will_say(Answered(hang_up=True), said("Looks good."))
    assert [run_now(effect), run_now(effect)] == ["pending", "completed"]


def test_an_unreachable_gateway_is_retried(agent: Agent, settings: Any) -> None:
    placed(agent)
    sent_for_review()
    (effect,) = effects()
    settings.GATEWAY_URL = "http://127.0.0.1:9/v1"
    assert run_now(effect) == "pending"
    assert execution().error_message.startswith(
        "The gateway at http://127.0.0.1:9/v1/chat/completions could not be used"
    )


def test_a_model_that_takes_too_long_ends_as_timeout(agent: Agent, gateway: Gateway, settings: Any) -> None:
    settings.REQUEST_TIMEOUT_SECONDS = 0.2
    placed(agent, retryConfig={"maxAttempts": 1})
    sent_for_review()
    (effect,) = effects()
    late = threading.Event()
    gateway.will_say(Answered(before=lambda: late.wait(5), hang_up=True))
    try:
        assert run_now(effect) == "failed"
    finally:
        late.set()
    row = execution()
    assert (row.status, row.error_message) == (
        "TIMEOUT",
        "The model call was not finished after 0.2 seconds (REQUEST_TIMEOUT_SECONDS).",
    )


def test_a_huge_reply_is_cut_off(agent: Agent, gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agents_gateway, "REPLY_LIMIT_BYTES", 1000)
    placed(agent, retryConfig={"maxAttempts": 1})
    sent_for_review()
    (effect,) = effects()
    gateway.will_say(said("x" * 100_000))
    assert run_now(effect) == "failed"
    assert execution().error_message == "The reply exceeds 1,000 bytes."


def test_a_crash_after_the_answer_was_stored_costs_no_second_call(
    agent: Agent, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    placed(agent)
    token = sent_for_review()
    (effect,) = effects()
    gateway.will_say(said("Looks good."))

    class Killed(BaseException):
        """Like kill -9: nothing of the worker's code runs afterwards."""

    def killed(*arguments: Any) -> str:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr("workflows.tasks.services.complete", killed)
        with pytest.raises(Killed):
            run_now(effect)
    token.refresh_from_db()
    assert (execution().status, token.place) == ("COMPLETED", "review")

    OutboxEffect.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    assert run_now(effect) == "completed"
    assert len(gateway.received) == 1
    token.refresh_from_db()
    assert (token.place, token.data["review"]) == ("approved", {"text": "Looks good."})


def test_a_crash_during_the_call_is_made_good_by_the_next_worker(
    agent: Agent, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    placed(agent)
    token = sent_for_review()
    (effect,) = effects()

    class Killed(BaseException):
        pass

    def killed(*arguments: Any) -> Any:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(agents_gateway, "call_model", killed)
        with pytest.raises(Killed):
            run_now(effect)
    assert execution().status == "RUNNING"

    OutboxEffect.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    gateway.will_say(said("Looks good."))
    assert run_now(effect) == "completed"
    assert (execution().status, execution().attempt) == ("COMPLETED", 2)
    token.refresh_from_db()
    assert token.place == "approved"


def test_the_result_for_a_token_that_went_on_is_kept_and_changes_nothing(agent: Agent, gateway: Gateway) -> None:
    placed(agent)
    token = sent_for_review()
    (effect,) = effects()
    answer = said("Looks good.")
    moved = threading.Event()

    def reject() -> None:
        worker = threading.Thread(target=reject_in_thread)
        worker.start()
        worker.join()
        moved.set()

    def reject_in_thread() -> None:
        from django.db import connection

        try:
            workflows.fire(str(token.pk), "reject")
        finally:
            connection.close()

    answer.before = reject
    gateway.will_say(answer)
    assert run_now(effect) == "orphaned"
    assert moved.is_set()
    token.refresh_from_db()
    effect.refresh_from_db()
    assert (token.place, token.data) == ("rejected", {"title": "Plan", "content": "Ship it."})
    assert effect.result is not None
    assert effect.result["data"] == {"review": {"text": "Looks good."}}
    assert (execution().status, execution().reply_text) == ("COMPLETED", "Looks good.")


def test_a_late_answer_of_a_lost_lease_never_overwrites_the_first(agent: Agent, gateway: Gateway) -> None:
    placed(agent)
    token = sent_for_review()
    (effect,) = effects()

    def taken_over() -> None:
        OutboxEffect.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
        worker = threading.Thread(target=run_in_thread, args=(effect,))
        worker.start()
        worker.join()

    slow = said("The slow answer.")
    slow.before = lambda: in_thread(taken_over)
    gateway.will_say(slow, said("The quick answer."))
    assert run_now(effect) == "fenced"
    assert execution().reply_text == "The quick answer."
    token.refresh_from_db()
    assert (token.place, token.data["review"]) == ("approved", {"text": "The quick answer."})


def in_thread(work: Any) -> None:
    from django.db import connection

    try:
        work()
    finally:
        connection.close()


def test_an_answer_without_the_mapped_key_is_asked_for_again(agent: Agent, gateway: Gateway) -> None:
    placed(agent, outputMapping={"data.score": "score"})
    token = sent_for_review()
    (effect,) = effects()
    gateway.will_say(said("no JSON"), said('```json\n{"score": 9}\n```'))
    assert [run_now(effect), run_now(effect)] == ["pending", "completed"]
    token.refresh_from_db()
    assert token.data["score"] == 9


def test_an_input_that_leads_nowhere_fails_without_a_call(agent: Agent, gateway: Gateway) -> None:
    placed(agent, inputMapping={"document": "data.missing"})
    sent_for_review()
    (effect,) = effects()
    assert run_now(effect) == "failed"
    assert execution().status == "FAILED"
    assert execution().error_message.startswith("inputMapping: 'data.missing': there is no 'missing'")
    assert gateway.received == []


def test_an_answer_that_does_not_fit_the_token_fails_and_is_kept(agent: Agent, gateway: Gateway) -> None:
    placed(agent, outputMapping={"data.title.review": "content"})
    token = sent_for_review()
    (effect,) = effects()
    gateway.will_say(said("Looks good."))
    assert run_now(effect) == "failed"
    assert (execution().status, execution().output_data) == ("FAILED", {"content": "Looks good."})
    token.refresh_from_db()
    assert token.place == "review"


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


def test_an_execution_that_nobody_came_back_to_is_closed(agent: Agent, gateway: Gateway) -> None:
    placed(agent)
    token = sent_for_review()
    (effect,) = effects()
    gateway.will_say(refused(500, "overloaded"))
    assert run_now(effect) == "pending"
    workflows.fire(str(token.pk), "reject")
    assert run_now(effect) == "not claimed"
    assert services.settle_abandoned() == 1
    assert execution().status == "CANCELLED"
    assert "rejected" in execution().error_message
    assert services.settle_abandoned() == 0


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


def test_a_failed_run_can_be_tried_again_by_hand(agent: Agent, gateway: Gateway) -> None:
    placed(agent)
    token = sent_for_review()
    (effect,) = effects()
    gateway.will_say(refused(400, "no such model"), said("Looks good."))
    assert run_now(effect) == "failed"
    assert workflows.retry_now(str(effect.pk))
    assert run_now(effect) == "completed"
    assert execution().status == "COMPLETED"
    token.refresh_from_db()
    assert token.place == "approved"
