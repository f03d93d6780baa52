"""One reader of the log per process, for all live views: nothing missed, nothing repeated, in order of position.

A hint (from this process, or through the channel layer) or LIVE_POLL_SECONDS wakes it; it reads what is new once and
hands each entry to the subscribers of its workflow and tokens. A queue holds QUEUE_LENGTH entries; a subscriber whose
queue is full gets no more and ends with SubscriberTooSlow once it has drained it. The tail lives as long as it has
subscribers. Next: `live.py`.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TypeVar
from weakref import WeakKeyDictionary, WeakSet

from channels.layers import get_channel_layer
from django.conf import settings
from django.db import connection

from workflows import outbox, selectors
from workflows.selectors import LogEntry

QUEUE_LENGTH = 1_000
PAGE = 200
LOOKBACK = 1_000
"""Positions before the log's end where an entry of a transaction still running may turn up at the start."""
GAP_PAUSE = 0.02
ERROR_PAUSE = 1.0

logger = logging.getLogger(__name__)
Found = TypeVar("Found")


@dataclass(slots=True)
class Settled:
    """How far the log is complete. Entries after a missing position wait until it is filled or known to stay empty."""

    cursor: int
    held: tuple[int, ...] = ()
    """Positions seen and not yet released."""
    _final: int = 0
    _fence: int | None = None
    _fenced: int = 0

    def release(self, entries: Sequence[LogEntry], horizon: int) -> list[LogEntry]:
        """Those of the entries read after `cursor` whose turn has come; moves the cursor."""
        if self._fence is not None and horizon > self._fence:
            self._final, self._fence = self._fenced, None
        released: list[LogEntry] = []
        for entry in entries:
            if entry.position != self.cursor + 1 and entry.position > self._final:
                break
            self.cursor = entry.position
            released.append(entry)
        self.held = tuple(entry.position for entry in entries[len(released) :])
        return released

    @property
    def wants_fence(self) -> bool:
        return bool(self.held) and self._fence is None

    def put_fence(self, fence: int) -> None:
        """`fence` was taken after the held entries were seen; a later read's horizon above it settles the gaps."""
        self._fence, self._fenced = fence, self.held[-1]


@dataclass(eq=False, slots=True, weakref_slot=True)
class Subscriber:
    """One live view's queue. Exactly one of the ids is set. The tail forgets it when its view is gone."""

    workflow_id: str | None = None
    token_id: str | None = None
    after: int = 0
    """Nothing up to here is wanted from the queue."""
    skip: frozenset[int] = frozenset()
    """Positions above `after` that were visible before the subscription began."""
    queue: deque[LogEntry] = field(default_factory=deque)
    filled: asyncio.Event = field(default_factory=asyncio.Event)
    overflowed: bool = False

    def offer(self, entry: LogEntry) -> None:
        if entry.position <= self.after or entry.position in self.skip or self.overflowed:
            return
        if len(self.queue) >= QUEUE_LENGTH:
            self.overflowed = True
        else:
            self.queue.append(entry)
        self.filled.set()


class LogTail:
    """Reads for one event loop. Use `current_tail`."""

    def __init__(self) -> None:
        self._stopped = False
        self._loop = asyncio.get_running_loop()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="workflow-log-tail")
        self._wake = asyncio.Event()
        self._joining: list[tuple[Subscriber, bool, asyncio.Future[int]]] = []
        self._by_workflow: dict[str, WeakSet[Subscriber]] = {}
        self._by_token: dict[str, WeakSet[Subscriber]] = {}
        self._tasks = [self._loop.create_task(self._run()), self._loop.create_task(self._hear_other_processes())]
        self._deaf = outbox.listen(self._heard)

    def _heard(self) -> None:
        """From any thread."""
        with suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(self._wake.set)

    async def join(self, subscriber: Subscriber, *, from_now: bool) -> int:
        """Hand every entry after the returned position to the subscriber; `from_now` leaves out what is visible now."""
        admitted: asyncio.Future[int] = self._loop.create_future()
        self._joining.append((subscriber, from_now, admitted))
        self._wake.set()
        try:
            return await admitted
        except asyncio.CancelledError:
            self.leave(subscriber)
            raise

    def leave(self, subscriber: Subscriber) -> None:
        """Hand it nothing more; the tail ends with its last subscriber."""
        self._joining = [joining for joining in self._joining if joining[0] is not subscriber]
        for index, key in ((self._by_workflow, subscriber.workflow_id), (self._by_token, subscriber.token_id)):
            if key in index:
                index[key].discard(subscriber)
                if not index[key]:
                    del index[key]
        self._stop_if_alone()

    def _stop_if_alone(self) -> None:
        if not self._joining and not any(self._by_workflow.values()) and not any(self._by_token.values()):
            self._stop()

    def _stop(self) -> None:
        if self._stopped:
            return
        self._stopped = True
        if _tails.get(self._loop) is self:
            del _tails[self._loop]
        self._deaf()
        for task in self._tasks:
            task.cancel()
        self._thread.submit(_close_connection)
        self._thread.shutdown(wait=False)

    async def _run(self) -> None:
        settled: Settled | None = None
        while True:
            joining = self._joining[:]
            try:
                if settled is None:
                    settled = await self._begin()
                at_end, moved = await self._read(settled)
            except Exception:  # whatever it was, live views wait for the log rather than end
                logger.warning("The log cannot be read; trying again every %s s", ERROR_PAUSE, exc_info=True)
                await self._in_thread(_close_connection)
                await asyncio.sleep(ERROR_PAUSE)
                continue
            if at_end:
                self._admit(joining, settled)
                self._stop_if_alone()
            if at_end or not moved:
                await self._pause(GAP_PAUSE if settled.held else settings.LIVE_POLL_SECONDS)

    async def _begin(self) -> Settled:
        """Start at the log's end, or before the first position near it that may still be filled."""
        end, visible = await self._in_thread(lambda: selectors.log_end(LOOKBACK))
        start = max(0, end - LOOKBACK)
        for position in visible:
            if position != start + 1:
                break
            start = position
        return Settled(start)

    async def _read(self, settled: Settled) -> tuple[bool, bool]:
        """Read one page and hand out what is settled; whether the page reached the log's end, and whether it moved."""
        entries, horizon = await self._in_thread(lambda: selectors.read_log(settled.cursor, PAGE))
        released = settled.release(entries, horizon)
        self._hand_out(released)
        if settled.wants_fence:
            settled.put_fence(await self._in_thread(selectors.take_fence))
            return False, True
        return len(entries) < PAGE, bool(released)

    def _hand_out(self, entries: Iterable[LogEntry]) -> None:
        for entry in entries:
            concerned = {entry.token_id, *(state.token_id for state in entry.states)}
            for subscriber in tuple(self._by_workflow.get(entry.workflow_id, ())):
                subscriber.offer(entry)
            for token_id in concerned:
                for subscriber in tuple(self._by_token.get(token_id, ())):
                    subscriber.offer(entry)

    def _admit(self, joining: list[tuple[Subscriber, bool, asyncio.Future[int]]], settled: Settled) -> None:
        for subscriber, from_now, admitted in joining:
            if admitted.done():
                continue
            if from_now:
                subscriber.after, subscriber.skip = settled.cursor, frozenset(settled.held)
            if subscriber.workflow_id is not None:
                self._by_workflow.setdefault(subscriber.workflow_id, WeakSet()).add(subscriber)
            if subscriber.token_id is not None:
                self._by_token.setdefault(subscriber.token_id, WeakSet()).add(subscriber)
            admitted.set_result(settled.cursor)
        self._joining = [each for each in self._joining if not each[2].done()]

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._wake.wait(), seconds)
        self._wake.clear()

    async def _hear_other_processes(self) -> None:
        if not settings.REDIS_URL:
            return
        layer = get_channel_layer()
        while True:
            try:
                channel = await layer.new_channel()
                await layer.group_add(outbox.LOG_GROUP, channel)
                while True:
                    await layer.receive(channel)
                    self._wake.set()
            except Exception:  # a layer that is down costs LIVE_POLL_SECONDS per entry, not entries
                logger.warning("No hints from other processes; polling", exc_info=True)
                await asyncio.sleep(ERROR_PAUSE)

    async def _in_thread(self, read: Callable[[], Found]) -> Found:
        return await self._loop.run_in_executor(self._thread, read)


def _close_connection() -> None:
    """A function, because `connection` means the thread that evaluates the name."""
    connection.close()


_tails: "WeakKeyDictionary[asyncio.AbstractEventLoop, LogTail]" = WeakKeyDictionary()


def current_tail() -> LogTail:
    """The tail of the running event loop (a process has one; tests have many)."""
    loop = asyncio.get_running_loop()
    tail = _tails.get(loop)
    if tail is None:
        tail = _tails[loop] = LogTail()
    return tail
