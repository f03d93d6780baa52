"""Steps that are a case of another workflow: begun once however often the effect runs, ended by the case's return.

The step's settings: `place` where the case begins (its workflow's initial place), `returns` the places where it ends
(its final places), `outcomes` what the end in a place means (ok). The first token to return ends the step, with its
data as the result; the case goes on if it has more. A step that timed out or was cancelled leaves its case running.
"""

from workflows.core.effects import EffectResult, EffectRun
from workflows.core.errors import EffectFailed, NotEnabled, UnknownPlace, WorkflowNotFound
from workflows.models import Case, OutboxEffect
from workflows.services.effects import complete
from workflows.services.firing import create_token


def begin(run: EffectRun) -> EffectResult:
    """The handler of steps of kind `workflow`; raises EffectFailed."""
    if not Case.objects.filter(parent_effect=run.id).exists():
        try:
            create_token(
                run.reference,
                place=run.settings.get("place"),
                data=run.input,
                triggered_by=f"effect:{run.id}",
                parent_effect=run.id,
            )
        except (WorkflowNotFound, UnknownPlace, NotEnabled) as error:
            raise EffectFailed(f"The case of {run.reference!r} was not opened: {error}") from error
    return EffectResult(outcome="waiting")


def end(run: EffectRun) -> EffectResult:
    """The handler of `return`: what came to rest below is the result of the step above."""
    parent = OutboxEffect.objects.get(pk=run.reference)
    outcomes = parent.payload.get("settings", {}).get("outcomes", {})
    outcome = outcomes.get(run.payload["place"], "ok")
    result = EffectResult(data=run.payload["data"], metadata=run.payload["metadata"], outcome=outcome)
    booked = complete(run.reference, parent.attempt, result)
    return EffectResult(data={"booked": booked})
