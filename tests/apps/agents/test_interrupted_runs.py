"""Workers that die, come twice or come late: one call where one will do, one result, and a token that moves once."""

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from agents import gateway as agents_gateway
from agents import services
from agents.models import Agent
from tests.apps.agents.conftest import effects, execution, in_thread, placed, run_in_thread, run_now, sent_for_review
from tests.apps.agents.stand_in import Gateway, refused, said
from workflows import services as workflows
from workflows.models import Firing, OutboxEffect


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
