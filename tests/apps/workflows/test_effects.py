"""Work outside the database: asked for in the transaction, done at least once, booked exactly once."""

import json
import threading
import time
from datetime import timedelta
from typing import Any

import celery
import pytest
from django.utils import timezone

from tests.apps.workflows.conftest import together
from workflows import outbox, selectors, services, tasks
from workflows.core.effects import EffectResult, EffectRun
from workflows.core.errors import BadInput, EffectFailed, EffectNotFound, NotEnabled, TokenNotFound, UnknownPlace
from workflows.models import Firing, OutboxEffect, PlaceAction, Token, Workflow

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def reviewed(papers: Workflow) -> Token:
    """A token in `review`, for which one effect is waiting."""
    services.attach_action("review", "check", "rules-1", workflow_id="papers", max_attempts=3)
    token = services.create_token("papers", data={"title": "A"})
    return services.fire(str(token.pk), "submit")


def only_effect() -> OutboxEffect:
    return OutboxEffect.objects.get()


def claim(effect: OutboxEffect, later: float = 0) -> EffectRun | None:
    return outbox.claim(str(effect.pk), timezone.now() + timedelta(seconds=later))


def messages() -> list[str]:
    """The ids of the effects workers were told of, taken from the queue."""
    assert outbox.flush(20)
    told: list[str] = []
    with celery.current_app.connection_for_read() as connection:
        queue = connection.SimpleQueue("celery")
        while queue.qsize():
            message = queue.get(block=False)
            told.append(
                json.loads(message.body)[0][0] if isinstance(message.body, str | bytes) else message.payload[0][0]
            )
            message.ack()
        queue.close()
    return told


def dead_broker() -> celery.Celery:
    app = celery.Celery(broker="amqp://127.0.0.1:1//", set_as_current=False)
    app.conf.broker_transport_options = {"connect_retries_timeout": 1.2}
    return app


def test_a_token_that_arrives_asks_for_an_effect_and_the_worker_is_told(reviewed: Token) -> None:
    messages()
    services.fire(str(reviewed.pk), "approve")
    other = services.create_token("papers", place="review")
    effect = OutboxEffect.objects.get(token=other)
    assert (effect.kind, effect.reference, effect.place, effect.state) == ("check", "rules-1", "review", "pending")
    assert messages() == [str(effect.pk)]


def test_the_handler_sees_the_token_and_its_result_is_merged_and_fires_on(reviewed: Token, handle: Any) -> None:
    runs: list[EffectRun] = []

    def check(run: EffectRun) -> EffectResult:
        runs.append(run)
        return EffectResult(data={"ok": True}, metadata={"by": "check"}, fire="approve")

    handle("check", check)
    assert tasks.run_effect(str(only_effect().pk)) == "completed"
    (run,) = runs
    assert (run.attempt, run.kind, run.reference, run.payload) == (1, "check", "rules-1", {})
    assert run.token is not None
    assert (run.token.id, run.token.place, run.token.version, run.token.history_count) == (
        str(reviewed.pk),
        "review",
        2,
        2,
    )
    token = Token.objects.get(pk=reviewed.pk)
    assert (token.place, token.data, token.metadata) == ("approved", {"title": "A", "ok": True}, {"by": "check"})
    effect = only_effect()
    assert (effect.state, effect.error, effect.result) == (
        "done",
        "",
        {"data": {"ok": True}, "metadata": {"by": "check"}, "fire": "approve"},
    )
    log = Firing.objects.filter(case=token.case).order_by("seq").values_list("kind", "transition", "triggered_by")
    by = f"effect:{effect.pk}"
    assert list(log)[2:] == [("effect_completed", "", by), ("transition_fired", "approve", by)]
    assert selectors.fold_log(token.case_id) == selectors.stored_marking(token.case_id)


def test_told_twice_the_effect_runs_once(reviewed: Token, handle: Any) -> None:
    runs: list[EffectRun] = []
    handle("check", lambda run: runs.append(run) or EffectResult())
    effect_id = str(only_effect().pk)
    outcomes = together(4, lambda _: tasks.run_effect(effect_id))
    assert sorted(outcomes) == ["completed", "not claimed", "not claimed", "not claimed"]
    assert len(runs) == 1
    assert tasks.run_effect(effect_id) == "not claimed"


def test_completed_twice_is_one_firing(reviewed: Token) -> None:
    run = claim(only_effect())
    assert run is not None
    result = EffectResult(data={"ok": True}, fire="approve")
    outcomes = together(4, lambda _: services.complete(run.id, run.attempt, result))
    assert sorted(outcomes) == ["completed", "duplicate", "duplicate", "duplicate"]
    assert Firing.objects.filter(kind=Firing.EFFECT_COMPLETED).count() == 1
    assert Firing.objects.filter(transition="approve").count() == 1


def test_a_result_after_the_lease_was_lost_is_kept_and_changes_nothing(reviewed: Token) -> None:
    first = claim(only_effect())
    assert first is not None
    assert claim(only_effect()) is None
    second = claim(only_effect(), later=outbox.lease().total_seconds() + 1)
    assert second is not None
    assert second.attempt == 2
    assert outbox.renew(first.id, first.attempt, timezone.now()) is False
    assert services.complete(first.id, 1, EffectResult(data={"from": "first"})) == "fenced"
    assert services.fail(first.id, 1, "late", retryable=False) == "running"
    assert services.complete(second.id, 2, EffectResult(data={"from": "second"})) == "completed"
    assert services.complete(first.id, 1, EffectResult(data={"from": "first"})) == "fenced"
    assert Token.objects.get(pk=reviewed.pk).data == {"title": "A", "from": "second"}
    (late,) = only_effect().late_results
    assert (late["attempt"], late["data"]) == (1, {"from": "first"})


def test_a_late_result_counts_if_nobody_took_over(reviewed: Token) -> None:
    run = claim(only_effect())
    assert run is not None
    OutboxEffect.objects.update(lease_until=timezone.now() - timedelta(hours=1))
    assert services.complete(run.id, 1, EffectResult(data={"ok": True})) == "completed"


def test_a_result_for_a_token_that_has_gone_on_is_kept_as_orphaned(reviewed: Token) -> None:
    run = claim(only_effect())
    assert run is not None
    services.fire(str(reviewed.pk), "approve")
    assert services.complete(run.id, 1, EffectResult(data={"ok": True}, fire="approve")) == "orphaned"
    assert Token.objects.get(pk=reviewed.pk).data == {"title": "A"}
    effect = only_effect()
    assert (effect.state, effect.result["data"]) == ("orphaned", {"ok": True})
    assert effect.error == "The token had gone on to 'approved' before the result came."
    assert services.complete(run.id, 1, EffectResult(data={"ok": True})) == "duplicate"


def test_work_for_a_token_that_has_gone_on_is_not_begun(reviewed: Token, handle: Any) -> None:
    handle("check", lambda run: pytest.fail("the handler ran"))
    services.fire(str(reviewed.pk), "approve")
    assert tasks.run_effect(str(only_effect().pk)) == "not claimed"
    assert (only_effect().state, only_effect().attempt) == ("orphaned", 0)


def test_a_token_that_came_back_is_on_another_visit(papers: Workflow) -> None:
    services.attach_action("draft", "check", "r")
    token = services.create_token("papers")
    first = only_effect()
    services.fire(str(token.pk), "touch")
    assert claim(first) is None
    first.refresh_from_db()
    assert first.state == "orphaned"
    assert OutboxEffect.objects.filter(state="pending").count() == 1


def test_merging_data_keeps_the_visit_for_a_second_effect(papers: Workflow) -> None:
    services.attach_action("draft", "one", "r")
    services.attach_action("draft", "two", "r")
    token = services.create_token("papers")
    one, two = OutboxEffect.objects.order_by("kind")
    for effect in (one, two):
        run = claim(effect)
        assert run is not None
        assert services.complete(run.id, 1, EffectResult(data={effect.kind: 1})) == "completed"
    assert Token.objects.get(pk=token.pk).data == {"one": 1, "two": 1}


def test_a_result_stands_when_firing_on_is_refused(reviewed: Token) -> None:
    run = claim(only_effect())
    assert run is not None
    assert services.complete(run.id, 1, EffectResult(data={"ok": True}, fire="submit")) == "completed"
    assert Token.objects.get(pk=reviewed.pk).data == {"title": "A", "ok": True}
    assert only_effect().error.startswith("The result is booked, but firing 'submit' was refused: ")


def test_a_result_that_is_no_json_fails_the_effect(reviewed: Token, handle: Any) -> None:
    handle("check", lambda run: EffectResult(data={"bad": float("nan")}))
    assert tasks.run_effect(str(only_effect().pk)) == "failed"
    assert only_effect().error == "The result was refused: data.bad: is nan, which JSON has no number for"
    assert Token.objects.get(pk=reviewed.pk).version == 2


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


def test_an_effect_asked_for_directly_with_and_without_a_token(papers: Workflow, handle: Any) -> None:
    handle("check", lambda run: EffectResult(data={"for": run.token.id if run.token else None, **run.payload}))
    token = services.create_token("papers")
    with_token = services.enqueue("check", "r", {"x": 1}, str(token.pk))
    without = services.enqueue("check", "r")
    assert [tasks.run_effect(effect_id) for effect_id in (with_token, without)] == ["completed", "completed"]
    assert Token.objects.get(pk=token.pk).data == {"for": str(token.pk), "x": 1}
    assert OutboxEffect.objects.get(pk=without).result["data"] == {"for": None}


def test_bad_requests_for_effects_are_refused(papers: Workflow) -> None:
    token = services.create_token("papers")
    services.fire(str(token.pk), "discard")
    with pytest.raises(NotEnabled, match='the token was consumed in "draft"'):
        services.enqueue("check", "r", token_id=str(token.pk))
    with pytest.raises(TokenNotFound):
        services.enqueue("check", "r", token_id="x")
    with pytest.raises(BadInput):
        services.enqueue("", "r")
    with pytest.raises(EffectNotFound):
        services.complete("x", 1, EffectResult())
    with pytest.raises(UnknownPlace, match='did you mean "review"'):
        services.attach_action("revue", "check", "r", workflow_id="papers")
    assert OutboxEffect.objects.count() == 0
    assert tasks.run_effect("x") == "not claimed"


def test_attaching_twice_is_one_wish_and_detaching_ends_it(papers: Workflow) -> None:
    for workflow_id in ("papers", None):
        services.attach_action("draft", "check", "r", workflow_id=workflow_id)
        services.attach_action("draft", "check", "r", workflow_id=workflow_id, enabled=False)
    assert list(PlaceAction.objects.values_list("enabled", flat=True)) == [False, False]
    services.create_token("papers")
    assert OutboxEffect.objects.count() == 0
    assert services.detach_action("check", "r", workflow_id="papers") == 1
    assert services.detach_action("check", "r") == 1
