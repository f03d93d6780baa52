"""Ends steps that work outside: fires the transition of an outcome, and again later if it was refused.

An end is refused where its output place is full or an expression of its output fails. Nothing of the work is lost then:
the effect is `failed`, keeps the result and says why, and the result is handed in again, without doing the work anew,
once a token has left a place the end puts one into, the case has moved to another version, or somebody asks for it. The
caller holds the case's lock and the effect's (`hand_in_refused` takes them). Next: `effects.py`.
"""

import uuid
from dataclasses import replace
from datetime import datetime
from typing import Any

from django.db import transaction

from workflows import outbox, selectors
from workflows.core.errors import BadInput, NotEnabled, UnknownTransition
from workflows.core.expressions import ExpressionFailed, View, fill
from workflows.models import Case, Firing, OutboxEffect, Token
from workflows.services.firing import EFFECT_KEY, fire_locked
from workflows.services.journal import SUB_WORKFLOW, Entry, lock_case

ERROR_LENGTH = 2_000


def hand_in(case: Case, effect: OutboxEffect, now: datetime) -> bool:
    """Fire the step's end for the effect's result; False if that was refused: the effect, unsaved, is `failed` then."""
    kept: dict[str, Any] = effect.result or {}
    if effect.kind == SUB_WORKFLOW:  # so that the token's leaving does not close the case it comes from
        OutboxEffect.objects.filter(pk=effect.pk).update(state=OutboxEffect.DONE)
    refused = _end(case, effect, kept.get("outcome", "ok"), kept.get("data", {}), kept.get("metadata", {}), now)
    effect.state, effect.error = (OutboxEffect.FAILED, refused) if refused else (OutboxEffect.DONE, "")
    return not refused


def hand_in_again(case: Case, effect: OutboxEffect, now: datetime) -> bool:
    """Hand in what was refused before, if the token still waits for it; whether the step has ended now."""
    kept, state = effect.result or {}, effect.state
    refused = state == OutboxEffect.FAILED and effect.step and kept.get("outcome") != "waiting" and kept
    if not refused or effect.token_id is None:
        return False
    if not outbox.still_there(effect, Token.objects.get(pk=effect.token_id)):
        return False
    ended = hand_in(case, effect, now)
    effect.finished_at = now
    effect.save(update_fields=["state", "error", "finished_at"])
    return ended


def hand_in_refused(case_id: uuid.UUID, now: datetime) -> int:
    """Hand in again all that was refused in a case, the oldest first; how many steps ended."""
    if not selectors.refused_ends(case_id).exists():
        return 0
    with transaction.atomic():
        case = lock_case(case_id)
        effects = selectors.refused_ends(case_id).select_for_update()
        return sum(hand_in_again(case, effect, now) for effect in effects)


def fail_step(case: Case, effect: OutboxEffect, now: datetime) -> None:
    """The outcome `failed` of an effect that failed for good, if it is a step's whose token is still there."""
    if not effect.step or effect.token_id is None:
        return
    if not outbox.still_there(effect, Token.objects.get(pk=effect.token_id)):
        return
    said = {"error": {"step": effect.step, "message": effect.error, "attempts": effect.attempt}}
    refused = _end(case, effect, "failed", {}, said, now)
    if refused:
        effect.error = f"{effect.error} {refused}"[:ERROR_LENGTH]
        effect.result = {"data": {}, "metadata": said, "outcome": "failed"}
        effect.save(update_fields=["error", "result"])


def entry_of(kind: str, effect: OutboxEffect, now: datetime, data: dict[str, Any]) -> Entry:
    return Entry(kind=kind, token_id=str(effect.token_id), now=now, data=data, triggered_by=f"{EFFECT_KEY}{effect.pk}")


def _end(
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
    entry = entry_of(Firing.FIRED, effect, now, data)
    key = f"{EFFECT_KEY}{effect.pk}:ends:{effect.attempt}"
    entry = replace(entry, transition=step.transition_for(outcome), idempotency_key=key)
    try:
        fire_locked(case, entry, metadata, at_any_time=True)
    except (NotEnabled, UnknownTransition, BadInput) as error:  # raised before anything is written
        return f"The outcome {outcome} was refused, and is kept: {error}"[:ERROR_LENGTH]
    return ""
