"""Work outside the database: asked for in the transaction, done at least once, booked exactly once."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from tests.apps.workflows.conftest import together
from tests.apps.workflows.reviewing import claim, messages, only_effect
from workflows import outbox, selectors, services, tasks
from workflows.core.effects import EffectResult, EffectRun
from workflows.core.errors import BadInput, EffectNotFound, NotEnabled, TokenNotFound, UnknownPlace
from workflows.models import Firing, OutboxEffect, PlaceAction, Token, Workflow

pytestmark = pytest.mark.django_db(transaction=True)


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
