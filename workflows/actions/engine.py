"""The engine's own effects: looking at a case when its time has come, and cases that work for a step of another."""

from django.utils import timezone

from workflows.core.effects import EffectResult, EffectRun
from workflows.services import cascade, step_ends, subworkflows

begin, end, close = subworkflows.begin, subworkflows.end, subworkflows.close
"""The handlers of `workflow`, `return` and `cancel`."""


def wake(run: EffectRun) -> EffectResult:
    """The handler of `wake`: fires what is due by now, and hands in results that had to wait; raises EffectFailed for a
    case that never comes to rest."""
    now = timezone.now()
    for case_id in cascade.wake(run.reference, run.payload, now):
        step_ends.hand_in_refused(case_id, now)
    return EffectResult()
