"""Running cases move to another version only where that is safe, wholly or not at all."""

import threading
import time
from typing import Any

import pytest
from django.db import connection, transaction

from tests.apps.workflows.conftest import together
from tests.apps.workflows.renaming import RENAMED, in_review, migrate
from workflows import outbox, selectors, services
from workflows.core.effects import EffectResult
from workflows.core.errors import BadInput
from workflows.models import Case, Firing, OutboxEffect, Token, Workflow, WorkflowVersion

pytestmark = pytest.mark.django_db(transaction=True)


def test_running_cases_move_with_their_marking_and_their_log_still_tells_it(papers: Workflow) -> None:
    token = in_review()
    services.update_workflow("papers", RENAMED)
    done = migrate()[str(token.case_id)]
    assert (done.outcome, done.from_version, done.marking) == ("migrated", 1, {"reading": 1})
    moved = Token.objects.get(pk=token.pk)
    assert (moved.place, moved.version, moved.entered_seq, moved.data) == ("reading", 3, 3, {"title": "A"})
    entry = Firing.objects.get(case=token.case, seq=3)
    assert (entry.kind, entry.from_place, entry.to_place) == ("case_migrated", "review", "reading")
    assert entry.data == {"fromVersion": 1, "toVersion": 2, "mapping": {"review": "reading"}}
    assert selectors.fold_log(token.case_id) == selectors.stored_marking(token.case_id)
    assert Case.objects.get().version.number == 2
    assert services.fire(str(token.pk), "approve").case.state == "finished"
    assert migrate() == {}


def test_a_token_whose_place_keeps_its_name_is_not_touched(papers: Workflow) -> None:
    token = services.create_token("papers")
    services.update_workflow("papers", RENAMED)
    assert migrate()[str(token.case_id)].outcome == "migrated"
    kept = Token.objects.get()
    assert (kept.version, kept.entered_seq, kept.place) == (1, 1, "draft")
    assert Firing.objects.get(seq=2).kind == "case_migrated"
    assert selectors.fold_log(token.case_id) == selectors.stored_marking(token.case_id)


def test_a_dry_run_says_the_same_and_changes_nothing(papers: Workflow) -> None:
    token = in_review()
    services.update_workflow("papers", RENAMED)
    told = migrate(dry_run=True)[str(token.case_id)]
    assert (told.outcome, told.marking) == ("would_migrate", {"reading": 1})
    assert migrate(dry_run=True, mapping={})[str(token.case_id)].outcome == "refused"
    assert (Case.objects.get().version.number, Firing.objects.count()) == (1, 2)


def test_a_case_that_could_no_longer_finish_stays_where_it_is(papers: Workflow) -> None:
    split = services.create_token("papers")
    services.fire(str(split.pk), "split")
    plain = in_review()
    without_join = {
        **RENAMED,
        "transitions": [*RENAMED["transitions"][:2], {"id": "legal_ok", "inputs": ["legal", "draft"]}],
    }
    services.update_workflow("papers", without_join)
    done = migrate(force=True)
    assert done[str(plain.case_id)].outcome == "migrated"
    stuck = done[str(split.case_id)]
    assert stuck.outcome == "refused"
    assert stuck.reason == "the case could never finish by the new version; it would end with legal: 1, approved: 1"
    assert (stuck.trace, stuck.before) == (("approve",), ("join",))
    assert Case.objects.get(pk=split.case_id).version.number == 1
    assert services.fire(str(split.pk), "join").place == "ready"


def test_what_is_not_known_is_refused_unless_forced(papers: Workflow, monkeypatch: pytest.MonkeyPatch) -> None:
    token = services.create_token("papers")
    services.update_workflow(
        "papers",
        {
            **RENAMED,
            "transitions": [
                {"id": "more", "inputs": ["draft"], "outputs": ["draft", "legal"]},
                {"id": "end", "inputs": ["draft", "ready"], "outputs": ["approved"]},
                {"id": "sign", "inputs": ["legal", "ready"], "outputs": []},
            ],
        },
    )
    refused_case = migrate(mapping={})[str(token.case_id)]
    assert (refused_case.outcome, "is not known" in refused_case.reason) == ("refused", True)
    forced = migrate(mapping={}, force=True)[str(token.case_id)]
    assert (forced.outcome, "it was forced" in forced.warning) == ("migrated", True)


def test_effects_of_a_moved_token_are_orphaned_and_the_new_place_asks_for_its_own(papers: Workflow) -> None:
    services.attach_action("review", "check", "rules-1")
    services.update_workflow("papers", RENAMED)
    services.attach_action("reading", "check", "rules-2")
    Workflow.objects.filter(pk="papers").update(current=WorkflowVersion.objects.get(number=1))
    waiting, running = in_review(), in_review()
    claimed = OutboxEffect.objects.get(token=running)
    run = outbox.claim(str(claimed.pk), claimed.available_at)
    assert run is not None
    assert {each.outcome for each in migrate().values()} == {"migrated"}
    states = {effect.reference: effect.state for effect in OutboxEffect.objects.filter(token=waiting)}
    assert states == {"rules-1": "orphaned", "rules-2": "pending"}
    assert services.complete(run.id, run.attempt, EffectResult({"verdict": "late"})) == services.ORPHANED
    moved = Token.objects.get(pk=running.pk)
    assert (moved.place, "verdict" in moved.data) == ("reading", False)
    assert selectors.fold_log(running.case_id) == selectors.stored_marking(running.case_id)


def test_effects_of_a_token_that_stays_go_on(papers: Workflow) -> None:
    services.attach_action("draft", "check", "rules-1")
    token = services.create_token("papers")
    effect = OutboxEffect.objects.get()
    run = outbox.claim(str(effect.pk), effect.available_at)
    assert run is not None
    services.update_workflow("papers", RENAMED)
    migrate()
    assert (
        services.complete(run.id, run.attempt, EffectResult({"verdict": "good"}, fire="submit")) == services.COMPLETED
    )
    moved = Token.objects.get(pk=token.pk)
    assert (moved.place, moved.data) == ("reading", {"verdict": "good"})


def test_a_case_may_finish_or_reopen_by_migration(papers: Workflow) -> None:
    token = services.create_token("papers", place="ready")
    assert token.case.state == "finished"
    other = in_review()
    last = {**RENAMED, "transitions": [{"id": "submit", "fromPlaces": ["draft"], "toPlace": "reading"}]}
    services.update_workflow("papers", last)
    assert list(migrate()) == [str(other.case_id)]
    case = Case.objects.get(pk=other.case_id)
    assert (case.state, case.finished_at is not None) == ("finished", True)


def test_a_failure_of_one_case_is_reported_and_the_others_move(
    papers: Workflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    from workflows.core.errors import TokenConflict
    from workflows.services import migration

    bad, good = in_review(), in_review()
    services.update_workflow("papers", RENAMED)
    real = migration.append

    def breaks(case: Case, *rest: Any) -> Any:
        if case.pk == bad.case_id:
            real(case, *rest)
            raise TokenConflict("another was faster")
        return real(case, *rest)

    monkeypatch.setattr(migration, "append", breaks)
    done = migrate()
    assert (done[str(bad.case_id)].outcome, done[str(good.case_id)].outcome) == ("failed", "migrated")
    assert done[str(bad.case_id)].reason == "TokenConflict: another was faster"
    assert Case.objects.get(pk=bad.case_id).version.number == 1
    assert selectors.fold_log(bad.case_id) == selectors.stored_marking(bad.case_id)


def test_firing_and_migrating_at_once_never_mix_versions(papers: Workflow) -> None:
    tokens = [in_review() for _ in range(4)]
    services.update_workflow("papers", RENAMED)

    def act(number: int) -> Any:
        if number == 4:
            return migrate()
        return services.fire(str(tokens[number].pk), "approve")

    outcomes = together(5, act)
    assert all(isinstance(outcome, Token) for outcome in outcomes[:4]), outcomes
    for token in tokens:
        assert Token.objects.get(pk=token.pk).place == "approved"
        assert selectors.fold_log(token.case_id) == selectors.stored_marking(token.case_id)


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has one writer at a time")
def test_a_case_that_moves_while_its_lock_is_waited_for_is_fired_in_its_new_version(papers: Workflow) -> None:
    token = in_review()
    services.update_workflow("papers", RENAMED)
    moved = threading.Event()

    def act(number: int) -> Any:
        if number == 1:
            assert moved.wait(10)
            return services.fire(str(token.pk), "approve")
        with transaction.atomic():
            migrate()
            moved.set()
            until_somebody_waits_for_a_lock()
        return None

    _, fired = together(2, act)
    assert isinstance(fired, Token), fired
    assert Case.objects.get(pk=token.case_id).version.number == 2
    assert selectors.fold_log(token.case_id) == selectors.stored_marking(token.case_id)


def until_somebody_waits_for_a_lock() -> None:
    deadline = time.monotonic() + 10
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    with connection.cursor() as cursor:
        while time.monotonic() < deadline:
            cursor.execute(waiting)
            if cursor.fetchone()[0]:
                return
            time.sleep(0.01)
    raise AssertionError("nobody waits for the case's lock")


def test_cases_are_moved_page_by_page_and_by_id(papers: Workflow) -> None:
    tokens = [in_review() for _ in range(5)]
    services.update_workflow("papers", RENAMED)
    only = migrate(case_ids=[str(tokens[0].case_id)])
    assert list(only) == [str(tokens[0].case_id)]
    page = services.migrate_cases("papers", 2, {"review": "reading"}, first=2)
    assert (len(page.cases), page.has_more) == (2, True)
    rest = services.migrate_cases("papers", 2, {"review": "reading"}, first=2, after=page.end_cursor)
    assert (len(rest.cases), rest.has_more) == (2, False)
    assert Case.objects.filter(version__number=2).count() == 5


def test_bad_input_is_named(papers: Workflow) -> None:
    services.update_workflow("papers", RENAMED)
    for mapping, message in (
        ({"reviw": "reading"}, "mapping: no version has a place 'reviw'; did you mean \"review\"?"),
        ({"review": "reeding"}, "mapping.review: the new version has no place 'reeding'; did you mean \"reading\"?"),
        ({"review": 3}, "mapping.review: the new version has no place '3'"),
    ):
        with pytest.raises(BadInput) as caught:
            migrate(mapping=mapping)
        assert str(caught.value).startswith(message)
    for asked, message in (
        ({"to": 9}, "toVersion: workflow 'papers' has no version 9"),
        ({"case_ids": ["x"]}, "caseIds: 'x' is no case id"),
        ({"after": "x"}, "after: 'x' is no case id"),
    ):
        with pytest.raises(BadInput, match=message):
            migrate(**asked)  # type: ignore[arg-type]
