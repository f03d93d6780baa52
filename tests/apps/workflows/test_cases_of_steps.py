"""Cases with steps, timers and shared places: migrated, archived, rebuilt and shown like any other."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from workflows import outbox, selectors, services
from workflows.core.effects import EffectResult
from workflows.core.errors import BadInput
from workflows.models import Case, OutboxEffect, Token, WorkflowVersion

pytestmark = pytest.mark.django_db(transaction=True)

JOBS: dict[str, Any] = {
    "id": "jobs",
    "name": "Jobs",
    "places": ["asked", "done", {"id": "desks", "scope": "workflow"}],
    "initialPlace": "asked",
    "transitions": [
        {
            "id": "work",
            "kind": "function",
            "start": "manual",
            "inputs": ["asked", "desks"],
            "outputs": ["done", "desks"],
            "work": {"function": "compute"},
            "outcomes": {"failed": ["asked", "desks"]},
        },
        {"id": "remind", "kind": "timer", "fromPlaces": ["asked"], "toPlace": "asked", "deadline": "P7D"},
    ],
}
LATER: dict[str, Any] = {
    **JOBS,
    "places": [*JOBS["places"], "checked"],
    "transitions": [
        *JOBS["transitions"],
        {"id": "check", "kind": "automatic", "fromPlaces": ["done"], "toPlace": "checked"},
    ],
}


@pytest.fixture
def job() -> Token:
    services.create_workflow(JOBS)
    services.create_token("jobs", place="desks")
    return services.create_token("jobs", data={"title": "A"})


def migrate(**asked: Any) -> list[services.CaseMigration]:
    return list(services.migrate_cases("jobs", 2, **asked).cases)


def begun(job: Token) -> OutboxEffect:
    services.fire(str(job.pk), "work")
    return OutboxEffect.objects.get(step="work")


def agrees(case_id: Any) -> bool:
    return selectors.fold_log(case_id) == selectors.stored_marking(case_id)


def test_a_step_under_way_goes_on_in_the_new_version_and_what_is_automatic_there_fires(job: Token) -> None:
    effect = begun(job)
    run = outbox.claim(str(effect.pk), effect.available_at)
    assert run is not None
    services.update_workflow("jobs", LATER)
    (moved,) = migrate()
    assert (moved.outcome, moved.marking) == ("migrated", {"work.running": 1})
    assert services.complete(run.id, run.attempt, EffectResult({"answer": 42})) == services.COMPLETED
    after = Token.objects.get(pk=job.pk)
    assert (after.place, after.data["answer"]) == ("checked", 42)
    assert agrees(job.case_id)


def test_what_is_automatic_in_the_new_version_fires_with_the_migration(job: Token) -> None:
    services.update_workflow("jobs", LATER)
    (moved,) = migrate(mapping={"asked": "done"})
    assert (moved.outcome, moved.marking) == ("migrated", {"checked": 1})
    assert [entry.kind for entry in selectors.log_of_case(job.case, 0, 10)] == [
        "token_created",
        "case_migrated",
        "transition_fired",
    ]
    assert agrees(job.case_id)
    assert services.rebuild_case(str(job.case_id)).differences == ()


def test_a_case_counts_on_what_lies_in_shared_places(job: Token) -> None:
    services.update_workflow("jobs", LATER)
    (told,) = migrate(dry_run=True)
    assert (told.outcome, told.warning) == ("would_migrate", "")


def test_the_holder_of_shared_places_is_no_case_to_list_or_move(job: Token) -> None:
    services.update_workflow("jobs", LATER)
    assert [each.case_id for each in migrate()] == [str(job.case_id)]
    assert [case.pk for case in selectors.cases("jobs", None, 10)] == [job.case_id]
    holder = Case.objects.get(scope="workflow")
    assert holder.version == WorkflowVersion.objects.get(number=1)
    assert services.rebuild_case(str(holder.pk)).differences == ()


def test_tokens_are_not_mapped_into_a_step_or_a_shared_place(job: Token) -> None:
    services.update_workflow("jobs", LATER)
    with pytest.raises(BadInput, match="holds tokens of a step under way"):
        migrate(mapping={"asked": "work.running"})
    (told,) = migrate(mapping={"asked": "desks"})
    assert (told.outcome, told.reason) == (
        "refused",
        '"desks" is shared in the new version; map it to a place of the case',
    )


def test_a_step_that_is_gone_is_mapped_back_and_its_work_is_orphaned(job: Token) -> None:
    effect = begun(job)
    without = {
        **JOBS,
        "transitions": [
            {"id": "skip", "fromPlaces": ["asked"], "toPlace": "done"},
            {"id": "sit", "inputs": ["desks"], "outputs": ["desks"]},
        ],
    }
    services.update_workflow("jobs", without)
    assert migrate()[0].reason == 'the new version has no place "work.running"; map it to another'
    assert migrate(mapping={"work.running": "asked"})[0].outcome == "migrated"
    effect.refresh_from_db()
    assert effect.state == OutboxEffect.ORPHANED
    assert Token.objects.get(pk=job.pk).place == "asked"
    assert agrees(job.case_id)


def test_a_timer_keeps_no_finished_case_out_of_the_archive(job: Token) -> None:
    assert OutboxEffect.objects.filter(case=job.case_id, kind="wake", state="pending").exists()
    effect = begun(job)
    run = outbox.claim(str(effect.pk), effect.available_at)
    assert run is not None
    assert not services.archive_case(job.case_id, timezone.now())
    services.complete(run.id, run.attempt, EffectResult({"answer": 42}))
    assert Case.objects.get(pk=job.case_id).state == Case.FINISHED
    assert services.archive_case(job.case_id, timezone.now())
    assert not services.archive_case(Case.objects.get(scope="workflow").pk, timezone.now())


def test_the_case_page_shows_a_step_that_waits_and_shared_tokens(job: Token) -> None:
    client = Client()
    client.force_login(User.objects.create_superuser("ada"))
    address = f"/admin/workflows/case/{job.case_id}/change/"
    page = client.get(address).content.decode()
    assert "1 in asked, 1 in desks" in page
    assert 'name="transition" value="work"' in page
    effect = begun(job)
    run = outbox.claim(str(effect.pk), effect.available_at)
    assert run is not None
    services.complete(run.id, run.attempt, EffectResult(outcome="waiting"))
    page = client.get(address).content.decode()
    assert "waiting" in page and "compute" in page
    assert client.get("/admin/workflows/workflow/jobs/change/").status_code == 200
    assert client.get("/admin/workflows/case/").status_code == 200
