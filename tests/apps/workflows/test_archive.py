"""Finished cases leave the hot tables whole and can still be read; log, rows and states are compared and repaired."""

import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from tests.apps.workflows.asking import ask, refused
from tests.apps.workflows.conftest import together
from tests.apps.workflows.finished import SHOWN, finished_case, rows_left
from workflows import outbox, selectors, services, tasks
from workflows.core.errors import CaseArchived
from workflows.core.packing import pack, unpack
from workflows.models import (
    ArchivedLog,
    ArchivedToken,
    Case,
    CaseArchive,
    Firing,
    OutboxEffect,
    Token,
    TokenChange,
    Workflow,
)
from workflows.services import archive

pytestmark = pytest.mark.django_db(transaction=True)


def test_an_archived_case_reads_as_it_did_before(papers: Workflow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "STRETCH", 2)
    services.attach_action("ready", "check", "rules-1")
    token = finished_case()
    effect = OutboxEffect.objects.get()
    outbox.claim(str(effect.pk), effect.available_at)
    services.fail(str(effect.pk), 1, "no", retryable=False)
    before = ask(SHOWN, case=str(token.case_id), token=str(token.pk))
    effect.refresh_from_db()
    assert services.archive_case(token.case_id, timezone.now())
    assert rows_left(token.case_id) == (0, 0, 0, 0)
    assert ArchivedLog.objects.count() == 2
    assert ask(SHOWN, case=str(token.case_id), token=str(token.pk)) == before
    assert [len(each["history"]) for each in before["case"]["tokens"]] == [3, 2]
    (kept,) = selectors.archived_effects(token.case_id)
    for field in OutboxEffect._meta.concrete_fields:
        assert getattr(kept, field.attname) == getattr(effect, field.attname), field.attname


def test_every_column_comes_back_with_its_type(papers: Workflow) -> None:
    token = finished_case()
    tokens = list(Token.objects.filter(case=token.case_id).order_by("created_at", "id"))
    firings = list(Firing.objects.filter(case=token.case_id).order_by("seq"))
    changes = list(TokenChange.objects.filter(firing__case=token.case_id).order_by("firing_id", "id"))
    services.archive_case(token.case_id, timezone.now())
    from workflows.selectors.archive import archived_log, archived_tokens

    found_firings, found_changes = archived_log(token.case_id, 0, 100)
    for stored, found in (
        *zip(tokens, archived_tokens(token.case_id), strict=True),
        *zip(firings, found_firings, strict=True),
        *zip(changes, found_changes, strict=True),
    ):
        for field in stored._meta.concrete_fields:
            one, other = getattr(stored, field.attname), getattr(found, field.attname)
            assert (one, type(one)) == (other, type(other)), field.attname


def test_nothing_moves_in_an_archived_case(papers: Workflow) -> None:
    token = finished_case()
    services.archive_case(token.case_id, timezone.now())
    for act in (
        lambda: services.fire(str(token.pk), "submit"),
        lambda: services.create_token("papers", case_id=str(token.case_id)),
        lambda: services.enqueue("check", "rules", token_id=str(token.pk)),
        lambda: services.rebuild_case(str(token.case_id)),
    ):
        with pytest.raises(CaseArchived, match="is finished and archived"):
            act()
    fire = 'mutation Fire($id: String!) { fireTransition(input: {tokenId: $id, transitionId: "submit"}) { id } }'
    assert refused(fire, id=str(token.pk)).code == "CASE_ARCHIVED"
    case = ask(
        "query C($id: String!) { case(id: $id) { archivedAt transitions { tokenIds reasons { kind } } } }",
        id=str(token.case_id),
    )
    assert case["case"]["archivedAt"] is not None
    assert {way["reasons"][0]["kind"] for way in case["case"]["transitions"]} == {"case_archived"}


def test_only_old_finished_cases_without_work_outside_are_archived(papers: Workflow) -> None:
    now = timezone.now()
    old, young, running, working = finished_case(), finished_case(), services.create_token("papers"), finished_case()
    Case.objects.filter(pk__in=[old.case_id, working.case_id]).update(finished_at=now - timedelta(days=31))
    OutboxEffect.objects.create(
        kind="check", reference="x", case_id=working.case_id, available_at=now, dispatched_at=now, created_at=now
    )
    done = services.archive_finished(now - timedelta(days=30), now, 10)
    assert (done.cases, done.passed_over) == (1, 1)
    archived = set(Case.objects.exclude(archived_at=None).values_list("pk", flat=True))
    assert archived == {old.case_id}
    assert rows_left(young.case_id)[0] == rows_left(working.case_id)[0] == 2
    assert rows_left(running.case_id)[0] == 1


def test_archiving_again_and_from_many_at_once_archives_each_case_once(papers: Workflow) -> None:
    cases = [finished_case().case_id for _ in range(6)]
    now = timezone.now()
    outcomes = together(4, lambda _: services.archive_finished(now, now, 100).cases)
    assert all(isinstance(count, int) for count in outcomes), outcomes
    services.archive_finished(now, now, 100)
    assert CaseArchive.objects.count() == len(cases)
    assert ArchivedToken.objects.count() == 12
    assert [services.archive_case(case_id, now) for case_id in cases] == [False] * 6


def test_a_crash_half_way_leaves_the_case_where_it_was(papers: Workflow, monkeypatch: pytest.MonkeyPatch) -> None:
    token = finished_case()
    before = rows_left(token.case_id)

    def breaks(case: Case) -> None:
        TokenChange.objects.filter(firing__case=case).delete()
        raise ZeroDivisionError

    monkeypatch.setattr(archive, "_delete", breaks)
    with pytest.raises(ZeroDivisionError):
        services.archive_case(token.case_id, timezone.now())
    assert rows_left(token.case_id) == before
    assert CaseArchive.objects.count() == ArchivedLog.objects.count() == ArchivedToken.objects.count() == 0
    monkeypatch.undo()
    assert services.archive_case(token.case_id, timezone.now())


def test_the_archive_knows_every_table_that_points_at_a_case_a_token_or_an_entry() -> None:
    pointing = {
        relation.related_model.__name__ for model in (Case, Token, Firing) for relation in model._meta.related_objects
    }
    assert pointing == {
        *("Token", "Firing", "TokenChange", "OutboxEffect"),
        *("CaseArchive", "ArchivedLog", "ArchivedToken"),
        "HumanTask",  # stays, and points at the case only
    }, "teach services/archive.py the new table"


def test_the_worker_archives_by_the_setting(papers: Workflow, settings: Any) -> None:
    token = finished_case()
    Case.objects.update(finished_at=timezone.now() - timedelta(days=8))
    settings.ARCHIVE_AFTER_DAYS = 0
    assert tasks.archive() == 0
    settings.ARCHIVE_AFTER_DAYS = 9
    assert tasks.archive() == 0
    settings.ARCHIVE_AFTER_DAYS = 7
    assert tasks.archive() == 1
    assert rows_left(token.case_id) == (0, 0, 0, 0)


def test_the_command_archives_to_the_end(papers: Workflow, capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(3):
        finished_case()
    Case.objects.update(finished_at=timezone.now() - timedelta(days=2))
    call_command("archive_cases", "--older-than", "3d")
    assert capsys.readouterr().out.startswith("0 cases archived; none older than")
    call_command("archive_cases", "--older-than", "1d", "--limit", "2")
    call_command("archive_cases", "--older-than", "36h")
    assert [line.split(";")[0] for line in capsys.readouterr().out.splitlines()] == [
        "2 cases archived",
        "1 cases archived",
    ]
    with pytest.raises(CommandError, match="as in 30d"):
        call_command("archive_cases", "--older-than", "soon")


def test_what_was_packed_comes_back_and_other_bytes_are_refused() -> None:
    rows: list[dict[str, Any]] = [{"a": None, "b": [1, 2.5, "ü"]}, {}]
    assert unpack(pack(rows)) == rows
    with pytest.raises(ValueError, match="not the bytes of an archived case"):
        unpack(b"no")


def tampered() -> Token:
    """A case whose rows say something else than its log, in every way rows can."""
    token = finished_case()
    Token.objects.filter(pk=token.pk).update(data={"stolen": True}, place="approved", version=9)
    Token.objects.filter(case=token.case_id).exclude(pk=token.pk).update(state=Token.LIVE)
    extra = Token.objects.get(pk=token.pk)
    extra.pk = uuid.uuid4()
    extra.save(force_insert=True)
    Case.objects.filter(pk=token.case_id).update(state=Case.OPEN, finished_at=None)
    return token


def test_rows_are_compared_with_the_log_and_rebuilt_from_it(papers: Workflow) -> None:
    healthy, token = finished_case(), tampered()
    assert services.rebuild_case(str(healthy.case_id)).differences == ()
    looked = services.rebuild_case(str(token.case_id), check_only=True)
    assert (len(looked.differences), looked.repaired, looked.damaged) == (3, False, False)
    assert Token.objects.get(pk=token.pk).data == {"stolen": True}
    assert services.rebuild_case(str(token.case_id)).repaired
    again = Token.objects.get(pk=token.pk)
    for field in Token._meta.concrete_fields:
        assert getattr(again, field.attname) == getattr(token, field.attname), field.attname
    assert selectors.fold_log(token.case_id) == selectors.stored_marking(token.case_id)
    assert Case.objects.get(pk=token.case_id).state == Case.FINISHED
    assert services.rebuild_case(str(token.case_id)).differences == ()


def test_a_damaged_log_is_told_and_nothing_is_repaired(papers: Workflow) -> None:
    token = finished_case()
    TokenChange.objects.filter(firing__case=token.case_id, produced_version=2).update(consumed_version=7)
    Token.objects.filter(pk=token.pk).update(place="draft")
    found = services.rebuild_case(str(token.case_id))
    assert (found.damaged, found.repaired) == (True, False)
    assert found.differences == (f"Entry 2: token {token.pk} version 7 is consumed but is there as version 1.",)
    assert Token.objects.get(pk=token.pk).place == "draft"


def test_the_command_checks_then_repairs(papers: Workflow, capsys: pytest.CaptureFixture[str]) -> None:
    finished_case()
    token = tampered()
    with pytest.raises(SystemExit) as ended:
        call_command("rebuild_tokens", "--check")
    assert ended.value.code == 1
    assert "2 cases looked at, 1 differ, 0 with a damaged log" in capsys.readouterr().out
    call_command("rebuild_tokens", "--case", str(token.case_id))
    assert f"case {token.case_id}: repaired: " in capsys.readouterr().out
    call_command("rebuild_tokens", "--check", "--workflow", "papers")
    assert "2 cases looked at, 0 differ" in capsys.readouterr().out
    with pytest.raises(CommandError, match="There is no case"):
        call_command("rebuild_tokens", "--case", "x")
