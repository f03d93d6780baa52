"""The sweep and the worker: what breaks in one effect, one case or one moment keeps nothing else from being done."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError
from django.utils import timezone

from tests.apps.workflows.flow import define, fresh, log_of, step, work
from workflows import services, tasks
from workflows.core.effects import EffectResult, EffectRun
from workflows.core.errors import BadInput
from workflows.core.payload import MAXIMUM_BYTES
from workflows.core.work import LONGEST_PERSON
from workflows.models import Case, HumanTask, OutboxEffect, Token
from workflows.services import signals, webhook_events

pytestmark = pytest.mark.django_db(transaction=True)


def lost(effect: OutboxEffect) -> None:
    """As if the worker of its last attempt had died."""
    OutboxEffect.objects.filter(pk=effect.pk).update(
        state=OutboxEffect.RUNNING, attempt=effect.max_attempts, lease_until=timezone.now() - timedelta(seconds=1)
    )


def test_an_effect_that_cannot_even_be_failed_stops_the_sweep_for_nobody_else() -> None:
    define(step())
    broken, other = services.create_token("flow"), services.create_token("flow")
    for effect in OutboxEffect.objects.all():
        lost(effect)
    Case.objects.filter(pk=broken.case_id).update(last_seq=0)  # its log has an entry 1: no other can be written
    define({"id": "ask", "kind": "human", "fromPlaces": ["a"], "toPlace": "b", "work": {"deadline": 60}}, id="people")
    services.create_token("people")
    work()
    HumanTask.objects.update(deadline=timezone.now() - timedelta(seconds=1))
    waiting = services.enqueue("agent", "x")
    OutboxEffect.objects.filter(pk=waiting).update(dispatched_at=timezone.now() - timedelta(days=1))
    for _ in range(2):
        tasks.sweep()
    assert fresh(other).place == "ask.failed"
    assert HumanTask.objects.get().state == HumanTask.EXPIRED
    assert OutboxEffect.objects.get(pk=waiting).dispatched_at > timezone.now() - timedelta(minutes=1)
    assert OutboxEffect.objects.get(token=broken).state == OutboxEffect.RUNNING


def test_a_database_that_is_away_for_a_moment_costs_no_second_run_of_the_work(
    handle: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[EffectRun] = []

    def answer(run: EffectRun) -> EffectResult:
        asked.append(run)
        return EffectResult({"n": 1})

    handle("agent", answer)
    complete, away = services.complete, [OperationalError("deadlock detected"), OperationalError("away")]

    def sometimes(*arguments: Any) -> str:
        if away:
            raise away.pop()
        return complete(*arguments)

    monkeypatch.setattr(services, "complete", sometimes)
    monkeypatch.setattr(tasks, "BOOKING_PAUSES", (0.0, 0.0))
    define(step())
    token = services.create_token("flow")
    work()
    assert (fresh(token).data, len(asked)) == ({"n": 1}, 1)
    assert OutboxEffect.objects.get().attempt == 1


def test_a_database_that_stays_away_leaves_the_effect_to_the_next_attempt(
    handle: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    handle("agent", lambda run: EffectResult({"n": run.attempt}))
    monkeypatch.setattr(tasks, "BOOKING_PAUSES", (0.0, 0.0))
    complete = services.complete
    define(step())
    token = services.create_token("flow")

    def never(*arguments: Any) -> str:
        raise OperationalError("away")

    monkeypatch.setattr(services, "complete", never)
    work()
    monkeypatch.setattr(services, "complete", complete)
    assert (fresh(token).place, OutboxEffect.objects.get().error) == ("ask.running", "OperationalError: away")
    work(later=10)
    assert fresh(token).data == {"n": 2}


PAID: dict[str, Any] = {"id": "pay", "kind": "signal", "fromPlaces": ["a"], "toPlace": "b", "work": {"signal": "paid"}}


def test_a_signal_reaches_all_who_wait_however_many_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signals, "CASES_AT_ONCE", 3)
    define(PAID)
    tokens = [services.create_token("flow") for _ in range(8)]
    moved = services.signal("paid", workflow_id="flow")
    assert [each.token_id for each in moved] == [str(token.pk) for token in tokens], "the oldest first"
    assert {fresh(token).place for token in tokens} == {"b"}


def test_a_token_too_large_for_what_a_signal_brings_keeps_it_from_no_other() -> None:
    define(PAID)
    tokens = [services.create_token("flow", data=data) for data in ({"x": "y" * (MAXIMUM_BYTES - 100)}, {})]
    moved = services.signal("paid", workflow_id="flow", data={"note": "z" * 200})
    assert [each.token_id for each in moved] == [str(tokens[1].pk)]
    assert [fresh(token).place for token in tokens] == ["a", "b"]


def test_who_triggered_it_is_checked_before_the_database_refuses_it() -> None:
    define(PAID)
    token = services.create_token("flow")
    for odd in ("x" * 201, "a\x00b"):
        with pytest.raises(BadInput, match="triggeredBy"):
            services.create_token("flow", triggered_by=odd)
        with pytest.raises(BadInput, match="triggeredBy"):
            services.fire(str(token.pk), "pay", triggered_by=odd)


def test_the_longest_names_of_people_a_definition_may_have_make_a_task() -> None:
    long = "g" * LONGEST_PERSON
    define({"id": "ask", "kind": "human", "fromPlaces": ["a"], "toPlace": "b", "work": {"group": long}})
    services.create_token("flow")
    work()
    assert HumanTask.objects.get().group == long


def test_old_wakes_of_what_cases_share_are_forgotten_and_those_of_cases_kept() -> None:
    timer = {"id": "late", "kind": "timer", "fromPlaces": ["a"], "toPlace": "b", "deadline": "P7D"}
    take = {"id": "take", "kind": "automatic", "inputs": ["b", "box"], "outputs": ["c"]}
    define(timer, take, places="a b c box", options={"box": {"scope": "workflow"}})
    token = services.create_token("flow")
    services.create_token("flow", place="box")
    work()
    OutboxEffect.objects.update(created_at=timezone.now() - timedelta(days=31))
    assert webhook_events.forget_effects(timezone.now()) == 1
    assert [effect.case_id for effect in OutboxEffect.objects.all()] == [token.case_id]


def test_a_sweep_tells_of_more_than_one_page_of_the_log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook_events, "PAGE", 5)
    define(PAID)
    services.add_webhook_subscription("told", "https://example.com/told", events=["token_created"])
    for _ in range(23):
        services.create_token("flow")
    for _ in range(2):  # a gap in the positions waits for the next
        tasks.sweep()
    assert OutboxEffect.objects.filter(kind="webhook").count() == 23
    assert Token.objects.count() == 23 and log_of(Token.objects.all()[0]) == []
