"""When the work that a place asks for is done: after a delay, and again and again while the token stays.

The next run is written in the transaction that books how the one before it ended, well or not, so it comes exactly
once and survives every restart; what the place asks for is read anew each time, so that changing, disabling or removing
it reaches tokens that are there already. A case that is finished has no further runs. Next: `effects.py`.
"""

from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q

from workflows import outbox
from workflows.models import Case, OutboxEffect, PlaceAction, Token

RUN = "run"
"""In the payload of an effect of a schedule: which run of the token's visit it is, from 1."""


def first_run(wish: PlaceAction, now: datetime) -> dict[str, Any]:
    """What the effect of a token's arrival has beyond the usual."""
    due = now + timedelta(seconds=wish.delay_seconds)
    later = {"available_at": due, "dispatched_at": due} if wish.delay_seconds else {}
    return later | ({"payload": {RUN: 1}} if wish.every_seconds is not None else {})


def next_run(case: Case, effect: OutboxEffect, now: datetime) -> None:
    """Ask for the run after this one, which has ended, if the place's schedule has one."""
    if RUN not in effect.payload or effect.token_id is None or case.state != Case.OPEN:
        return
    here = Q(workflow__isnull=True) | Q(workflow_id=case.workflow_id)
    wish = PlaceAction.objects.filter(
        here, place=effect.place, kind=effect.kind, reference=effect.reference, enabled=True
    ).first()
    if wish is None or wish.every_seconds is None:
        return
    run = effect.payload[RUN] + 1
    if wish.most_runs is not None and run > wish.most_runs:
        return
    token = Token.objects.get(pk=effect.token_id)
    visit = OutboxEffect.objects.filter(token_id=effect.token_id, entered_seq=effect.entered_seq)
    same = visit.filter(kind=effect.kind, reference=effect.reference, state__in=OutboxEffect.UNDER_WAY)
    if not outbox.still_there(effect, token) or same.exclude(pk=effect.pk).exists():
        return
    due = now + timedelta(seconds=wish.every_seconds)
    following = OutboxEffect.objects.create(
        kind=effect.kind,
        reference=effect.reference,
        payload={RUN: run},
        case=case,
        token=token,
        entered_seq=effect.entered_seq,
        place=effect.place,
        max_attempts=wish.max_attempts,
        available_at=due,
        dispatched_at=due,
        created_at=now,
    )
    outbox.dispatch_on_commit([following])
