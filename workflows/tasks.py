"""Celery's side of the outbox: run one effect, and send again what nobody picked up.

Messages may come late, twice or never. `run_effect` does nothing unless it gets the lease; the handler runs in no
transaction while a heartbeat thread holds the lease. A worker that dies is found by `sweep` when its lease runs out;
`sweep` is to be called every few seconds (by any number of processes).
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from typing import TypeVar

from celery import shared_task
from django.conf import settings
from django.db import Error, OperationalError, connection
from django.utils import timezone

from workflows import actions, outbox, services
from workflows.core.effects import EffectResult, EffectRun
from workflows.core.errors import BadInput, EffectFailed

logger = logging.getLogger(__name__)
Result = TypeVar("Result")

HEARTBEATS_PER_LEASE = 3
ARCHIVE_BATCH = 1_000
BOOKING_PAUSES = (0.1, 1.0, 5.0)
"""Seconds between the tries to book one result."""


@shared_task(name=outbox.TASK, ignore_result=True)
def run_effect(effect_id: str) -> str:
    """Claim the effect, let its handler work, book the outcome; returns what happened, for the worker's log."""
    run = outbox.claim(effect_id, timezone.now())
    if run is None:
        return "not claimed"
    try:
        with _lease_held(run):
            result = actions.handler_of(run.kind)(run)
            return _booked(run, result)
    except EffectFailed as error:
        return services.fail(run.id, run.attempt, str(error), retryable=error.retryable, retry_after=error.retry_after)
    except BadInput as error:
        return services.fail(run.id, run.attempt, f"The result was refused: {error}", retryable=False)
    except Exception as error:
        logger.exception("Effect %s (%s) broke in attempt %s", run.id, run.kind, run.attempt)
        return services.fail(run.id, run.attempt, f"{type(error).__name__}: {error}", retryable=True)


@shared_task(name="workflows.tasks.sweep", ignore_result=True)
def sweep() -> int:
    """End effects whose last attempt died, tell workers again (returns how many), settle tasks and webhooks.

    What breaks keeps nothing else from being done: one case that cannot be locked or read must not stop all others.
    """
    now = timezone.now()
    for effect_id, attempt in outbox.given_up(now):
        message = f"The worker stopped without a word in attempt {attempt}, the last one."
        _apart(partial(services.fail, effect_id, attempt, message, retryable=False), f"Effect {effect_id}")
    told = _apart(partial(outbox.tell_again, now), "Telling workers again")
    _apart(partial(services.settle_tasks, now), "Settling tasks")
    _apart(partial(services.tell_subscribers, now), "Telling webhooks")
    return told or 0


@shared_task(name="workflows.tasks.tidy", ignore_result=True)
def tidy() -> int:
    """Cancel tasks that lost their token; forget what webhooks left behind long ago; how many rows."""
    now = timezone.now()
    return services.cancel_lost_tasks(now) + services.forget_receipts(now) + services.forget_effects(now)


@shared_task(name="workflows.tasks.archive", ignore_result=True)
def archive() -> int:
    """Archive cases that finished ARCHIVE_AFTER_DAYS ago, at most ARCHIVE_BATCH in a call; returns how many."""
    now = timezone.now()
    before = now - timedelta(days=settings.ARCHIVE_AFTER_DAYS)
    return services.archive_finished(before, now, ARCHIVE_BATCH).cases if settings.ARCHIVE_AFTER_DAYS else 0


def _booked(run: EffectRun, result: EffectResult) -> str:
    """Book the result, again if the database was away for a moment: the work is done, and may have cost money."""
    for pause in BOOKING_PAUSES:
        try:
            return services.complete(run.id, run.attempt, result)
        except OperationalError:  # a deadlock, a restart, a lock that was not got in time
            logger.warning("Effect %s: the result was not booked; trying again in %s s", run.id, pause, exc_info=True)
            connection.close_if_unusable_or_obsolete()
            time.sleep(pause)
    return services.complete(run.id, run.attempt, result)


def _apart(act: Callable[[], Result], what: str) -> Result | None:
    """What `act` returns; None if it broke, which the log says and the next sweep tries again."""
    try:
        return act()
    except Exception:
        logger.exception("%s broke in the sweep", what)
        connection.close_if_unusable_or_obsolete()
        return None


@contextmanager
def _lease_held(run: EffectRun) -> Iterator[None]:
    """Renew the lease from a thread until the block ends. A lost lease is not an error here: `complete` is fenced."""
    ended = threading.Event()
    pause = outbox.lease().total_seconds() / HEARTBEATS_PER_LEASE
    thread = threading.Thread(target=_beat, args=(run, pause, ended), name=f"lease-{run.id}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _beat(run: EffectRun, pause: float, ended: threading.Event) -> None:
    try:
        while not ended.wait(pause):
            try:
                if not outbox.renew(run.id, run.attempt, timezone.now()):
                    logger.warning(
                        "Effect %s: attempt %s lost its lease; its result will not count", run.id, run.attempt
                    )
                    return
            except Error:
                logger.warning("Effect %s: the lease was not renewed; trying again", run.id, exc_info=True)
                connection.close()
    finally:
        connection.close()
