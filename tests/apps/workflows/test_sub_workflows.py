"""Steps that are a case of another workflow: whatever happens to either, the other hears of it, once."""

from typing import Any

import pytest
from django.utils import timezone

from tests.apps.workflows.flow import define, fresh, log_of, step, work
from workflows import outbox, services, tasks
from workflows.core.effects import EffectResult
from workflows.models import Case, Firing, HumanTask, OutboxEffect, Token
from workflows.services import subworkflows

pytestmark = pytest.mark.django_db(transaction=True)

DECIDE = {"id": "decide", "fromPlaces": ["a"], "toPlace": "b"}


def above(**more: Any) -> Token:
    """A token that waits for a case of `below`."""
    define(step("workflow", work={"workflow": "below"}, **more), {"id": "on", "fromPlaces": ["b"], "toPlace": "d"})
    token = services.create_token("flow")
    work()
    return token


def child(token: Token) -> Token:
    effect = OutboxEffect.objects.get(kind="workflow", token=token)
    return Token.objects.filter(case__parent_effect=effect.pk).earliest("created_at")


def kinds(token: Token) -> list[str]:
    return list(Firing.objects.filter(case=token.case_id).order_by("seq").values_list("kind", flat=True))


def test_what_returned_while_its_step_was_between_two_attempts_is_not_lost() -> None:
    define(DECIDE, id="below")
    token = above()
    OutboxEffect.objects.filter(kind="workflow").update(state="pending")  # as after a booking that broke off
    services.fire(str(child(token).pk), "decide", {"n": 1})
    tasks.run_effect(str(OutboxEffect.objects.get(kind="return").pk))
    assert fresh(token).place == "ask.running"
    work()
    assert (fresh(token).place, fresh(token).data) == ("b", {"n": 1})


def test_what_returned_is_found_in_the_archive(handle: Any) -> None:
    define(DECIDE, id="below")
    token = above()
    below = child(token)
    OutboxEffect.objects.filter(kind="workflow").update(state="pending")
    services.fire(str(below.pk), "decide", {"n": 1})
    tasks.run_effect(str(OutboxEffect.objects.get(kind="return").pk))
    assert services.archive_case(below.case_id, timezone.now())
    work()
    assert (fresh(token).place, fresh(token).data) == ("b", {"n": 1})


def test_a_case_that_ends_without_a_token_at_rest_fails_its_step() -> None:
    define({"id": "drop", "inputs": ["a"], "outputs": []}, id="below")
    token = above(outcomes={"failed": ["c"]})
    services.fire(str(child(token).pk), "drop")
    work()
    assert fresh(token).place == "c"
    error = fresh(token).metadata["error"]
    assert (error["step"], error["attempts"]) == ("ask", 1)
    assert "none of its tokens came to rest" in error["message"]


def test_the_first_token_to_come_to_rest_is_the_one_that_returns() -> None:
    spread = {"id": "spread", "inputs": ["a"], "outputs": ["b", "c"]}
    ends = [{"id": f"end_{place}", "fromPlaces": [place], "toPlace": "d"} for place in "bc"]
    define(spread, *ends, id="below")
    token = above()
    services.fire(str(child(token).pk), "spread")
    for place in "cb":
        lying = Token.objects.get(place=place, workflow_id="below")
        services.fire(str(lying.pk), f"end_{place}", {"from": place})
    assert OutboxEffect.objects.filter(kind="return").count() == 1
    work()
    assert fresh(token).data == {"from": "c"}


@pytest.mark.parametrize("way", ["timeout", "cancelled"])
def test_the_case_of_a_step_that_ended_without_it_is_closed(way: str) -> None:
    define(DECIDE, id="below")
    token = above(timeout=600, outcomes={"timeout": ["c"], "cancelled": ["c"]})
    below = child(token)
    if way == "timeout":
        work(later=601)
    else:
        services.fire(str(token.pk), "ask.cancelled")
        work()
    assert log_of(token) == ["ask", f"ask.{way}"]
    assert kinds(below) == ["token_created", "case_cancelled"]
    assert Case.objects.get(pk=below.case_id).state == Case.FINISHED
    assert fresh(below).state == Token.CONSUMED
    assert not OutboxEffect.objects.filter(state__in=OutboxEffect.UNDER_WAY).exclude(kind="wake").exists()
    assert services.archive_case(token.case_id, timezone.now())
    assert services.archive_case(below.case_id, timezone.now())


def test_closing_goes_all_the_way_down_and_ends_what_people_were_asked() -> None:
    define({"id": "check", "kind": "human", "fromPlaces": ["a"], "toPlace": "b"}, id="bottom")
    define(step("workflow", work={"workflow": "bottom"}), id="below")
    token = above(outcomes={"cancelled": ["c"]})
    task = HumanTask.objects.get()
    assert task.state == HumanTask.OPEN
    services.fire(str(token.pk), "ask.cancelled")
    work()
    task.refresh_from_db()
    assert task.state == HumanTask.CANCELLED
    assert set(Case.objects.values_list("state", flat=True)) == {Case.FINISHED}
    assert not OutboxEffect.objects.filter(state__in=OutboxEffect.UNDER_WAY).exists()


def test_tokens_that_have_come_to_rest_stay_when_their_case_is_closed() -> None:
    spread = {"id": "spread", "inputs": ["a"], "outputs": ["b", "c"]}
    define(spread, {"id": "on", "fromPlaces": ["c"], "toPlace": "d"}, id="below")
    define(step("workflow", work={"workflow": "below", "returns": ["d"]}, outcomes={"cancelled": ["c"]}))
    token = services.create_token("flow")
    work()
    services.fire(str(child(token).pk), "spread")
    services.fire(str(token.pk), "ask.cancelled")
    work()
    lying = Token.objects.filter(workflow_id="below", state=Token.LIVE)
    assert list(lying.values_list("place", flat=True)) == ["b"]


def test_a_case_that_goes_on_after_its_return_is_left_alone() -> None:
    spread = {"id": "spread", "inputs": ["a"], "outputs": ["b", "c"]}
    define(spread, {"id": "on", "fromPlaces": ["c"], "toPlace": "d"}, id="below")
    token = above()
    services.fire(str(child(token).pk), "spread")
    work()
    assert fresh(token).place == "b"
    assert not OutboxEffect.objects.filter(kind="cancel").exists()
    assert Token.objects.filter(workflow_id="below", place="c", state=Token.LIVE).count() == 1


def test_a_case_opened_after_its_step_had_ended_is_closed() -> None:
    define(DECIDE, id="below")
    define(step("workflow", work={"workflow": "below"}, outcomes={"cancelled": ["c"]}))
    token = services.create_token("flow")
    effect = OutboxEffect.objects.get(kind="workflow")
    run = outbox.claim(str(effect.pk), timezone.now())
    assert run is not None
    services.fire(str(token.pk), "ask.cancelled")
    cancel = OutboxEffect.objects.get(kind="cancel")
    tasks.run_effect(str(cancel.pk))
    cancel.refresh_from_db()
    assert (cancel.state, cancel.error) == ("pending", "The step has ended, but its case may still be opened.")
    assert services.complete(run.id, run.attempt, subworkflows.begin(run)) == services.ORPHANED
    OutboxEffect.objects.filter(pk=cancel.pk).update(available_at=timezone.now())
    work()
    assert Case.objects.get(workflow_id="below").state == Case.FINISHED
    assert set(OutboxEffect.objects.values_list("state", flat=True)) == {"done", "orphaned"}


def test_a_token_taken_by_a_migration_closes_the_case_that_worked_for_it() -> None:
    define(DECIDE, id="below")
    token = above()
    below = child(token)
    services.update_workflow(
        "flow",
        {
            "name": "Flow",
            "places": ["a", "b"],
            "initialPlace": "a",
            "transitions": [{"id": "go", "fromPlaces": ["a"], "toPlace": "b"}],
        },
    )
    (moved,) = services.migrate_cases("flow", 2, {"ask.running": "a"}).cases
    assert moved.outcome == "migrated"
    work()
    assert kinds(below) == ["token_created", "case_cancelled"]


def test_work_that_only_begins_to_wait_after_its_token_has_left_waits_for_nothing(handle: Any) -> None:
    define(step(outcomes={"cancelled": ["c"]}))
    token = services.create_token("flow")
    run = outbox.claim(str(OutboxEffect.objects.get().pk), timezone.now())
    assert run is not None
    services.fire(str(token.pk), "ask.cancelled")
    assert services.complete(run.id, run.attempt, EffectResult(outcome="waiting")) == services.ORPHANED
    assert OutboxEffect.objects.get().state == OutboxEffect.ORPHANED
    assert services.archive_case(token.case_id, timezone.now())
