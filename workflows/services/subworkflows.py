"""Steps that are a case of another workflow: begun once however often the effect runs, ended by the case's return.

The step's settings: `place` where the case begins (its workflow's initial place), `returns` the places where it ends
(its final places), `outcomes` what the end in a place means (ok). The first token to return ends the step, with its
data as the result; the case goes on if it has more. A case that ends without one fails the step. A step that ended
without its case (it timed out, was cancelled or its token was taken) closes it: its tokens are consumed, save those in
final places, and so on downwards. What they had taken from shared places is not given back.
"""

import uuid
from typing import Any

from django.db import transaction
from django.utils import timezone

from workflows import selectors
from workflows.core.effects import EffectResult, EffectRun
from workflows.core.errors import BadInput, CaseArchived, EffectFailed, NotEnabled, UnknownPlace, WorkflowNotFound
from workflows.core.marking import Change
from workflows.models import Case, Firing, OutboxEffect
from workflows.services.effects import complete
from workflows.services.firing import EFFECT_KEY, create_token
from workflows.services.journal import RETURN, Entry, append, lock_case
from workflows.services.task_log import cancel_left


def begin(run: EffectRun) -> EffectResult:
    """The handler of steps of kind `workflow`; raises EffectFailed.

    Run again, it answers with what the case has returned meanwhile, which this effect may not have been there to take.
    """
    case = Case.objects.filter(parent_effect=run.id).first()
    if case is not None:
        returned = selectors.return_of(case, RETURN)
        parent = OutboxEffect.objects.get(pk=run.id)
        return EffectResult(outcome="waiting") if returned is None else _result(parent, returned)
    try:
        opened = create_token(
            run.reference,
            place=run.settings.get("place"),
            data=run.input,
            triggered_by=f"{EFFECT_KEY}{run.id}",
            parent_effect=run.id,
        )
    except (WorkflowNotFound, UnknownPlace, NotEnabled, BadInput) as error:
        raise EffectFailed(f"The case of {run.reference!r} was not opened: {error}") from error
    if not OutboxEffect.objects.filter(pk=run.id, state__in=OutboxEffect.UNDER_WAY).exists():  # it came too late
        _close_case(opened.case_id, f"{EFFECT_KEY}{run.id}")
    return EffectResult(outcome="waiting")


def end(run: EffectRun) -> EffectResult:
    """The handler of `return`: what came to rest below is the result of the step above."""
    parent = OutboxEffect.objects.get(pk=run.reference)
    returned = OutboxEffect.objects.get(pk=run.id)
    booked = complete(run.reference, parent.attempt, _result(parent, returned))
    return EffectResult(data={"booked": booked})


def close(run: EffectRun) -> EffectResult:
    """The handler of `cancel`: closes the case of a step that ended without it. Raises EffectFailed while the step's
    effect may still open one."""
    case_id = Case.objects.filter(parent_effect=run.reference).values_list("pk", flat=True).first()
    if case_id is not None:
        return EffectResult(data={"tokens": _close_case(case_id, f"{EFFECT_KEY}{run.reference}")})
    if OutboxEffect.objects.filter(pk=run.reference, state__in=OutboxEffect.UNDER_WAY).exists():
        raise EffectFailed("The step has ended, but its case may still be opened.", retryable=True)
    return EffectResult(data={"tokens": 0})


def _close_case(case_id: uuid.UUID, by: str) -> int:
    """Consume the tokens of an open case that lie in no final place, with one entry of the log; how many there were."""
    with transaction.atomic():
        try:
            case = lock_case(case_id)
        except CaseArchived:  # it had finished long before
            return 0
        final = selectors.final_places_of(case.version)
        tokens = tuple(token for token in selectors.stored_marking(case.pk).tokens() if token.place not in final)
        if tokens:
            now = timezone.now()
            data = {"reason": "the step it works for has ended without it"}
            append(case, Entry(Firing.CANCELLED, tokens[0].id, now, data=data, triggered_by=by), Change(tokens, ()))
            cancel_left(case, now)
    return len(tokens)


def _result(parent: OutboxEffect, returned: OutboxEffect) -> EffectResult:
    """What a return means to the step: its data and metadata, and the outcome that is written for its place."""
    said: dict[str, Any] = returned.payload
    if not said["place"]:
        message = f"its case {returned.case_id} ended, and none of its tokens came to rest where the step waits for one"
        error = {"step": parent.step, "message": message, "attempts": parent.attempt}
        return EffectResult(metadata={"error": error}, outcome="failed")
    outcome = parent.payload.get("settings", {}).get("outcomes", {}).get(said["place"], "ok")
    return EffectResult(data=said["data"], metadata=said["metadata"], outcome=outcome)
