"""People's tasks: opened once, ended once, by whom they are for, with an answer that fits, or by the clock."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from tests.apps.workflows.conftest import together
from tests.apps.workflows.signing import log_of, opened, signing, token_of
from workflows import selectors, services, tasks
from workflows.core.errors import (
    BadDefinition,
    BadInput,
    FormInvalid,
    TaskConflict,
    TaskNotYours,
    WorkflowError,
)
from workflows.core.marking import Change
from workflows.models import Firing, HumanTask, OutboxEffect
from workflows.services.journal import Entry, append, lock_case

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_token_at_a_human_step_opens_one_task_that_shows_what_the_step_says() -> None:
    task = opened(assignee="bob", deadline="P1D", escalation={"after": "PT1H", "group": "bosses"})
    assert (task.title, task.transition, task.state, task.assignee) == ("Sign the contract", "sign", "open", "bob")
    assert (task.data, task.form["required"]) == ({"name": "Ann"}, ["approved"])
    assert task.deadline is not None and task.escalate_at is not None
    assert (task.deadline - task.created_at, task.escalate_at - task.created_at) == (
        timedelta(days=1),
        timedelta(hours=1),
    )
    assert task.escalation == {"group": "bosses"}
    assert token_of(task).place == "sign.running"
    assert log_of(task) == [("task_created", "")]


def test_whom_it_is_for_can_be_said_by_the_token() -> None:
    boss = {"after": "PT1H", "assignee": {"expression": "data.boss"}}
    services.create_workflow(signing(assignee={"expression": "data.owner"}, escalation=boss))
    for owner, boss_of_it in (("ann", "eve"), ("bob", "zoe")):
        services.create_token("contract", data={"name": "A", "owner": owner, "boss": boss_of_it})
    for effect in OutboxEffect.objects.all():
        assert tasks.run_effect(str(effect.pk)) == "waiting"
    people = set(HumanTask.objects.values_list("assignee", "escalation__assignee"))
    assert people == {("ann", "eve"), ("bob", "zoe")}
    task = HumanTask.objects.get(assignee="ann")
    assert services.escalate_task(str(task.pk)).assignee == "eve"
    with pytest.raises(TaskNotYours):
        services.claim_task(str(task.pk), "ann")
    assert services.claim_task(str(task.pk), "eve").claimed_by == "eve"


def test_a_token_that_names_nobody_stays_before_the_step_and_it_is_told_why() -> None:
    services.create_workflow(signing(assignee={"expression": "data.owner"}))
    token = services.create_token("contract", data={"name": "A", "owner": 7})
    assert (token.place, OutboxEffect.objects.count()) == ("new", 0)
    said = {"kind": "expression", "path": "work.assignee"}
    said["message"] = "work.assignee of the step: data.owner: gives a number, and must give a string"
    assert selectors.why_not_enabled(str(token.pk), "sign") == [said]
    (way, *_) = selectors.transitions_of_case(token.case)
    assert (way.token_ids, way.reasons) == ((), (said,))
    mended = services.fire(str(token.pk), "sign", {"owner": "ann"})
    assert mended.place == "sign.running"


def test_completing_it_sends_the_token_on_with_the_answer() -> None:
    task = opened(assignee="bob")
    services.claim_task(str(task.pk), "bob")
    done = services.complete_task(str(task.pk), "bob", {"approved": True, "note": "fine"})
    assert (done.state, done.completed_by, done.result) == ("completed", "bob", {"approved": True, "note": "fine"})
    token = token_of(task)
    assert token.data == {"name": "Ann", "salary": 7, "approved": True, "note": "fine"}
    assert log_of(task) == [("task_created", ""), ("task_claimed", "bob"), ("task_completed", "bob")]
    assert (token.place, OutboxEffect.objects.get().state) == ("signed", "done")
    assert selectors.fold_log(token.case_id) == selectors.stored_marking(token.case_id)


def test_the_same_answer_once_more_changes_nothing_and_another_is_refused() -> None:
    task = opened()
    services.complete_task(str(task.pk), "bob", {"approved": True})
    assert services.complete_task(str(task.pk), "bob", {"approved": True}).state == "completed"
    for user, answer in (("bob", {"approved": False}), ("eve", {"approved": True})):
        with pytest.raises(TaskConflict, match=r"is completed by bob\."):
            services.complete_task(str(task.pk), user, answer)
    with pytest.raises(TaskConflict):
        services.claim_task(str(task.pk), "eve")
    assert Firing.objects.filter(kind=Firing.TASK_COMPLETED).count() == 1


def test_of_six_people_who_complete_it_at_once_one_succeeds() -> None:
    task = opened()
    people = [f"p{number}" for number in range(6)]
    outcomes = together(6, lambda n: services.complete_task(str(task.pk), people[n], {"approved": n % 2 == 0}))
    won = [each for each in outcomes if isinstance(each, HumanTask)]
    lost = [each for each in outcomes if isinstance(each, WorkflowError)]
    assert (len(won), len(lost), {each.code for each in lost}) == (1, 5, {"TASK_CONFLICT"})
    assert token_of(task).data["approved"] == (won[0].result or {})["approved"]
    assert Firing.objects.filter(kind=Firing.TASK_COMPLETED).count() == 1


def test_an_answer_that_does_not_fit_is_refused_with_paths_and_nothing_changes() -> None:
    task = opened()
    with pytest.raises(FormInvalid) as caught:
        services.complete_task(str(task.pk), "bob", {"note": "x" * 21, "until": "soon", "salary": 1_000_000})
    assert caught.value.details["violations"] == [
        {"path": "", "message": "lacks 'approved'"},
        {"path": "", "message": "may not have 'salary'"},
        {"path": "note", "message": "must have at most 20 characters"},
        {"path": "until", "message": 'must have the format "date"'},
    ]
    assert (HumanTask.objects.get().state, token_of(task).place) == ("open", "sign.running")
    with pytest.raises(BadInput):
        services.complete_task(str(task.pk), "bob", {"approved": float("nan")})
    with pytest.raises(BadInput):
        services.complete_task(str(task.pk), "", {"approved": True})


def test_without_a_form_there_is_nothing_to_say_but_that_it_is_done() -> None:
    task = opened(form={})
    with pytest.raises(FormInvalid, match="may not have 'salary'"):
        services.complete_task(str(task.pk), "bob", {"salary": 1_000_000})
    assert services.complete_task(str(task.pk), "bob").result == {}


def test_a_deadline_that_passes_is_the_outcome_timeout() -> None:
    task = opened(deadline="PT1H")
    tasks.sweep()
    assert HumanTask.objects.get().state == "open"
    HumanTask.objects.update(deadline=timezone.now())
    tasks.sweep()
    tasks.sweep()
    assert (HumanTask.objects.get().state, token_of(task).place) == ("expired", "late")
    assert log_of(task) == [("task_created", ""), ("task_expired", "deadline")]
    with pytest.raises(TaskConflict, match="is expired"):
        services.complete_task(str(task.pk), "bob", {"approved": True})


def test_a_person_and_the_deadline_at_the_same_moment_end_it_once() -> None:
    task = opened(deadline="PT1H")
    HumanTask.objects.update(deadline=timezone.now())
    outcomes = together(
        4,
        lambda n: tasks.sweep() if n % 2 else services.complete_task(str(task.pk), "bob", {"approved": True}),
    )
    assert all(isinstance(each, int | HumanTask | TaskConflict) for each in outcomes), outcomes
    assert (HumanTask.objects.get().state, token_of(task).place) in (("completed", "signed"), ("expired", "late"))
    assert Firing.objects.filter(kind__in=(Firing.TASK_COMPLETED, Firing.TASK_EXPIRED)).count() == 1


def test_a_token_that_leaves_takes_its_task_along() -> None:
    task = opened()
    services.fire(str(task.token_id), "sign.cancelled")
    with pytest.raises(TaskConflict, match="is cancelled"):
        services.complete_task(str(task.pk), "bob", {"approved": True})
    assert (HumanTask.objects.get().state, token_of(task).data) == ("cancelled", {"name": "Ann", "salary": 7})


@pytest.mark.parametrize("looked_at", [True, False])
def test_a_task_whose_token_was_taken_unseen_is_cancelled_when_somebody_wants_it_or_soon(looked_at: bool) -> None:
    task = opened()
    with transaction.atomic():  # as the migration of a case may do it
        case, token = lock_case(task.case_id), selectors.value_of(token_of(task))
        append(case, Entry(Firing.MIGRATED, token.id, timezone.now()), Change((token,), ()))
    if looked_at:
        with pytest.raises(TaskConflict, match="its token has left the step"):
            services.claim_task(str(task.pk), "bob")
    else:
        assert tasks.tidy() == 1
    assert HumanTask.objects.get().state == "cancelled"
    assert log_of(task)[-1] == ("task_cancelled", "")
    assert tasks.tidy() == 0


def test_a_worker_that_died_before_it_could_say_that_it_waits_opens_no_second_task() -> None:
    first = opened()
    OutboxEffect.objects.update(state="running", lease_until=timezone.now() - timedelta(seconds=1))
    assert tasks.run_effect(str(first.effect_id)) == "waiting"
    task = HumanTask.objects.get()
    assert (task.pk, task.attempt) == (first.pk, 2)
    assert services.complete_task(str(task.pk), "bob", {"approved": True}).state == "completed"


def test_an_answer_that_found_no_room_is_handed_in_again() -> None:
    narrow = signing()
    narrow["places"] = ["new", {"id": "signed", "capacity": 1}, "late"]
    narrow["transitions"] += [{"id": "take", "fromPlaces": ["signed"], "toPlace": "late"}]
    services.create_workflow(narrow)
    waiting = services.create_token("contract", data={"name": "Ann"})
    there = services.create_token("contract", place="signed", case_id=str(waiting.case_id))
    effect = OutboxEffect.objects.get()
    assert tasks.run_effect(str(effect.pk)) == "waiting"
    task = HumanTask.objects.get()
    services.complete_task(str(task.pk), "bob", {"approved": True})
    effect.refresh_from_db()
    assert (effect.state, token_of(task).place) == ("failed", "sign.running")
    services.fire(str(there.pk), "take")
    assert services.retry_now(str(effect.pk))
    effect.refresh_from_db()
    assert (effect.state, effect.error) == ("done", ""), "the answer is handed in, and nobody asked again"
    assert (token_of(task).place, token_of(task).data) == ("signed", {"name": "Ann", "approved": True})
    assert HumanTask.objects.get().completed_by == "bob"


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({"type": "array"}, 'transitions[0].work.form.type: the answer to a form is an object: write "object"'),
        ({"properties": {"a": {"type": "txt"}}}, "transitions[0].work.form.properties.a.type: "),
        ({"properties": {"a": {"pattern": "(a+)+$"}}}, "form.properties.a.pattern: is not allowed here"),
        ({"properties": {"a": {"$ref": "#"}}}, "form.properties.a.$ref: is not allowed here"),
    ],
)
def test_a_form_that_cannot_be_used_is_refused_with_the_workflow(form: dict[str, Any], said: str) -> None:
    with pytest.raises(BadDefinition) as caught:
        services.create_workflow(signing(form=form))
    assert said in str(caught.value)
