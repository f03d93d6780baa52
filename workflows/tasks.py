"""Celery's side of the outbox: run one effect, and send again what nobody picked up.

Messages may come late, twice or never. `run_effect` does nothing unless it gets the lease; the handler runs in no
transaction while a heartbeat thread holds the lease. A worker that dies is found by `sweep` when its lease runs out;
`sweep` is to be called every few seconds (by any number of processes).
"""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from celery import shared_task
from django.conf import settings
from django.db import Error, connection
from django.utils import timezone

from workflows import actions, outbox, services
from workflows.core.effects import EffectRun
from workflows.core.errors import BadInput, EffectFailed

logger = logging.getLogger(__name__)

HEARTBEATS_PER_LEASE = 3
ARCHIVE_BATCH = 1_000


@shared_task(name=outbox.TASK, ignore_result=True)
def run_effect(effect_id: str) -> str:
    """Claim the effect, let its handler work, book the outcome; returns what happened, for the worker's log."""
    run = outbox.claim(effect_id, timezone.now())
    if run is None:
        return "not claimed"
    try:
        with _lease_held(run):
            result = actions.handler_of(run.kind)(run)
        return services.complete(run.id, run.attempt, result)
    except EffectFailed as error:
        return services.fail(run.id, run.attempt, str(error), retryable=error.retryable, retry_after=error.retry_after)
    except BadInput as error:
        return services.fail(run.id, run.attempt, f"The result was refused: {error}", retryable=False)
    except Exception as error:
        logger.exception("Effect %s (%s) broke in attempt %s", run.id, run.kind, run.attempt)
        return services.fail(run.id, run.attempt, f"{type(error).__name__}: {error}", retryable=True)


@shared_task(name="workflows.tasks.sweep", ignore_result=True)
def sweep() -> int:
    """End effects whose last attempt died, tell workers again (returns how many), settle tasks and webhooks."""
    now = timezone.now()
    for effect_id, attempt in outbox.given_up(now):
        message = f"The worker stopped without a word in attempt {attempt}, the last one."
        services.fail(effect_id, attempt, message, retryable=False)
    told = outbox.tell_again(now)
    services.settle_tasks(now)
    services.tell_subscribers(now)
    return told


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
