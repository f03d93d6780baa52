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
from workflows.core.expressions import ExpressionFailed, View, fill
from workflows.core.firing import amend
from workflows.core.marking import Change
from workflows.core.net import Retries
from workflows.core.payload import checked_object, checked_text
from workflows.models import Case, Firing, OutboxEffect, Token
from workflows.services.firing import EFFECT_KEY, fire_locked
from workflows.services.journal import Entry, append, lock_case

COMPLETED: Final = "completed"
DUPLICATE: Final = "duplicate"
ORPHANED: Final = "orphaned"
WAITING: Final = "waiting"
FENCED: Final = "fenced"

OUTCOMES = ("ok", "failed", "timeout", "cancelled", WAITING)
USUAL = Retries()
ERROR_LENGTH = 2_000
_HELD = (OutboxEffect.RUNNING, OutboxEffect.WAITING)
"""States in which the newest attempt may still report."""


def enqueue(
    kind: str,
    reference: str,
    payload: Mapping[str, Any] | None = None,
    token_id: str | None = None,
    *,
    max_attempts: int = 5,
) -> str:
    """Ask for an effect directly, for a token or for none; returns its id.

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
        effect.save(force_insert=True)
        outbox.dispatch_on_commit([effect])
    return str(effect.pk)


def complete(effect_id: str, attempt: int, result: EffectResult) -> str:
    """Book a result; returns COMPLETED, DUPLICATE (this attempt's result was booked before), ORPHANED, FENCED or, for
    the outcome of that name, WAITING: another call for the same attempt is to come.

    Merges data and metadata into the token and fires `result.fire`, or the transition of a step's outcome, in one
    transaction. If that is not enabled, the result stands and the effect says why; a step's effect is `failed` then,
    so that it can be tried again. Raises EffectNotFound, BadInput (the result is no JSON or too large, or its outcome
    is unknown; nothing is booked).
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
        if result.outcome == WAITING:
            effect.state, effect.lease_until, effect.result = OutboxEffect.WAITING, None, kept
            effect.save(update_fields=["state", "lease_until", "result"])
            return WAITING
        effect.result, effect.finished_at, effect.error = kept, now, ""
        effect.state, outcome = OutboxEffect.DONE, COMPLETED
        if case is not None and effect.token_id is not None:
            token = Token.objects.get(pk=effect.token_id)
            if outbox.still_there(effect, token) and effect.step:
                effect.error = _end_step(case, effect, result.outcome, data, metadata, now)
                effect.state = OutboxEffect.FAILED if effect.error else effect.state
            elif outbox.still_there(effect, token):
                effect.error = _book(case, effect, token, EffectResult(data, metadata, result.fire), now)
            else:
                effect.state, outcome = OutboxEffect.ORPHANED, ORPHANED
                effect.error = f"The token had gone on to {token.place!r} before the result came."
        effect.save(update_fields=["result", "finished_at", "error", "state"])
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
            entry = _entry(Firing.EFFECT_FAILED, effect, now, {"error": effect.error, "kind": effect.kind})
            append(case, replace(entry, idempotency_key=f"{EFFECT_KEY}{effect.pk}:failed:{attempt}"), Change((), ()))
            _fail_step(case, effect, now)
    return effect.state


def retry_now(effect_id: str) -> bool:
    """Let a failed or waiting effect run again at once, with one more attempt if it has none left."""
    now = timezone.now()
    with transaction.atomic():
        _, effect = _lock(effect_id)
        if effect.state not in (OutboxEffect.FAILED, OutboxEffect.PENDING):
            return False
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
    entry = _entry(Firing.EFFECT_COMPLETED, effect, now, result.data)
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


def _fail_step(case: Case, effect: OutboxEffect, now: datetime) -> None:
    if not effect.step or effect.token_id is None:
        return
    if not outbox.still_there(effect, Token.objects.get(pk=effect.token_id)):
        return
    about = {"error": {"step": effect.step, "message": effect.error, "attempts": effect.attempt}}
    refused = _end_step(case, effect, "failed", {}, about, now)
    if refused:
        effect.error = f"{effect.error} {refused}"[:ERROR_LENGTH]
        effect.save(update_fields=["error"])


def _end_step(
    case: Case, effect: OutboxEffect, outcome: str, data: dict[str, Any], metadata: dict[str, Any], now: datetime
) -> str:
    """Fire the step's transition for an outcome; returns why that was refused, or an empty string.

    The error of a failed step is the token's `metadata.error`. What `output` says of a result is handed in with ok.
    """
    step = selectors.net_of(case.version).steps.get(effect.step)
    if step is None:  # the case moved to a version without it
        return f"The step {effect.step!r} is no longer in the workflow of this case."
    output = step.work.output
    if outcome == "ok" and output is not None and effect.token_id is not None:
        token = selectors.value_of(Token.objects.get(pk=effect.token_id))
        try:
            data = fill(output, View(token.data, token.metadata, result=data), {})
        except ExpressionFailed as error:
            outcome, message = "failed", f"the output of the step: {error}"
            data, metadata = {}, {"error": {"step": step.id, "message": message, "attempts": effect.attempt}}
    entry = _entry(Firing.FIRED, effect, now, data)
    key = f"{EFFECT_KEY}{effect.pk}:ends:{effect.attempt}"
    entry = replace(entry, transition=step.transition_for(outcome), idempotency_key=key)
    try:
        fire_locked(case, entry, metadata, at_any_time=True)
    except (NotEnabled, UnknownTransition, BadInput) as error:  # raised before anything is written
        return f"The outcome {outcome} was refused: {error}"[:ERROR_LENGTH]
    return ""


def _entry(kind: str, effect: OutboxEffect, now: datetime, data: dict[str, Any]) -> Entry:
    return Entry(kind=kind, token_id=str(effect.token_id), now=now, data=data, triggered_by=f"{EFFECT_KEY}{effect.pk}")


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
