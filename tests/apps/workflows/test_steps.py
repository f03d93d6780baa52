"""Steps that work outside, timers, choices, signals, shared places and sub-workflows, on real rows."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone

from tests.apps.workflows.conftest import together
from tests.apps.workflows.flow import auto, define, fresh, log_of, step, work
from workflows import selectors, services
from workflows.core.effects import EffectResult, EffectRun
from workflows.core.errors import BadInput, EffectFailed, NotEnabled
from workflows.models import Case, Firing, OutboxEffect, Token
from workflows.services.cascade import BURST

pytestmark = pytest.mark.django_db(transaction=True)

Handle = Callable[[str, Callable[[EffectRun], EffectResult]], None]


def test_automatic_transitions_fire_in_the_transaction_that_enabled_them() -> None:
    define(auto("s", "a", "b"), auto("t", "b", "c"))
    token = services.create_token("flow", data={"n": 1})
    assert (token.place, log_of(token)) == ("c", ["s", "t"])
    assert set(Firing.objects.filter(kind=Firing.FIRED).values_list("triggered_by", flat=True)) == {"engine"}
    fresh(token)


def test_a_step_runs_outside_and_its_result_fires_its_end(handle: Handle) -> None:
    seen: list[EffectRun] = []

    def answer(run: EffectRun) -> EffectResult:
        seen.append(run)
        return EffectResult({"answer": 42, "noise": True})

    handle("agent", answer)
    define(step(work={"agent": "x", "input": {"question": "data.text"}, "output": {"result": "result.answer"}}))
    token = services.create_token("flow", data={"text": "why"})
    assert (token.place, log_of(token)) == ("ask.running", ["ask"])
    assert work() == 1
    assert (seen[0].step, seen[0].reference, seen[0].input, seen[0].attempt) == ("ask", "x", {"question": "why"}, 1)
    after = fresh(token)
    assert (after.place, after.data, log_of(token)) == ("b", {"text": "why", "result": 42}, ["ask", "ask.ok"])
    with pytest.raises(NotEnabled, match="its work outside says"):
        services.fire(str(token.pk), "ask.ok")


def test_retries_wait_as_written_and_then_the_step_fails(handle: Handle) -> None:
    def broken(run: EffectRun) -> EffectResult:
        raise EffectFailed(f"no luck {run.attempt}", retryable=True)

    handle("agent", broken)
    define(step(retries={"maxAttempts": 2, "backoffSeconds": 100}, outcomes={"failed": ["c"]}))
    token = services.create_token("flow")
    begun = timezone.now()
    assert work() == 1
    waiting = OutboxEffect.objects.get()
    assert (waiting.state, waiting.attempt) == ("pending", 1)
    assert 99 < (waiting.available_at - begun).total_seconds() < 120
    assert work(later=200) == 1
    after = fresh(token)
    assert (after.place, after.metadata) == ("c", {"error": {"step": "ask", "message": "no luck 2", "attempts": 2}})
    assert log_of(token) == ["ask", "ask.failed"]


def test_outcomes_go_their_ways_and_compensation_follows(handle: Handle) -> None:
    handle("agent", lambda run: EffectResult({"why": "no"}, outcome="cancelled"))
    undone: list[EffectRun] = []
    handle("undo", lambda run: undone.append(run) or EffectResult())  # type: ignore[func-returns-value]
    define(step(outcomes={"cancelled": ["c"]}, compensation={"kind": "undo", "reference": "r", "payload": {"k": 1}}))
    token = services.create_token("flow", data={"n": 1})
    work()
    assert (fresh(token).place, log_of(token)) == ("c", ["ask", "ask.cancelled"])
    expected = {"k": 1, "step": "ask", "outcome": "cancelled", "token": str(token.pk), "data": {"n": 1, "why": "no"}}
    assert [(run.kind, run.reference, run.payload) for run in undone] == [("undo", "r", expected)]


def test_compensation_by_a_transition_fires_with_the_token(handle: Handle) -> None:
    handle("agent", lambda run: EffectResult(outcome="failed"))
    undo = {"id": "refund", "fromPlaces": ["c"], "toPlace": "d"}
    define(step(outcomes={"failed": ["c"]}, compensation={"transition": "refund"}), undo)
    token = services.create_token("flow")
    work()
    assert log_of(token) == ["ask", "ask.failed", "refund"]


def test_a_timeout_is_compensated_in_the_middle_of_a_cascade(handle: Handle) -> None:
    handle("agent", lambda run: EffectResult(outcome="waiting"))
    define(
        step(timeout=600, outcomes={"timeout": ["c"]}, compensation={"transition": "refund"}),
        {"id": "refund", "fromPlaces": ["c"], "toPlace": "d"},
        auto("after", "d", "e"),
        places="a b c d e",
    )
    token = services.create_token("flow")
    work()
    work(later=601)
    assert (fresh(token).place, log_of(token)) == ("e", ["ask", "ask.timeout", "refund", "after"])


def test_a_step_times_out_and_its_late_result_moves_nothing(handle: Handle) -> None:
    handle("agent", lambda run: EffectResult(outcome="waiting"))
    define(step(timeout="PT10M", outcomes={"timeout": ["c"]}))
    token = services.create_token("flow")
    assert work() == 1
    effect = OutboxEffect.objects.get(kind="agent")
    assert (effect.state, effect.lease_until) == ("waiting", None)
    assert fresh(token).place == "ask.running"
    work(later=601)
    assert (fresh(token).place, log_of(token)) == ("c", ["ask", "ask.timeout"])
    effect.refresh_from_db()
    assert effect.state == "orphaned"
    assert services.complete(str(effect.pk), 1, EffectResult({"late": True})) == services.FENCED
    assert fresh(token).data == {}


def test_what_others_finish_is_completed_once(handle: Handle) -> None:
    handle("agent", lambda run: EffectResult(outcome="waiting"))
    define(step())
    token = services.create_token("flow")
    work()
    effect = OutboxEffect.objects.get()
    outcomes = together(6, lambda n: services.complete(str(effect.pk), 1, EffectResult({"by": n})))
    assert sorted(outcomes) == ["completed", *["duplicate"] * 5]
    assert (fresh(token).place, log_of(token)) == ("b", ["ask", "ask.ok"])


def test_a_result_that_does_not_fit_the_output_fails_the_step(handle: Handle) -> None:
    handle("agent", lambda run: EffectResult({"other": 1}))
    define(step(work={"agent": "x", "output": {"n": "result.n"}}))
    token = services.create_token("flow")
    work()
    assert fresh(token).place == "ask.failed"
    assert fresh(token).metadata["error"]["message"] == 'the output of the step: result.n: Key not found in map : "n"'


def test_a_full_place_keeps_the_result_and_another_try_delivers_it(handle: Handle) -> None:
    handle("agent", lambda run: EffectResult({"n": 1}))
    define(step(), {"id": "go", "fromPlaces": ["b"], "toPlace": "c"}, options={"b": {"capacity": 1}})
    token = services.create_token("flow")
    other = services.create_token("flow", place="b", case_id=str(token.case_id))
    work()
    effect = OutboxEffect.objects.get()
    assert (effect.state, fresh(token).place) == ("failed", "ask.running")
    assert "has room for 1" in effect.error
    services.fire(str(other.pk), "go")
    assert services.retry_now(str(effect.pk))
    work()
    assert (fresh(token).place, fresh(token).data) == ("b", {"n": 1})


def test_a_timer_fires_when_due_however_often_it_is_told() -> None:
    define({"id": "t", "kind": "timer", "fromPlaces": ["a"], "toPlace": "b", "after": 3_600})
    token = services.create_token("flow")
    wake = OutboxEffect.objects.get()
    assert 3_590 < (wake.available_at - timezone.now()).total_seconds() <= 3_600
    OutboxEffect.objects.update(available_at=timezone.now())
    work()
    assert fresh(token).place == "a"
    assert OutboxEffect.objects.filter(state="pending").count() == 1, "told too early, it is told again in time"
    work(later=3_601)
    assert (fresh(token).place, log_of(token)) == ("b", ["t"])
    assert work() == 0


def test_a_timer_is_fenced_by_the_visit_it_was_for() -> None:
    touch = {"id": "touch", "fromPlaces": ["a"], "toPlace": "a"}
    define({"id": "t", "kind": "timer", "fromPlaces": ["a"], "toPlace": "b", "after": 100}, touch)
    token = services.create_token("flow")
    Token.objects.update(entered_at=timezone.now() - timedelta(seconds=90))
    services.fire(str(token.pk), "touch")
    OutboxEffect.objects.update(available_at=timezone.now())
    work()
    assert fresh(token).place == "a"
    assert OutboxEffect.objects.filter(kind="wake", state="pending").exists()


def test_a_long_run_of_automatic_firings_goes_on_over_transactions_and_an_endless_one_stops(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("workflows.services.cascade.ENDLESS", 3 * BURST)
    define(auto("s", "a", "b"), auto("t", "b", "a"))
    token = services.create_token("flow")
    assert len(log_of(token)) == BURST
    work()
    assert len(log_of(token)) == 3 * BURST
    last = OutboxEffect.objects.get(state="failed")
    assert last.error.endswith("its automatic transitions form a loop.")
    fresh(token)


def test_a_signal_reaches_the_tokens_it_correlates_with() -> None:
    paid = {"id": "pay", "kind": "signal", "fromPlaces": ["a"], "toPlace": "b", "work": {"signal": "paid", "correlation": {"order": "data.order"}}}  # fmt: skip
    define(paid)
    tokens = [services.create_token("flow", data={"order": n}) for n in (1, 2, 2)]
    sent = {"workflow_id": "flow", "correlation": {"order": 2}, "data": {"amount": 5}, "idempotency_key": "k"}
    moved = services.signal("paid", **sent)
    assert {each.token_id for each in moved} == {str(token.pk) for token in tokens[1:]}
    assert [fresh(token).place for token in tokens] == ["a", "b", "b"]
    assert fresh(tokens[1]).data == {"order": 2, "amount": 5}
    assert services.signal("paid", **sent) == []
    assert services.signal("paid", workflow_id="flow") == [], "what is not told does not match"
    assert len(services.signal("paid", case_id=str(tokens[0].case_id), correlation={"order": 1})) == 1
    with pytest.raises(BadInput):
        services.signal("paid")


def test_a_sub_workflow_returns_its_data_and_its_outcome() -> None:
    define(
        {"id": "decide", "fromPlaces": ["a"], "toPlace": "b"},
        {"id": "refuse", "fromPlaces": ["a"], "toPlace": "c"},
        id="below",
    )
    define(
        step(
            "workflow",
            work={"workflow": "below", "input": {"n": "data.n"}, "outcomes": {"c": "failed"}},
            outcomes={"failed": ["d"]},
        )
    )
    for way, place, data in (("decide", "b", {"n": 1, "m": 2}), ("refuse", "d", {"n": 1, "m": 2})):
        token = services.create_token("flow", data={"n": 1})
        work()
        assert fresh(token).place == "ask.running"
        effect = OutboxEffect.objects.get(kind="workflow", state="waiting")
        below = Token.objects.get(case__parent_effect=effect.pk)
        assert (below.data, below.workflow_id) == ({"n": 1}, "below")
        services.fire(str(below.pk), way, {"m": 2})
        work()
        assert (fresh(token).place, fresh(token).data) == (place, data)


def test_a_sub_workflow_is_begun_once_however_often_its_effect_runs() -> None:
    define({"id": "decide", "fromPlaces": ["a"], "toPlace": "b"}, id="below")
    define(step("workflow", work={"workflow": "below"}))
    services.create_token("flow")
    effect = OutboxEffect.objects.get(kind="workflow")
    work()
    OutboxEffect.objects.filter(pk=effect.pk).update(state="pending")
    work()
    assert Case.objects.filter(parent_effect=effect.pk).count() == 1


POOL = {
    "take": {"id": "take", "kind": "automatic", "inputs": ["a", "pool"], "outputs": ["b"]},
    "give": {"id": "give", "inputs": ["b"], "outputs": ["c", {"place": "pool", "data": "{}"}]},
}


@pytest.mark.parametrize("scope", ["workflow", "account"])
def test_cases_share_the_tokens_of_a_shared_place(scope: str) -> None:
    define(POOL["take"], POOL["give"], places="a b c pool", options={"pool": {"scope": scope}})
    free = services.create_token("flow", place="pool")
    assert free.case.scope == scope
    first, second = services.create_token("flow"), services.create_token("flow")
    assert [fresh(first).place, fresh(second).place] == ["b", "a"]
    services.fire(str(first.pk), "give")
    work()
    assert [fresh(first).place, fresh(second).place] == ["c", "b"]
    assert selectors.fold_log(free.case_id) == selectors.stored_marking(free.case_id)
    assert list(Firing.objects.filter(case=free.case).order_by("seq").values_list("seq", flat=True)) == [1, 2, 3, 4]
    assert not Token.objects.filter(place="pool", state=Token.LIVE).exists()


def test_eight_cases_never_take_more_than_the_shared_place_has() -> None:
    define(
        POOL["take"] | {"kind": "manual"}, POOL["give"], places="a b c pool", options={"pool": {"scope": "workflow"}}
    )
    pool = [services.create_token("flow", place="pool") for _ in range(3)]
    tokens = [services.create_token("flow") for _ in range(8)]
    outcomes = together(8, lambda n: services.fire(str(tokens[n].pk), "take"))
    assert sum(isinstance(each, Token) for each in outcomes) == 3, outcomes
    assert sum(isinstance(each, NotEnabled) for each in outcomes) == 5, outcomes
    assert Token.objects.filter(place="b").count() == 3
    assert selectors.fold_log(pool[0].case_id) == selectors.stored_marking(pool[0].case_id)


def test_a_step_under_way_is_not_entered_by_hand() -> None:
    define(step())
    with pytest.raises(BadInput, match="holds the tokens of a step that is under way"):
        services.create_token("flow", place="ask.running")
