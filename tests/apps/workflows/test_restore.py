"""Archived cases come back as they were, once, wholly or not at all, and can go on then."""

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db.models import Model
from django.utils import timezone

from tests.apps.workflows.asking import ask
from tests.apps.workflows.conftest import together
from tests.apps.workflows.finished import SHOWN, finished_case, rows_left
from workflows import outbox, selectors, services, tasks
from workflows.core.errors import CaseArchived, CaseNotFound
from workflows.core.marking import DamagedLog
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
from workflows.services import archive, restore

pytestmark = pytest.mark.django_db(transaction=True)


def archived() -> Token:
    token = finished_case()
    assert services.archive_case(token.case_id, timezone.now())
    return token


def columns(case_id: uuid.UUID) -> dict[str, list[dict[str, Any]]]:
    """Every row of the case in the hot tables."""
    rows: tuple[tuple[type[Model], dict[str, Any]], ...] = (
        (Token, {"case": case_id}),
        (Firing, {"case": case_id}),
        (TokenChange, {"firing__case": case_id}),
        (OutboxEffect, {"case": case_id}),
    )
    return {
        model.__name__: list(model._default_manager.filter(**of_it).order_by("pk").values()) for model, of_it in rows
    }


def archive_is_empty() -> bool:
    return not any(model.objects.exists() for model in (CaseArchive, ArchivedLog, ArchivedToken))


def test_every_row_comes_back_as_it_was(papers: Workflow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "STRETCH", 2)
    services.attach_action("ready", "check", "rules-1")
    token = finished_case()
    effect = OutboxEffect.objects.get()
    outbox.claim(str(effect.pk), effect.available_at)
    services.fail(str(effect.pk), 1, "no", retryable=False)
    before, shown = columns(token.case_id), ask(SHOWN, case=str(token.case_id), token=str(token.pk))
    assert services.archive_case(token.case_id, timezone.now())
    assert rows_left(token.case_id) == (0, 0, 0, 0)
    assert services.restore_case(str(token.case_id), timezone.now()) is True
    assert columns(token.case_id) == before
    assert ask(SHOWN, case=str(token.case_id), token=str(token.pk)) == shown
    assert archive_is_empty()
    assert services.rebuild_case(str(token.case_id)).differences == ()
    assert services.restore_case(str(token.case_id), timezone.now()) is False
    assert columns(token.case_id) == before


def test_a_restored_case_goes_on_and_its_log_with_it(papers: Workflow) -> None:
    token = archived()
    with pytest.raises(CaseArchived, match=r"manage\.py restore_cases"):
        services.create_token("papers", case_id=str(token.case_id))
    services.restore_case(str(token.case_id), timezone.now())
    late = services.create_token("papers", case_id=str(token.case_id))
    services.fire(str(late.pk), "submit")
    case = Case.objects.get(pk=token.case_id)
    assert (case.state, case.archived_at, case.last_seq) == (Case.OPEN, None, 5)
    seqs = list(Firing.objects.filter(case=case).order_by("id").values_list("seq", flat=True))
    assert seqs == [1, 2, 3, 4, 5]
    assert selectors.fold_log(case.pk) == selectors.stored_marking(case.pk)


def test_nobody_is_told_again_of_what_came_back(papers: Workflow) -> None:
    services.add_webhook_subscription("crm", "https://crm.example.com/")
    token = finished_case()
    tasks.sweep()
    told = OutboxEffect.objects.filter(kind="webhook").count()
    services.archive_case(token.case_id, timezone.now())
    services.restore_case(str(token.case_id), timezone.now())
    for _ in range(3):
        tasks.sweep()
    assert OutboxEffect.objects.filter(kind="webhook").count() == told == 3


def test_it_stays_for_as_long_as_a_case_that_has_just_finished(papers: Workflow, settings: Any) -> None:
    settings.ARCHIVE_AFTER_DAYS = 30
    token = finished_case()
    Case.objects.update(finished_at=timezone.now() - timedelta(days=40))
    assert tasks.archive() == 1
    services.restore_case(str(token.case_id), timezone.now())
    assert tasks.archive() == 0
    Case.objects.update(restored_at=timezone.now() - timedelta(days=31))
    assert tasks.archive() == 1
    assert rows_left(token.case_id) == (0, 0, 0, 0)


def test_a_crash_half_way_leaves_it_in_the_archive(papers: Workflow, monkeypatch: pytest.MonkeyPatch) -> None:
    token = archived()

    def breaks(case: Case) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(restore, "_put_back_log", breaks)
    with pytest.raises(ZeroDivisionError):
        services.restore_case(str(token.case_id), timezone.now())
    assert rows_left(token.case_id) == (0, 0, 0, 0)
    monkeypatch.undo()
    assert services.restore_case(str(token.case_id), timezone.now())
    assert rows_left(token.case_id)[:3] == (2, 3, 5)


@pytest.mark.parametrize("missing", ["the last stretch", "an entry"])
def test_an_archive_with_a_gap_is_told_and_left_alone(
    papers: Workflow, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    monkeypatch.setattr(archive, "STRETCH", 2)
    token = archived()
    if missing == "an entry":
        part = ArchivedLog.objects.get(first_seq=1)
        part.entries = pack(unpack(part.entries)[1:])
        part.save()
    else:
        ArchivedLog.objects.get(first_seq=3).delete()
    last = 0 if missing == "an entry" else 2
    with pytest.raises(DamagedLog, match=f"case {token.case_id} breaks off after entry {last}"):
        services.restore_case(str(token.case_id), timezone.now())
    assert rows_left(token.case_id) == (0, 0, 0, 0)
    assert selectors.token(str(token.pk)) is not None


def test_restoring_and_archiving_at_once_leave_each_case_whole(papers: Workflow) -> None:
    tokens = [archived() for _ in range(4)]
    before = [ask(SHOWN, case=str(token.case_id), token=str(token.pk)) for token in tokens]

    def act(number: int) -> int:
        moved = 0
        for _ in range(3):
            for token in tokens:
                one: Callable[[], bool] = (
                    (lambda: services.restore_case(str(token.case_id), timezone.now()))  # noqa: B023
                    if number % 2
                    else (lambda: services.archive_case(token.case_id, timezone.now()))  # noqa: B023
                )
                moved += one()
        return moved

    outcomes = together(6, act)
    assert all(isinstance(each, int) for each in outcomes), outcomes
    for token, shown in zip(tokens, before, strict=True):
        services.restore_case(str(token.case_id), timezone.now())
        assert ask(SHOWN, case=str(token.case_id), token=str(token.pk)) == shown
        assert services.rebuild_case(str(token.case_id)).differences == ()
    assert archive_is_empty()


def test_of_six_who_restore_one_case_at_once_one_does(papers: Workflow) -> None:
    token = archived()
    outcomes = together(6, lambda _: services.restore_case(str(token.case_id), timezone.now()))
    assert sorted(outcomes) == [False] * 5 + [True]
    assert rows_left(token.case_id)[:3] == (2, 3, 5)


def test_the_command_restores_what_it_is_told(papers: Workflow, capsys: pytest.CaptureFixture[str]) -> None:
    one, two = archived(), finished_case()
    with pytest.raises(CommandError, match="There is no case 'x'") as refused:
        call_command("restore_cases", str(one.case_id), "x")
    assert refused.value.returncode == 2
    assert rows_left(one.case_id) == (0, 0, 0, 0)
    call_command("restore_cases", str(one.case_id), str(two.case_id))
    assert capsys.readouterr().out.splitlines() == [
        f"case {one.case_id}: restored",
        f"case {two.case_id}: is not archived",
    ]
    with pytest.raises(CaseNotFound):
        services.restore_case("00000000-0000-0000-0000-000000000000", timezone.now())


def test_the_command_tells_of_a_damaged_one_and_restores_the_others(
    papers: Workflow, capsys: pytest.CaptureFixture[str]
) -> None:
    broken, whole = archived(), archived()
    ArchivedLog.objects.filter(case=broken.case_id).delete()
    with pytest.raises(SystemExit) as ended:
        call_command("restore_cases", str(broken.case_id), str(whole.case_id))
    assert ended.value.code == 1
    said = capsys.readouterr()
    assert "breaks off after entry 0" in said.err
    assert said.out == f"case {whole.case_id}: restored\n"
