"""Effects that fail, hang or lose their worker or their message are tried again, in time and with an end."""

import threading
import time
from datetime import timedelta
from typing import Any

import celery
import pytest
from django.utils import timezone

from tests.apps.workflows.conftest import together
from tests.apps.workflows.reviewing import claim, dead_broker, messages, only_effect
from workflows import outbox, selectors, services, tasks
from workflows.core.effects import EffectResult, EffectRun
from workflows.core.errors import EffectFailed
from workflows.models import Firing, OutboxEffect, Token, Workflow

pytestmark = pytest.mark.django_db(transaction=True)


def test_failures_are_tried_again_with_growing_pauses_and_then_shown(reviewed: Token, handle: Any) -> None:
    def fails(run: EffectRun) -> EffectResult:
        raise EffectFailed(f"no luck {run.attempt}", retryable=True, retry_after=None)

    handle("check", fails)
    effect_id = str(only_effect().pk)
    for attempt, pause in ((1, 1), (2, 2)):
        before = timezone.now()
        assert tasks.run_effect(effect_id) == "pending"
        wait = only_effect().available_at - before
        assert timedelta(seconds=pause) <= wait < timedelta(seconds=pause + 1)
        assert only_effect().error == f"no luck {attempt}"
        assert tasks.run_effect(effect_id) == "not claimed"
        OutboxEffect.objects.update(available_at=timezone.now())
    assert tasks.run_effect(effect_id) == "failed"
    assert (only_effect().state, only_effect().error) == ("failed", "no luck 3")
    entry = Firing.objects.get(kind=Firing.EFFECT_FAILED)
    assert (entry.token_id, entry.data) == (reviewed.pk, {"error": "no luck 3", "kind": "check"})
    assert selectors.fold_log(reviewed.case_id) == selectors.stored_marking(reviewed.case_id)
    assert services.retry_now(effect_id) is True
    handle("check", lambda run: EffectResult(data={"attempt": run.attempt}))
    assert tasks.run_effect(effect_id) == "completed"
    assert Token.objects.get(pk=reviewed.pk).data["attempt"] == 4


def test_the_least_pause_a_provider_asks_for_is_kept(reviewed: Token) -> None:
    run = claim(only_effect())
    assert run is not None
    services.fail(run.id, 1, "slow down", retryable=True, retry_after=60.0)
    assert only_effect().available_at > timezone.now() + timedelta(seconds=58)


def test_what_cannot_be_retried_fails_at_once_and_a_handler_that_breaks_is_retried(
    reviewed: Token, handle: Any
) -> None:
    def breaks(run: EffectRun) -> EffectResult:
        if run.attempt == 1:
            raise ZeroDivisionError("broken")
        raise EffectFailed("never", retryable=False)

    handle("check", breaks)
    assert tasks.run_effect(str(only_effect().pk)) == "pending"
    assert only_effect().error == "ZeroDivisionError: broken"
    OutboxEffect.objects.update(available_at=timezone.now())
    assert tasks.run_effect(str(only_effect().pk)) == "failed"


def test_a_kind_nobody_registered_says_so(reviewed: Token) -> None:
    assert tasks.run_effect(str(only_effect().pk)) == "pending"
    assert only_effect().error.startswith("No handler is registered for effects of kind 'check'")


def test_a_long_handler_keeps_its_lease(reviewed: Token, handle: Any, settings: Any) -> None:
    settings.EFFECT_LEASE_SECONDS = 0.6
    stolen: list[Any] = []
    began = threading.Event()

    def slow(run: EffectRun) -> EffectResult:
        began.set()
        time.sleep(1.5)
        return EffectResult(data={"ok": True})

    handle("check", slow)
    effect = only_effect()

    def act(number: int) -> Any:
        if number == 0:
            return tasks.run_effect(str(effect.pk))
        began.wait(5)
        for _ in range(6):
            time.sleep(0.2)
            stolen.append(claim(effect))
        return None

    assert together(2, act) == ["completed", None]
    assert stolen == [None] * 6


def test_the_sweep_tells_again_of_what_a_dead_worker_left(reviewed: Token) -> None:
    effect = only_effect()
    messages()
    assert tasks.sweep() == 0
    assert claim(effect) is not None
    long_ago = timezone.now() - timedelta(hours=1)
    OutboxEffect.objects.update(lease_until=long_ago, dispatched_at=long_ago)
    assert tasks.sweep() == 1
    assert messages() == [str(effect.pk)]
    assert tasks.sweep() == 0, "just told, it gets time to be picked up"


def test_the_sweep_tells_again_of_a_lost_message(reviewed: Token) -> None:
    messages()
    OutboxEffect.objects.update(dispatched_at=timezone.now() - outbox.PATIENCE * outbox.lease())
    assert tasks.sweep() == 1
    assert messages() == [str(only_effect().pk)]


def test_eight_sweeps_at_once_tell_of_each_effect_once(papers: Workflow) -> None:
    services.attach_action("draft", "check", "r")
    for _ in range(20):
        services.create_token("papers")
    messages()
    OutboxEffect.objects.update(dispatched_at=timezone.now() - timedelta(hours=1))
    assert sum(together(8, lambda _: tasks.sweep())) == 20
    assert len(messages()) == 20


def test_an_effect_whose_last_worker_died_is_failed_and_shown(reviewed: Token) -> None:
    OutboxEffect.objects.update(state="running", attempt=3, lease_until=timezone.now() - timedelta(seconds=1))
    assert claim(only_effect()) is None
    tasks.sweep()
    assert only_effect().state == "failed"
    assert only_effect().error == "The worker stopped without a word in attempt 3, the last one."
    assert Firing.objects.filter(kind=Firing.EFFECT_FAILED).count() == 1


def test_a_broker_that_is_down_stops_no_firing_and_the_next_sweep_tells(
    papers: Workflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    services.attach_action("draft", "check", "r")
    messages()
    with monkeypatch.context() as down:
        down.setattr(celery, "current_app", dead_broker())
        began = time.monotonic()
        services.create_token("papers")
        assert time.monotonic() - began < 1, "a firing does not wait for the broker"
        assert outbox.flush(20)
    assert only_effect().dispatched_at.year == 1970
    assert tasks.sweep() == 1
    assert messages() == [str(only_effect().pk)]
