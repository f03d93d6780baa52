"""Turns new entries of the log into effects that tell subscribers. Called by the sweep; firings do not wait for it.

Each entry is handed on once, in order of position, by whoever holds the cursor's row. An entry whose position was drawn
before but committed after a later one is not missed: see `WebhookCursor`. Next: `actions/webhooks.py`.
"""

from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import Q

from workflows import outbox, selectors
from workflows.models import OutboxEffect, WebhookCursor, WebhookSubscription
from workflows.selectors import LogEntry
from workflows.services.cascade import WAKE

KIND = "webhook"
PAGE, PAGES = 500, 20
"""Entries looked through in one transaction, and how often in one sweep; the next goes on."""
ATTEMPTS = 40
"""With the pauses of `effects.py` that is some three hours."""
EFFECTS_KEPT = timedelta(days=30)


def tell_subscribers(now: datetime) -> int:
    """Write an effect for each new entry and subscription that go together; how many."""
    if not WebhookSubscription.objects.filter(enabled=True).exists():
        return 0
    told = 0
    for _ in range(PAGES):
        looked, written = _tell_page(now)
        told += written
        if looked < PAGE:
            break
    return told


def _tell_page(now: datetime) -> tuple[int, int]:
    """Look through the next entries; how many these were, and the effects written."""
    with transaction.atomic():
        cursor = _held_cursor()
        if cursor is None:
            return 0, 0
        subscriptions = list(WebhookSubscription.objects.filter(enabled=True).order_by("created_at", "id"))
        cursor.position = max(cursor.position, min((each.after for each in subscriptions), default=0))
        entries = _settled(cursor)
        effects = [_effect(each, entry, now) for entry in entries for each in subscriptions if _wants(each, entry)]
        OutboxEffect.objects.bulk_create(effects)
        outbox.dispatch_on_commit(effects)
        cursor.save()
    return len(entries), len(effects)


def forget_effects(now: datetime) -> int:
    """Drop effects that ended long ago and belong to no case that would be archived: those of webhooks, and the wakes
    of what cases share. Some at a time; the next call goes on."""
    ended = OutboxEffect.objects.filter(state__in=(OutboxEffect.DONE, OutboxEffect.FAILED))
    old = ended.filter(Q(kind=KIND) | Q(kind=WAKE) & ~Q(case__scope=""), created_at__lt=now - EFFECTS_KEPT)
    forgotten = 0
    for _ in range(PAGES):
        ids = list(old.order_by("created_at").values_list("pk", flat=True)[:PAGE])
        forgotten += OutboxEffect.objects.filter(pk__in=ids).delete()[0] if ids else 0
        if len(ids) < PAGE:
            break
    return forgotten


def _held_cursor() -> WebhookCursor | None:
    """The one row, locked; None while another process has it."""
    WebhookCursor.objects.get_or_create(pk=1)
    skip = connection.features.has_select_for_update_skip_locked
    return WebhookCursor.objects.select_for_update(skip_locked=skip).filter(pk=1).first()


def _settled(cursor: WebhookCursor) -> list[LogEntry]:
    """The next entries, none of which another can still come before; moves the cursor past them.

    Positions that follow each other leave no room for another. What lies beyond a gap waits until every transaction
    that wrote when the gap was seen has ended.
    """
    entries = selectors.log_after(cursor.position, PAGE)
    if not entries:
        return []
    ready = 0
    while ready < len(entries) and entries[ready].position == cursor.position + 1 + ready:
        ready += 1
    if ready < len(entries):
        if cursor.upto <= cursor.position + ready:
            cursor.upto, cursor.writers = entries[-1].position, sorted(selectors.log_writers())
        if not selectors.log_writers().intersection(cursor.writers):
            entries = selectors.log_after(cursor.position, PAGE)  # with what filled a gap meanwhile
            ready = sum(entry.position <= cursor.upto for entry in entries)
    if ready:
        cursor.position = entries[ready - 1].position
    return entries[:ready]


def _wants(subscription: WebhookSubscription, entry: LogEntry) -> bool:
    new = entry.position > subscription.after
    of_it = subscription.workflow_id in (None, entry.workflow_id)
    return new and of_it and (not subscription.events or entry.kind in subscription.events)


def _effect(subscription: WebhookSubscription, entry: LogEntry, now: datetime) -> OutboxEffect:
    """The payload's form is the one the Standard Webhooks specification recommends."""
    data: dict[str, Any] = {
        "workflowId": entry.workflow_id,
        "caseId": entry.case_id,
        "seq": entry.seq,
        "position": str(entry.position),
        "tokenId": entry.token_id,
        "transition": entry.transition or None,
        "fromPlace": entry.from_place or None,
        "toPlace": entry.to_place or None,
        "data": entry.data,
        "triggeredBy": entry.triggered_by or None,
    }
    payload = {"type": entry.kind, "timestamp": entry.at.isoformat().replace("+00:00", "Z"), "data": data}
    return OutboxEffect(
        kind=KIND,
        reference=str(subscription.pk),
        payload=payload,
        max_attempts=ATTEMPTS,
        available_at=now,
        dispatched_at=now,
        created_at=now,
    )
