"""A small workflow to try steps and timers with, and its workers: `work` runs every due effect as the Celery task does,
in this process."""

from datetime import timedelta
from typing import Any

from django.utils import timezone

from workflows import selectors, services, tasks
from workflows.models import Firing, OutboxEffect, Token


def define(*transitions: dict[str, Any], places: str = "a b c d", id: str = "flow", options: Any = None) -> None:  # noqa: A002
    shaped = [{"id": place, **(options or {}).get(place, {})} for place in places.split()]
    services.create_workflow(
        {"id": id, "name": "Flow", "places": shaped, "initialPlace": places.split()[0], "transitions": [*transitions]}
    )


def step(kind: str = "agent", **more: Any) -> dict[str, Any]:
    return {"id": "ask", "kind": kind, "fromPlaces": ["a"], "toPlace": "b", "work": {kind: "x"}, **more}


def auto(id_: str, source: str, target: str, **more: Any) -> dict[str, Any]:
    return {"id": id_, "kind": "automatic", "inputs": [source], "outputs": [target], **more}


def work(later: float = 0) -> int:
    """Run what is due, and what that makes due; `later` moves the waiting effects' time instead of the clock."""
    count = 0
    if later:
        for effect in OutboxEffect.objects.filter(state=OutboxEffect.PENDING):
            OutboxEffect.objects.filter(pk=effect.pk).update(
                available_at=effect.available_at - timedelta(seconds=later)
            )
        for token in Token.objects.filter(state=Token.LIVE):
            Token.objects.filter(pk=token.pk).update(
                entered_at=(token.entered_at or token.updated_at) - timedelta(seconds=later)
            )
    for _ in range(100):
        due = OutboxEffect.objects.filter(state=OutboxEffect.PENDING, available_at__lte=timezone.now()).order_by(
            "created_at"
        )
        if not due:
            return count
        for effect in due:
            tasks.run_effect(str(effect.pk))
            count += 1
    raise AssertionError("work never ends")


def log_of(token: Token) -> list[str]:
    return list(
        Firing.objects.filter(case=token.case, kind=Firing.FIRED).order_by("seq").values_list("transition", flat=True)
    )


def fresh(token: Token) -> Token:
    found = Token.objects.get(pk=token.pk)
    assert selectors.fold_log(found.case_id) == selectors.stored_marking(found.case_id)
    return found
