"""The engine's own effects: looking at a case when its time has come, and cases that work for a step of another."""

from django.utils import timezone

from workflows.core.effects import EffectResult, EffectRun
from workflows.services import cascade, subworkflows

begin, end = subworkflows.begin, subworkflows.end
"""The handlers of `workflow` and `return`."""


def wake(run: EffectRun) -> EffectResult:
    """The handler of `wake`: fires what is due by now; raises EffectFailed for a case that never comes to rest."""
    cascade.wake(run.reference, int(run.payload.get("fired", 0)), timezone.now())
    return EffectResult()
