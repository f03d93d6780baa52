"""Many at once on few cases: each token meets one partner once, nothing is lost, and the log has no gap.

FIRINGS_SCALE multiplies the numbers (1 is short enough for every run; 30 is the full measure: 1,500 joins).
"""

import os
import random
from collections import Counter
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from tests.apps.workflows.conftest import together
from workflows import selectors, services, tasks
from workflows.core.effects import EffectResult, EffectRun
from workflows.core.errors import NotEnabled, TokenConflict
from workflows.models import Case, Firing, OutboxEffect, Token, TokenChange

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(900)]

SCALE = int(os.environ.get("FIRINGS_SCALE", "1"))
JOINS_PER_CASE = 25 * SCALE

JOIN: dict[str, Any] = {
    "id": "joins",
    "name": "Joins",
    "places": ["start", "left", "right", "met"],
    "initialPlace": "start",
    "transitions": [
        {"id": "spread", "inputs": ["start"], "outputs": [{"place": "left", "weight": JOINS_PER_CASE}, {"place": "right", "weight": JOINS_PER_CASE}]},
        {"id": "join", "inputs": ["left", "right"], "outputs": ["met"]},
    ],
}  # fmt: skip


def check_log(case: Case) -> None:
    """Gapless, each version made and taken at most once, and folding to the rows."""
    case.refresh_from_db()
    seqs = list(Firing.objects.filter(case=case).order_by("seq").values_list("seq", flat=True))
    assert seqs == list(range(1, case.last_seq + 1))
    changes = TokenChange.objects.filter(firing__case=case).values_list("token_id", "consumed_version")
    taken = Counter((token, version) for token, version in changes if version is not None)
    assert set(taken.values()) <= {1}
    assert selectors.fold_log(case.pk) == selectors.stored_marking(case.pk)


def test_joins_from_eight_connections_on_two_hot_cases_are_exactly_as_many_as_there_are() -> None:
    services.create_workflow(JOIN)
    cases = []
    for _ in range(2):
        token = services.create_token("joins")
        services.fire(str(token.pk), "spread")
        cases.append(token.case)
    left = [str(pk) for pk in Token.objects.filter(place="left").values_list("pk", flat=True)]
    assert len(left) == 2 * JOINS_PER_CASE

    connections = 8 if connection.vendor == "postgresql" else 3  # SQLite does not queue its writers fairly

    def fire_all(number: int) -> int:
        """A share of the tokens, and a tenth of the others': some are wanted by several at the same time."""
        chance = random.Random(number)
        mine = [each for at, each in enumerate(left) if at % connections == number or chance.random() < 0.1]
        chance.shuffle(mine)
        fired = 0
        for token in mine:
            try:
                services.fire(token, "join")
                fired += 1
            except (NotEnabled, TokenConflict):
                continue
        return fired

    fired = together(connections, fire_all)
    assert sum(fired) == 2 * JOINS_PER_CASE, fired
    assert Firing.objects.filter(transition="join").count() == 2 * JOINS_PER_CASE
    for case in cases:
        assert selectors.stored_marking(case.pk).counts() == {"met": JOINS_PER_CASE}
        check_log(case)


def test_effects_delivered_again_and_at_the_same_time_count_once(handle: Any) -> None:
    """As Celery does it: messages twice, late, to several workers at once, and for what is done already."""
    handle("function", lambda run: EffectResult({"done": _done(run) + 1}))
    services.create_workflow(
        {
            "id": "rounds",
            "name": "Rounds",
            "places": ["idle"],
            "initialPlace": "idle",
            "transitions": [
                {"id": "go", "kind": "function", "start": "manual", "fromPlaces": ["idle"], "toPlace": "idle", "work": {"function": "count"}}
            ],
        }
    )  # fmt: skip
    rounds = 3 * SCALE
    tokens = [services.create_token("rounds", data={"done": 0}) for _ in range(4)]
    for _ in range(rounds):
        for token in tokens:
            services.fire(str(token.pk), "go")
        known = [str(pk) for pk in OutboxEffect.objects.order_by("-created_at").values_list("pk", flat=True)[:12]]

        def deliver(number: int, known: list[str] = known) -> None:
            order = known * 2
            random.Random(number).shuffle(order)
            for effect in order:
                tasks.run_effect(effect)

        assert together(4, deliver) == [None] * 4
    assert [Token.objects.get(pk=token.pk).data for token in tokens] == [{"done": rounds}] * 4
    assert Firing.objects.filter(transition="go.ok").count() == 4 * rounds
    assert set(OutboxEffect.objects.values_list("state", "attempt")) == {("done", 1)}
    for token in tokens:
        check_log(token.case)


def test_ten_thousand_tokens_waiting_for_a_timer_cost_each_firing_a_bounded_search() -> None:
    """A busy place does not make every firing slow without end: the search of what fires by itself is capped."""
    wait = {"id": "t", "kind": "timer", "fromPlaces": ["a"], "toPlace": "b", "after": "P1D"}
    services.create_workflow({"id": "slow", "name": "S", "places": ["a", "b"], "initialPlace": "a", "transitions": [wait, {"id": "spread", "inputs": ["b"], "outputs": [{"place": "a", "weight": 1_000}]}]})  # fmt: skip
    token = services.create_token("slow", place="b")
    services.fire(str(token.pk), "spread")
    begun = timezone.now()
    services.create_token("slow", case_id=str(token.case_id))
    assert (timezone.now() - begun).total_seconds() < 5
    assert OutboxEffect.objects.filter(kind="wake").count() == 1


def _done(run: EffectRun) -> int:
    return int(run.input["done"])
