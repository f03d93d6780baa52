"""Does effects of kind "human": opens the task and waits. A person ends it, see `services/human_tasks.py`."""

from workflows import services
from workflows.core.effects import EffectResult, EffectRun

KIND = "human"


def run(effect: EffectRun) -> EffectResult:
    """The handler; raises EffectFailed for an effect without a token."""
    services.open_task(effect)
    return EffectResult(outcome="waiting")
