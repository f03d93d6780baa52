"""Asks for effects and books how they end. Idempotent by effect id, fenced by attempt.

A result counts only while its attempt is the newest and its token still is on the visit it was asked for. Otherwise it
changes no token and is kept with the effect: in `late_results` if another attempt took over, in `result` with state
`orphaned` if the token had gone on. Retries wait 1, 2, 4 … seconds (a step says its own waits), `max_attempts` in all;
then the effect is `failed`, which the log and the admin show. The work of a step ends by an outcome, which fires the
step's transition for it (`core/refinement.py`). Next: `workflows/outbox.py`, `workflows/tasks.py`.
"""

import uuid
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import transaction
from django.utils import timezone

from workflows import outbox, selectors
from workflows.core.effects import EffectResult
from workflows.core.errors import BadInput, EffectNotFound, NotEnabled, UnknownTransition
from workflows.core.firing import amend
from workflows.core.marking import Change
from workflows.core.net import Retries
from workflows.core.payload import checked_object, checked_text
from workflows.models import Case, Firing, OutboxEffect, Token
from workflows.services.firing import EFFECT_KEY, fire_locked
from workflows.services.journal import append, lock_case
from workflows.services.schedules import next_run
from workflows.services.step_ends import ERROR_LENGTH, entry_of, fail_step, hand_in, hand_in_again

COMPLETED: Final = "completed"
DUPLICATE: Final = "duplicate"
ORPHANED: Final = "orphaned"
WAITING: Final = "waiting"
FENCED: Final = "fenced"

OUTCOMES = ("ok", "failed", "timeout", "cancelled", WAITING)
USUAL = Retries()
UNDER_WAY = OutboxEffect.UNDER_WAY
_HELD = (OutboxEffect.RUNNING, OutboxEffect.WAITING)
"""States in which the newest attempt may still report."""


def enqueue(
    kind: str,
    reference: str,
    payload: Mapping[str, Any] | None = None,
    token_id: str | None = None,
    *,
    max_attempts: int = 5,
    once: bool = False,
) -> str:
    """Ask for an effect directly, for a token or for none; returns its id.

    `once`: the id of the same effect of the token's visit, if one is asked for already and not over.
    Raises TokenNotFound, NotEnabled (the token was consumed), BadInput.
    """
    checked_text(kind, "kind", 50)
    checked_text(reference, "reference")
    given, now = checked_object(payload, "payload"), timezone.now()
    effect = OutboxEffect(
        kind=kind,
        reference=reference,
        payload=given,
        max_attempts=max_attempts,
        available_at=now,
        dispatched_at=now,
        created_at=now,
    )
    with transaction.atomic():
        if token_id is not None:
            lock_case(selectors.existing_token(token_id).case_id)
            token = selectors.existing_token(token_id)
            if token.state != Token.LIVE:
                reason = {"kind": "token_consumed", "message": f'the token was consumed in "{token.place}"'}
                raise NotEnabled(kind, [reason], tokenId=token_id)
            effect.token, effect.case_id, effect.place = token, token.case_id, token.place
            effect.entered_seq = token.entered_seq
            same = OutboxEffect.objects.filter(token=token, entered_seq=token.entered_seq, state__in=UNDER_WAY)
            waiting = same.filter(kind=kind, reference=reference).order_by("created_at").first() if once else None
            if waiting is not None:
                return str(waiting.pk)
        effect.save(force_insert=True)
        outbox.dispatch_on_commit([effect])
    return str(effect.pk)


def complete(effect_id: str, attempt: int, result: EffectResult) -> str:
    """Book a result; returns COMPLETED, DUPLICATE (this attempt's result was booked before), ORPHANED, FENCED or, for
    the outcome of that name, WAITING: another call for the same attempt is to come.

    Merges data and metadata into the token and fires `result.fire`, or the transition of a step's outcome, in one
    transaction. If that is not enabled, the result stands and the effect says why; a step's effect is `failed` then,
    and its result is handed in again when there is room (`step_ends.py`). Raises EffectNotFound, BadInput (the result
    is no JSON or too large, or its outcome is unknown; nothing is booked).
    """
    if result.outcome not in OUTCOMES:
        raise BadInput("outcome", f"is {result.outcome!r}; known: {', '.join(OUTCOMES)}")
    data, metadata = checked_object(result.data, "data"), checked_object(result.metadata, "metadata")
    kept: dict[str, Any] = {"data": data, "metadata": metadata, "fire": result.fire}
    if result.outcome != "ok":
        kept["outcome"] = result.outcome
    now = timezone.now()
    with transaction.atomic():
        case, effect = _lock(effect_id)
        if effect.state not in _HELD or effect.attempt != attempt:
            return _keep_late(effect, attempt, kept, now)
        effect.result = kept
        token = Token.objects.get(pk=effect.token_id) if case is not None and effect.token_id is not None else None
        if token is not None and not outbox.still_there(effect, token):
            effect.state, effect.finished_at, outcome = OutboxEffect.ORPHANED, now, ORPHANED
            effect.error = f"The token had gone on to {token.place!r} before the result came."
        elif result.outcome == WAITING:
            effect.state, effect.lease_until, outcome = OutboxEffect.WAITING, None, WAITING
        else:
            effect.state, effect.finished_at, effect.error, outcome = OutboxEffect.DONE, now, "", COMPLETED
            if case is not None and token is not None and effect.step:
                hand_in(case, effect, now)
            elif case is not None and token is not None:
                effect.error = _book(case, effect, token, EffectResult(data, metadata, result.fire), now)
        effect.save(update_fields=["result", "finished_at", "error", "state", "lease_until"])
        if case is not None and outcome == COMPLETED:
            next_run(case, effect, now)
    return outcome


def fail(effect_id: str, attempt: int, message: str, *, retryable: bool, retry_after: float | None = None) -> str:
    """Book a failure; returns the effect's state: `pending` again with a back-off, or `failed`.

    A call for an attempt that is not the running one changes nothing.
    """
    now = timezone.now()
    with transaction.atomic():
        case, effect = _lock(effect_id)
        if effect.state not in _HELD or effect.attempt != attempt:
            return effect.state
        effect.error = message.replace("\x00", " ")[:ERROR_LENGTH]
        if retryable and effect.attempt < effect.max_attempts:
            effect.state = OutboxEffect.PENDING
            effect.available_at = effect.dispatched_at = now + _wait(case, effect, retry_after)
            effect.save(update_fields=["error", "state", "available_at", "dispatched_at"])
            outbox.dispatch_on_commit([effect])
            return effect.state
        effect.state, effect.finished_at = OutboxEffect.FAILED, now
        effect.save(update_fields=["error", "state", "finished_at"])
        if case is not None and effect.token_id is not None:
            entry = entry_of(Firing.EFFECT_FAILED, effect, now, {"error": effect.error, "kind": effect.kind})
            append(case, replace(entry, idempotency_key=f"{EFFECT_KEY}{effect.pk}:failed:{attempt}"), Change((), ()))
            fail_step(case, effect, now)
            next_run(case, effect, now)
    return effect.state


def retry_now(effect_id: str) -> bool:
    """Let a failed or waiting effect run again at once, with one more attempt if it has none left.

    The work of a step whose end was refused is done: its result is handed in again, and only if it is refused still
    the work is done anew.
    """
    now = timezone.now()
    with transaction.atomic():
        case, effect = _lock(effect_id)
        if effect.state not in (OutboxEffect.FAILED, OutboxEffect.PENDING):
            return False
        if case is not None and hand_in_again(case, effect, now):
            return True
        effect.state, effect.finished_at = OutboxEffect.PENDING, None
        effect.available_at = effect.dispatched_at = now
        effect.max_attempts = max(effect.max_attempts, effect.attempt + 1)
        effect.save(update_fields=["state", "finished_at", "available_at", "dispatched_at", "max_attempts"])
        outbox.dispatch_on_commit([effect])
    return True


def _lock(effect_id: str) -> tuple[Case | None, OutboxEffect]:
    """The effect and its case, locked in the order all writers keep: case first."""
    try:
        found = OutboxEffect.objects.only("case_id").get(pk=uuid.UUID(effect_id))
    except (ValueError, OutboxEffect.DoesNotExist):
        raise EffectNotFound(effect_id[:200]) from None
    case = lock_case(found.case_id) if found.case_id else None
    return case, OutboxEffect.objects.select_for_update().get(pk=found.pk)


def _book(case: Case, effect: OutboxEffect, token: Token, result: EffectResult, now: datetime) -> str:
    """Merge and fire on; returns why firing on did not happen, or an empty string."""
    entry = entry_of(Firing.EFFECT_COMPLETED, effect, now, result.data)
    key = f"{EFFECT_KEY}{effect.pk}"
    merged = amend(selectors.value_of(token), result.data, result.metadata)
    append(case, replace(entry, idempotency_key=f"{key}:completed"), merged)
    if result.fire is None:
        return ""
    onward = replace(entry, kind=Firing.FIRED, transition=result.fire, data={}, idempotency_key=f"{key}:fired")
    try:
        fire_locked(case, onward, {})
    except (NotEnabled, UnknownTransition, BadInput) as error:  # raised before anything is written
        return f"The result is booked, but firing {result.fire!r} was refused: {error}"[:ERROR_LENGTH]
    return ""


def _keep_late(effect: OutboxEffect, attempt: int, kept: dict[str, Any], now: datetime) -> str:
    """A result nobody waits for is kept once per attempt, so the list is bounded by the number of attempts."""
    only_waits = (effect.result or {}).get("outcome") == WAITING
    finished = effect.state in (OutboxEffect.DONE, OutboxEffect.ORPHANED) and not only_waits
    if finished and effect.attempt == attempt:
        return DUPLICATE
    if attempt <= effect.attempt and all(late["attempt"] != attempt for late in effect.late_results):
        effect.late_results = [*effect.late_results, {"attempt": attempt, "at": now.isoformat(), **kept}]
        effect.save(update_fields=["late_results"])
    return FENCED


def _wait(case: Case | None, effect: OutboxEffect, retry_after: float | None) -> timedelta:
    step = selectors.net_of(case.version).steps.get(effect.step) if case is not None and effect.step else None
    backoff = (step.retries if step is not None else USUAL).wait(effect.attempt)
    return timedelta(seconds=max(backoff, min(retry_after or 0.0, 3_600.0)))
