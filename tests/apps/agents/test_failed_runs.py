"""Model calls that fail: retried or not, when, how often, and what is shown of them."""

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from agents import gateway as agents_gateway
from agents.models import Agent
from tests.apps.agents.conftest import effects, execution, placed, run_now, sent_for_review
from tests.apps.agents.stand_in import Answered, Gateway, refused, said


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
