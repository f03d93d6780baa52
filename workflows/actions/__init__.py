"""The registry of effect kinds: which handler does the work of an effect.

Apps above this one register their kinds when Django starts (`AppConfig.ready`): `actions.register("agent", run)`.
A handler runs in a Celery worker, in no transaction, and may run again for the same effect after a crash. An effect
whose kind nobody registered fails with a message that says so; it is not lost. Next: `workflows/tasks.py`.
"""

from workflows.core.effects import EffectResult, EffectRun, Handler, TokenView
from workflows.core.errors import EffectFailed

__all__ = ["EffectFailed", "EffectResult", "EffectRun", "Handler", "TokenView", "handler_of", "register"]

_handlers: dict[str, Handler] = {}


def register(kind: str, handler: Handler) -> None:
    """Let `handler` do effects of this kind; the last registration wins."""
    _handlers[kind] = handler


def handler_of(kind: str) -> Handler:
    """The handler of a kind; raises EffectFailed (retryable: a worker of another release may know it)."""
    handler = _handlers.get(kind)
    if handler is None:
        known = ", ".join(sorted(_handlers)) or "none"
        raise EffectFailed(
            f"No handler is registered for effects of kind {kind!r} (registered: {known}).", retryable=True
        )
    return handler
