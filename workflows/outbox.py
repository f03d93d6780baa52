"""What leaves a transaction: effects for workers, and the hint that the log has grown.

The rows are the truth, messages are hints: a broker that is down or loses a message costs time, because
`tasks.sweep` sends again what nobody picked up. An effect is claimed by a lease; `attempt` fences a worker that lost
its lease: nothing it reports is accepted. Clocks of several machines should agree to well under EFFECT_LEASE_SECONDS.
Next: `services/effects.py` for how an effect ends, `schema/live.py` for who listens to the log.
"""

import atexit
import logging
import queue
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial

import celery
from django.conf import settings
from django.db import Error, connection, transaction
from django.db.models import F, Q, QuerySet

from workflows.core.effects import EffectRun, TokenView
from workflows.models import OutboxEffect, Token

TASK = "workflows.tasks.run_effect"
LOG_GROUP = "workflows.log"
SWEEP_BATCH = 500
"""Effects told again in one sweep; the rest waits for the next, so a long queue is not flooded with repeats."""
PATIENCE = 4
"""A pending effect is told again after this many leases."""

FAR_OFF = timedelta(seconds=60)
"""What is due later is no message: brokers hold messages badly for long."""
UNTOLD = datetime.fromtimestamp(0, UTC)

QUEUE_LENGTH = 10_000
"""Messages of this process that wait for the broker."""

logger = logging.getLogger(__name__)


def lease() -> timedelta:
    return timedelta(seconds=settings.EFFECT_LEASE_SECONDS)


def dispatch_on_commit(effects: Sequence[OutboxEffect]) -> None:
    """Tell a worker of each effect once the transaction has committed; of those far off the sweep tells in time."""
    soon = datetime.now(UTC) + FAR_OFF
    told = [(str(effect.pk), effect.available_at) for effect in effects if effect.available_at <= soon]
    if told:
        transaction.on_commit(partial(_hand_to_courier, told), robust=True)


def flush(seconds: float) -> bool:
    """Wait until every message of this process was sent or given up; False if that took longer."""
    with _messages.all_tasks_done:
        return _messages.all_tasks_done.wait_for(lambda: not _messages.unfinished_tasks, seconds)


def claim(effect_id: str, now: datetime) -> EffectRun | None:
    """Take the effect for one attempt and EFFECT_LEASE_SECONDS, or None: taken, finished, not due, or its token left.

    An effect whose token has gone on before any attempt began is marked orphaned: its work would be for nothing.
    """
    if not _is_uuid(effect_id):
        return None
    with transaction.atomic():
        effect = _skip_locked(_due(now).filter(pk=effect_id, attempt__lt=F("max_attempts"))).first()
        if effect is None:
            return None
        token = Token.objects.filter(pk=effect.token_id).first() if effect.token_id else None
        if token is not None and not still_there(effect, token):
            effect.state, effect.finished_at = OutboxEffect.ORPHANED, now
            effect.error = f"The token had gone on to {token.place!r} before the work began."
            effect.save(update_fields=["state", "finished_at", "error"])
            return None
        effect.state, effect.attempt, effect.lease_until = OutboxEffect.RUNNING, effect.attempt + 1, now + lease()
        effect.save(update_fields=["state", "attempt", "lease_until"])
    view = _view_of(token) if token else None
    asked = effect.payload if effect.step else {}
    return EffectRun(
        id=str(effect.pk),
        attempt=effect.attempt,
        kind=effect.kind,
        reference=effect.reference,
        payload=effect.payload,
        token=view,
        step=effect.step,
        input=asked.get("input", {}),
        settings=asked.get("settings", {}),
    )


def renew(effect_id: str, attempt: int, now: datetime) -> bool:
    """Hold the lease for longer; False if the attempt was taken over or ended."""
    held = OutboxEffect.objects.filter(pk=effect_id, attempt=attempt, state=OutboxEffect.RUNNING)
    return held.update(lease_until=now + lease()) == 1


def still_there(effect: OutboxEffect, token: Token) -> bool:
    """Whether the token still is on the visit of the place that the effect was written for."""
    return token.state == Token.LIVE and token.entered_seq == effect.entered_seq


def tell_again(now: datetime) -> int:
    """Send the messages of due effects that nobody works on; the number sent. At most SWEEP_BATCH, oldest first."""
    unheard = Q(state=OutboxEffect.PENDING, dispatched_at__lte=now - PATIENCE * lease())
    dropped = Q(state=OutboxEffect.RUNNING, dispatched_at__lte=now - lease())
    with transaction.atomic():
        due = _due(now).filter(unheard | dropped, attempt__lt=F("max_attempts")).order_by("available_at")
        found = list(_skip_locked(due)[:SWEEP_BATCH])
        OutboxEffect.objects.filter(pk__in=[effect.pk for effect in found]).update(dispatched_at=now)
        dispatch_on_commit(found)
    return len(found)


def given_up(now: datetime) -> list[tuple[str, int]]:
    """(id, attempt) of effects whose last attempt ended without a word."""
    spent = OutboxEffect.objects.filter(
        state=OutboxEffect.RUNNING, lease_until__lt=now, attempt__gte=F("max_attempts")
    ).values_list("pk", "attempt")
    return [(str(pk), attempt) for pk, attempt in spent[:SWEEP_BATCH]]


def ended_without_result(effect_ids: Iterable[str]) -> list[tuple[str, str, str]]:
    """(id, state, error) of those of these effects that failed for good or were orphaned."""
    states = (OutboxEffect.FAILED, OutboxEffect.ORPHANED)
    ended = OutboxEffect.objects.filter(pk__in=list(effect_ids), state__in=states).values_list("pk", "state", "error")
    return [(str(pk), state, error) for pk, state, error in ended]


def announce_on_commit() -> None:
    """Say, once the transaction has committed, that the log has grown."""
    transaction.on_commit(_announce, robust=True)


def listen(heard: Callable[[], None]) -> Callable[[], None]:
    """Call `heard` (from any thread; it must not block) at each growth of the log in this process; returns the undo."""
    _listeners.add(heard)
    return partial(_listeners.discard, heard)


def _is_uuid(text: str) -> bool:
    """Messages come from outside; one that names no effect is not worth an error each time it is delivered."""
    try:
        uuid.UUID(text)
    except ValueError:
        return False
    return True


def _view_of(row: Token) -> TokenView:
    return TokenView(
        id=str(row.pk),
        workflow_id=row.workflow_id,
        case_id=str(row.case_id),
        place=row.place,
        data=row.data,
        metadata=row.metadata,
        version=row.version,
        history_count=row.history_count,
    )


def _due(now: datetime) -> QuerySet[OutboxEffect]:
    pending = Q(state=OutboxEffect.PENDING, available_at__lte=now)
    return OutboxEffect.objects.filter(pending | Q(state=OutboxEffect.RUNNING, lease_until__lt=now))


def _skip_locked(rows: QuerySet[OutboxEffect]) -> QuerySet[OutboxEffect]:
    """Lock what nobody else holds. SQLite has one writer at a time, so there is nothing to skip."""
    return rows.select_for_update(skip_locked=connection.features.has_select_for_update_skip_locked)


def _hand_to_courier(told: list[tuple[str, datetime]]) -> None:
    """The thread that commits never waits for a broker. A full queue drops: the sweep finds what was not told."""
    for message in told:
        try:
            _messages.put_nowait(message)
        except queue.Full:
            logger.warning("%s messages wait for the broker; the sweep will tell of the rest", QUEUE_LENGTH)
            break
    global _courier
    with _starting:
        if _courier is None or not _courier.is_alive():
            _courier = threading.Thread(target=_carry, name="outbox-courier", daemon=True)
            _courier.start()


def _carry() -> None:
    while True:
        effect_id, available_at = _messages.get()
        try:
            countdown = max(0.0, (available_at - datetime.now(UTC)).total_seconds())
            celery.current_app.send_task(
                TASK, args=[effect_id], countdown=countdown or None, retry=False, ignore_result=True
            )
        except Exception:  # brokers fail in the ways of their client libraries; the sweep sends again
            untold = [effect_id, *_drain()]
            logger.warning("No broker took the messages of %s effects; the sweep will", len(untold), exc_info=True)
            _mark_untold(untold)
        finally:
            _messages.task_done()


def _drain() -> list[str]:
    """Everything that waits behind a message that failed: it would fail too, each after a time-out of its own."""
    drained: list[str] = []
    with suppress(queue.Empty):
        while True:
            drained.append(_messages.get_nowait()[0])
            _messages.task_done()
    return drained


def _mark_untold(effect_ids: list[str]) -> None:
    """Let the next sweep send these, without the usual patience."""
    try:
        OutboxEffect.objects.filter(pk__in=effect_ids).update(dispatched_at=UNTOLD)
    except Error:
        logger.warning("%s effects wait for a sweep after %s leases", len(effect_ids), PATIENCE, exc_info=True)
    finally:
        connection.close()


_messages: "queue.Queue[tuple[str, datetime]]" = queue.Queue(QUEUE_LENGTH)
_courier: threading.Thread | None = None
_starting = threading.Lock()
_listeners: set[Callable[[], None]] = set()
_grown = threading.Event()
_herald: threading.Thread | None = None


def _announce() -> None:
    for heard in tuple(_listeners):
        heard()
    if settings.REDIS_URL:
        _start_herald()
        _grown.set()


def _start_herald() -> None:
    """One thread of this process tells the others through the channel layer; many growths become one message."""
    global _herald
    with _starting:
        if _herald is None or not _herald.is_alive():
            _herald = threading.Thread(target=_tell_other_processes, name="workflow-log-herald", daemon=True)
            _herald.start()


def _tell_other_processes() -> None:
    """Waits in this daemon thread itself: a wait in an executor's thread would keep the process from ending."""
    import asyncio

    from channels.layers import get_channel_layer

    layer = get_channel_layer()
    with asyncio.Runner() as runner:
        while True:
            _grown.wait()
            _grown.clear()
            try:
                runner.run(layer.group_send(LOG_GROUP, {"type": "log.grew"}))
            except Exception:
                logger.debug("The hint that the log has grown was not sent", exc_info=True)
                time.sleep(1)


atexit.register(flush, 2.0)
