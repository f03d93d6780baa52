"""Places that cases share: everybody who waits is told, in turn, and nobody is in the way of the others."""

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone

from tests.apps.workflows.conftest import together
from tests.apps.workflows.flow import define, fresh, work
from workflows import selectors, services
from workflows.core.errors import BadInput, NotEnabled
from workflows.models import Case, OutboxEffect, Token, WorkflowVersion
from workflows.services import cascade, shared

pytestmark = pytest.mark.django_db(transaction=True)

MEET = {"id": "meet", "kind": "automatic", "inputs": ["a", "box"], "outputs": ["b"], "correlation": "data.order"}
TAKE = {"id": "take", "kind": "automatic", "inputs": ["a", "box"], "outputs": ["b"]}
BOX: dict[str, Any] = {"places": "a b box", "options": {"box": {"scope": "workflow"}}}


def wakes() -> int:
    return OutboxEffect.objects.filter(kind="wake", case__scope="workflow").count()


def test_the_case_a_shared_token_is_for_is_found_behind_more_than_one_wake_looks_at(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cascade, "SHARERS", 4)
    monkeypatch.setattr(cascade, "SHARERS_AT_ONCE", 2)
    define(MEET, **BOX)
    tokens = [services.create_token("flow", data={"order": number}) for number in range(11)]
    services.create_token("flow", place="box", data={"order": 10})
    work()
    assert [fresh(token).place for token in tokens] == ["a"] * 10 + ["b"]
    assert wakes() == 4, "the change, two more of four cases each, and what its firing changed"


def test_nobody_is_looked_at_once_the_shared_place_is_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cascade, "SHARERS_AT_ONCE", 2)
    looked: list[Any] = []
    settle_case = cascade._settle_case
    monkeypatch.setattr(cascade, "_settle_case", lambda *a, **k: (looked.append(a[0]), settle_case(*a, **k))[1])
    define(TAKE, **BOX)
    tokens = [services.create_token("flow") for _ in range(10)]
    services.create_token("flow", place="box")
    work()
    assert [fresh(token).place for token in tokens] == ["b"] + ["a"] * 9
    assert len(looked) == 2


def test_many_changes_before_anybody_looked_are_one_wake() -> None:
    define(TAKE, **BOX)
    tokens = [services.create_token("flow") for _ in range(3)]
    for _ in range(5):
        services.create_token("flow", place="box")
    assert wakes() == 1
    work()
    assert [fresh(token).place for token in tokens] == ["b"] * 3


def test_a_change_while_a_wake_is_run_is_told_by_another() -> None:
    define(TAKE, **BOX)
    services.create_token("flow")
    services.create_token("flow", place="box")
    OutboxEffect.objects.filter(kind="wake").update(state=OutboxEffect.RUNNING)
    services.create_token("flow", place="box")
    assert wakes() == 2


@pytest.mark.parametrize("fault", ["log", "definition"])
def test_a_case_that_cannot_be_settled_is_in_nobodys_way_and_shows_it(fault: str) -> None:
    define(TAKE, **BOX)
    broken = services.create_token("flow")
    services.update_workflow("flow", {**broken.case.version.definition, "description": "the next"})
    other = services.create_token("flow")
    if fault == "log":
        Case.objects.filter(pk=broken.case_id).update(last_seq=0)
    else:  # as a release with stricter rules may find one
        later = timezone.now() + timedelta(seconds=1)
        WorkflowVersion.objects.filter(number=1).update(definition={"name": "Flow"}, created_at=later)
        Case.objects.filter(scope="workflow").update(version=other.case.version)
    for _ in range(2):
        services.create_token("flow", place="box")
    work()
    assert fresh(other).place == "b"
    assert Token.objects.get(pk=broken.pk).place == "a"
    if fault == "log":
        told = OutboxEffect.objects.get(case=broken.case_id, kind="wake")
        assert (told.state, told.attempt) == ("pending", 1)
        assert told.error.startswith("IntegrityError")


def test_a_wake_for_what_is_shared_leaves_a_timer_alone() -> None:
    timer = {"id": "late", "kind": "timer", "fromPlaces": ["a"], "toPlace": "b", "deadline": "P7D"}
    define(MEET, timer, **BOX)
    token = services.create_token("flow", data={"order": 1})
    for number in range(3):
        services.create_token("flow", place="box", data={"order": 100 + number})
        work()
    assert OutboxEffect.objects.filter(kind="wake", case=token.case_id).count() == 1


def test_a_shared_token_moved_by_hand_is_told_to_those_who_wait_for_it() -> None:
    refill = {"id": "refill", "fromPlaces": ["store"], "toPlace": "box"}
    define(TAKE, refill, places="a b box store", options={"box": {"scope": "workflow"}, "store": {"scope": "workflow"}})
    token = services.create_token("flow")
    stored = services.create_token("flow", place="store")
    work()
    services.fire(str(stored.pk), "refill")
    work()
    assert fresh(token).place == "b"


def test_no_token_of_a_case_comes_to_lie_with_those_who_share() -> None:
    out = {"id": "out", "inputs": ["box"], "outputs": ["b"]}
    define(out, {"id": "on", "fromPlaces": ["a"], "toPlace": "b"}, **BOX)
    lying = services.create_token("flow", place="box")
    with pytest.raises(NotEnabled, match="a place that cases share") as refused:
        services.fire(str(lying.pk), "out")
    assert refused.value.details["reasons"][0]["kind"] == "shared"
    with pytest.raises(BadInput, match="holds what cases share"):
        services.create_token("flow", place="a", case_id=str(lying.case_id))
    assert selectors.stored_marking(lying.case_id).counts() == {"box": 1}


def test_a_maker_of_the_holder_and_a_firing_that_has_it_do_not_wait_for_each_other() -> None:
    """As when many cases share a place for the first time: one saw no holder yet, another locked it meanwhile."""
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has one writer at a time")
    define({"id": "take", "inputs": ["a", "box"], "outputs": ["b"]}, **BOX)
    workflow = services.create_token("flow").workflow
    has_holder, has_workflow = threading.Event(), threading.Event()

    def fires() -> None:
        services.create_token("flow")
        has_holder.set()
        assert has_workflow.wait(20)

    def makes() -> None:
        assert has_holder.wait(20)
        holder = shared.make_holder(workflow, "workflow")
        has_workflow.set()
        Case.objects.select_for_update().get(pk=holder.pk)

    def act(number: int) -> None:
        with transaction.atomic():
            (fires, makes)[number]()

    assert together(2, act) == [None, None]
    assert Case.objects.filter(scope="workflow").count() == 1
