"""Invariants 5 and 6 on a real database: random nets, random firings, and the log always tells the stored marking."""

import random
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from tests.apps.workflows.conftest import together
from workflows import selectors, services
from workflows.core.errors import NotEnabled, TokenConflict
from workflows.models import Case, Firing, Token, TokenChange, Workflow

pytestmark = pytest.mark.django_db(transaction=True)

PLACES = ["p0", "p1", "p2", "p3"]


def random_definition(chance: random.Random, name: str) -> dict[str, Any]:
    def arcs(least: int) -> list[dict[str, Any]]:
        return [
            {"place": place, "weight": chance.randint(1, 2)}
            for place in chance.sample(PLACES, chance.randint(least, 2))
        ]

    transitions = [
        {
            "id": f"t{number}",
            "inputs": arcs(1),
            "outputs": arcs(1),
            "resets": chance.sample(PLACES, chance.choice([0, 0, 0, 1])),
            "inhibitors": [{"place": chance.choice(PLACES), "weight": 6}],
        }
        for number in range(5)
    ]
    places = [PLACES[0], PLACES[1], PLACES[2], {"id": PLACES[3], "capacity": 5}]
    return {"id": name, "name": name, "places": places, "initialPlace": "p0", "transitions": transitions}


@pytest.mark.parametrize("seed", range(6))
def test_four_threads_firing_at_random_leave_a_log_that_tells_the_marking(seed: int) -> None:
    chance = random.Random(seed)
    services.create_workflow(random_definition(chance, "random"))
    first = services.create_token("random")
    for _ in range(7):
        place = chance.choice(PLACES[:3])
        services.create_token("random", place=place, case_id=str(first.case_id), data={"place": place})
    case = Case.objects.get()

    def fire(number: int) -> int:
        own, fired = random.Random(f"{seed}-{number}"), 0
        for _ in range(12):
            live = list(Token.objects.filter(case=case, state=Token.LIVE).order_by("pk"))
            if not live:
                break
            try:
                services.fire(str(own.choice(live).pk), f"t{own.randrange(5)}", {f"by_{number}": fired})
            except (NotEnabled, TokenConflict):
                continue
            fired += 1
        return fired

    fired = together(4, fire)
    assert all(isinstance(count, int) for count in fired), fired
    assert selectors.fold_log(case.pk) == selectors.stored_marking(case.pk)
    seqs = list(Firing.objects.filter(case=case).order_by("seq").values_list("seq", flat=True))
    assert seqs == list(range(1, 8 + sum(fired) + 1))
    case.refresh_from_db()
    assert case.last_seq == len(seqs)
    consumed = list(TokenChange.objects.exclude(consumed_version=None).values_list("token", "consumed_version"))
    produced = list(TokenChange.objects.exclude(produced_version=None).values_list("token", "produced_version"))
    assert len(set(consumed)) == len(consumed)
    assert len(set(produced)) == len(produced)
    assert set(consumed) <= set(produced)


def test_the_database_itself_refuses_a_version_that_is_consumed_twice(papers: Workflow) -> None:
    token = services.create_token("papers")
    services.fire(str(token.pk), "touch")
    firing = Firing.objects.get(case=token.case, seq=2)
    with pytest.raises(IntegrityError), transaction.atomic():
        TokenChange.objects.create(firing=firing, token=token, consumed_version=1)
    with pytest.raises(IntegrityError), transaction.atomic():
        firing.pk = None
        firing.save(force_insert=True)


def test_the_fold_finds_a_token_row_that_was_tampered_with(papers: Workflow) -> None:
    token = services.create_token("papers")
    Token.objects.filter(pk=token.pk).update(data={"stolen": True})
    assert selectors.fold_log(token.case_id) != selectors.stored_marking(token.case_id)


def test_a_firing_that_breaks_half_way_leaves_nothing(papers: Workflow) -> None:
    token = services.create_token("papers")
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        services.fire(str(token.pk), "split")
        raise ZeroDivisionError
    assert Token.objects.get().place == "draft"
    assert Firing.objects.count() == 1
    assert services.fire(str(token.pk), "submit").place == "review"
