"""Steps whose end or whose undoing cannot happen yet: said, kept, and done when it can be, without the work anew."""

from typing import Any

import pytest

from tests.apps.workflows.flow import auto, define, fresh, log_of, step, work
from workflows import selectors, services
from workflows.core.effects import EffectResult, EffectRun
from workflows.core.errors import EffectFailed
from workflows.models import Firing, HumanTask, OutboxEffect, Token

pytestmark = pytest.mark.django_db(transaction=True)

GO = {"id": "go", "fromPlaces": ["b"], "toPlace": "c"}


@pytest.fixture
def done(handle: Any) -> list[EffectRun]:
    """What an agent was asked, which answers {"n": 1}."""
    asked: list[EffectRun] = []

    def answer(run: EffectRun) -> EffectResult:
        asked.append(run)
        return EffectResult({"n": 1})

    handle("agent", answer)
    return asked


def skipped(token: Token) -> list[Firing]:
    return list(Firing.objects.filter(case=token.case_id, kind=Firing.COMPENSATION_SKIPPED))


def test_a_result_that_waited_for_room_is_handed_in_when_a_token_leaves(done: list[EffectRun]) -> None:
    define(step(), GO, options={"b": {"capacity": 1}})
    token = services.create_token("flow")
    other = services.create_token("flow", place="b", case_id=str(token.case_id))
    work()
    effect = OutboxEffect.objects.get(kind="agent")
    assert (effect.state, fresh(token).place) == ("failed", "ask.running")
    assert "has room for 1" in effect.error
    services.fire(str(other.pk), "go")
    work()
    effect.refresh_from_db()
    assert (effect.state, effect.error, len(done)) == ("done", "", 1)
    assert (fresh(token).place, fresh(token).data) == ("b", {"n": 1})


def test_a_result_that_waited_for_room_in_a_shared_place_is_handed_in_when_another_case_makes_some(
    done: list[EffectRun],
) -> None:
    take = {"id": "take", "inputs": ["d", "b"], "outputs": ["c"]}
    define(step(), take, options={"b": {"capacity": 1, "scope": "workflow"}})
    services.create_token("flow", place="b")
    token, other = services.create_token("flow"), services.create_token("flow", place="d")
    work()
    assert fresh(token).place == "ask.running"
    services.fire(str(other.pk), "take")
    work()
    assert (log_of(token), len(done)) == (["ask", "ask.ok"], 1)
    assert fresh(token).state == Token.CONSUMED
    assert Token.objects.get(place="b", state=Token.LIVE).data == {"n": 1}


def test_a_failure_that_waited_for_room_is_handed_in_too(handle: Any) -> None:
    def broken(run: EffectRun) -> EffectResult:
        raise EffectFailed("no luck")

    handle("agent", broken)
    define(step(outcomes={"failed": ["b"]}), GO, options={"b": {"capacity": 1}})
    token = services.create_token("flow")
    other = services.create_token("flow", place="b", case_id=str(token.case_id))
    work()
    assert fresh(token).place == "ask.running"
    services.fire(str(other.pk), "go")
    work()
    assert (fresh(token).place, fresh(token).metadata["error"]["message"]) == ("b", "no luck")


def test_an_answer_that_waited_for_room_is_handed_in_too() -> None:
    define({"id": "ask", "kind": "human", "fromPlaces": ["a"], "toPlace": "b"}, GO, options={"b": {"capacity": 1}})
    token = services.create_token("flow")
    other = services.create_token("flow", place="b", case_id=str(token.case_id))
    work()
    services.complete_task(str(HumanTask.objects.get().pk), "ada")
    assert fresh(token).place == "ask.running"
    services.fire(str(other.pk), "go")
    work()
    assert fresh(token).place == "b"


def test_a_case_below_that_waited_for_room_is_handed_in_by_hand_as_well() -> None:
    define({"id": "decide", "kind": "automatic", "inputs": ["a"], "outputs": ["b"]}, id="below")
    define(step("workflow", work={"workflow": "below"}), GO, options={"b": {"capacity": 1}})
    token = services.create_token("flow")
    other = services.create_token("flow", place="b", case_id=str(token.case_id))
    work()
    effect = OutboxEffect.objects.get(kind="workflow")
    assert services.retry_now(str(effect.pk))
    work()
    effect.refresh_from_db()
    assert (effect.state, fresh(token).place) == ("failed", "ask.running"), "still full"
    services.fire(str(other.pk), "go")
    assert services.retry_now(str(effect.pk))
    assert fresh(token).place == "b"


def test_by_hand_the_result_that_is_there_is_handed_in_and_the_work_not_done_anew(done: list[EffectRun]) -> None:
    define(step(), GO, options={"b": {"capacity": 1}})
    token = services.create_token("flow")
    other = services.create_token("flow", place="b", case_id=str(token.case_id))
    work()
    services.fire(str(other.pk), "go")
    assert services.retry_now(str(OutboxEffect.objects.get(kind="agent").pk))
    assert (fresh(token).place, len(done)) == ("b", 1)


def test_a_version_with_more_room_takes_what_had_to_wait(done: list[EffectRun]) -> None:
    define(step(), GO, options={"b": {"capacity": 1}})
    token = services.create_token("flow")
    services.create_token("flow", place="b", case_id=str(token.case_id))
    work()
    roomy = dict(services.create_token("flow").case.version.definition)
    roomy["places"] = [{"id": "b", "capacity": 9} if place in ("b", {"id": "b", "capacity": 1}) else place for place in roomy["places"]]  # fmt: skip
    services.update_workflow("flow", roomy)
    (moved,) = services.migrate_cases("flow", 2, case_ids=[str(token.case_id)]).cases
    assert moved.outcome == "migrated", moved
    work()
    assert fresh(token).place == "b"


def test_an_undoing_that_is_not_enabled_is_said_in_the_log_with_its_reasons(handle: Any) -> None:
    handle("agent", lambda run: EffectResult(outcome="failed"))
    undo = {"id": "refund", "fromPlaces": ["c"], "toPlace": "d", "conditions": [{"type": "FieldExists", "field": "paid"}]}  # fmt: skip
    define(step(outcomes={"failed": ["c"]}, compensation={"transition": "refund"}), undo)
    token = services.create_token("flow")
    work()
    assert log_of(token) == ["ask", "ask.failed"]
    (said,) = skipped(token)
    assert (said.transition, said.token_id, said.triggered_by) == ("refund", token.pk, "compensation:ask")
    assert (said.data["step"], said.data["outcome"]) == ("ask", "failed")
    assert [reason["kind"] for reason in said.data["reasons"]] == ["guard"]
    assert "compensation_skipped" in {entry.kind for entry in selectors.log_of_case(token.case, 0, 10)}
    fresh(token)


def test_an_undoing_whose_output_fails_leaves_the_end_of_its_step_standing(handle: Any) -> None:
    handle("agent", lambda run: EffectResult(outcome="failed"))
    undo = {"id": "refund", "inputs": ["c"], "outputs": [{"place": "d", "set": {"back": "data.paid"}}]}
    define(step(outcomes={"failed": ["c"]}, compensation={"transition": "refund"}), undo)
    token = services.create_token("flow")
    work()
    effect = OutboxEffect.objects.get(kind="agent")
    assert (effect.state, effect.error, fresh(token).place) == ("done", "", "c")
    assert [reason["kind"] for reason in skipped(token)[0].data["reasons"]] == ["expression"]


def test_an_undoing_whose_output_fails_in_a_cascade_does_not_stop_the_cascade(handle: Any) -> None:
    handle("agent", lambda run: EffectResult(outcome="waiting"))
    undo = {"id": "refund", "inputs": ["c"], "outputs": [{"place": "d", "set": {"back": "data.paid"}}]}
    define(
        step(timeout=600, outcomes={"timeout": ["c"]}, compensation={"transition": "refund"}),
        undo,
        auto("after", "c", "e"),
        places="a b c d e",
    )
    token = services.create_token("flow")
    work()
    work(later=601)
    assert (fresh(token).place, log_of(token)) == ("e", ["ask", "ask.timeout", "after"])
    assert len(skipped(token)) == 1


def test_a_task_ends_with_the_timeout_of_its_step() -> None:
    define({"id": "ask", "kind": "human", "fromPlaces": ["a"], "toPlace": "b", "timeout": 600})
    services.create_token("flow")
    work()
    work(later=601)
    assert HumanTask.objects.get().state == HumanTask.CANCELLED
