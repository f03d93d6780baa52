"""Live views of the log: what a subscription yields, from a cursor on or from now on.

With `after` the past is read from the database first, page by page, then the queue takes over at the position where
the tail admitted the view; so each entry comes once, in order. Subscribing is done when `follow` returns: what is
committed later will come. A view that is too slow ends with SubscriberTooSlow, whose `after` resumes it.
"""

from collections.abc import AsyncIterator

from channels.db import database_sync_to_async

from workflows import selectors
from workflows.core.errors import BadInput, SubscriberTooSlow
from workflows.schema.tail import PAGE, LogTail, Subscriber, current_tail
from workflows.selectors import LogEntry

Event = LogEntry | SubscriberTooSlow
"""A view's last event may be the error it ends with, so that its client gets it as a result like any other."""


async def follow_workflow(workflow_id: str, after: str | None) -> AsyncIterator[Event]:
    """The workflow's log; raises WorkflowNotFound, BadInput."""
    await database_sync_to_async(selectors.existing_workflow)(workflow_id)
    return await _follow(Subscriber(workflow_id=workflow_id), after)


async def follow_token(token_id: str, after: str | None) -> AsyncIterator[Event]:
    """The entries that change or name the token; raises TokenNotFound, BadInput."""
    token = await database_sync_to_async(selectors.existing_token)(token_id)
    return await _follow(Subscriber(token_id=str(token.pk)), after)


async def _follow(subscriber: Subscriber, after: str | None) -> AsyncIterator[Event]:
    subscriber.after = _position(after) if after is not None else 0
    tail = current_tail()
    admitted_at = await tail.join(subscriber, from_now=after is None)
    return _events(tail, subscriber, admitted_at)


async def _events(tail: LogTail, subscriber: Subscriber, admitted_at: int) -> AsyncIterator[Event]:
    delivered = subscriber.after
    try:
        while delivered < admitted_at:
            page = await database_sync_to_async(_past)(subscriber, delivered, admitted_at)
            for entry in page:
                yield entry
                delivered = entry.position
            if len(page) < PAGE:
                break
        while True:
            while subscriber.queue:
                entry = subscriber.queue.popleft()
                if entry.position > delivered:
                    yield entry
                    delivered = entry.position
            if subscriber.overflowed:
                yield SubscriberTooSlow(delivered)
                return
            subscriber.filled.clear()
            await subscriber.filled.wait()
    finally:
        tail.leave(subscriber)


def _past(subscriber: Subscriber, after: int, upto: int) -> list[LogEntry]:
    if subscriber.workflow_id is not None:
        return selectors.log_of_workflow(subscriber.workflow_id, after, upto, PAGE)
    assert subscriber.token_id is not None
    return selectors.log_of_token(subscriber.token_id, after, upto, PAGE)


def _position(after: str) -> int:
    if not after.isascii() or not after.isdecimal() or len(after) > 18:
        raise BadInput("after", "must be the position of an event received before")
    return int(after)
