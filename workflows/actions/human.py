"""Does effects of kind "human": opens the task and waits. A person ends it, see `services/human_tasks.py`."""

from workflows import services
from workflows.core.effects import EffectResult, EffectRun
from workflows.models import HumanTask

KIND = "human"


def run(effect: EffectRun) -> EffectResult:
    """The handler; raises EffectFailed for an effect without a token.

    Run again after its answer could not be booked (the next place was full), it hands in the answer there is.
    """
    task = services.open_task(effect)
    if task.state == HumanTask.COMPLETED:
        return EffectResult(data=task.result or {})
    return EffectResult(outcome="timeout" if task.state == HumanTask.EXPIRED else "waiting")
