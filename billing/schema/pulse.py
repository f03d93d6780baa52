"""Wakes live views when a table has grown: one reader of its end per event loop, however many views there are.

A view reads its own rows, a page at a time and only when its client has taken the last page, so a slow client costs no
memory and misses nothing: the table is the queue. Used by views whose rows have positions in the order of commits.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from weakref import WeakKeyDictionary

from channels.db import database_sync_to_async
from django.conf import settings

ERROR_PAUSE = 1.0

logger = logging.getLogger(__name__)


class Watch:
    """What the views of one event loop share: how far the table goes, as last read."""

    def __init__(self, read_end: Callable[[], int]) -> None:
        self._read_end = database_sync_to_async(read_end)
        self._grown = asyncio.Event()
        self.end = 0
        self.followers = 0
        self.task = asyncio.get_running_loop().create_task(self._run())

    async def beyond(self, position: int, seconds: float | None = None) -> None:
        """Return once the table goes beyond the position, or after so long."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self.end <= position:
                    await self._grown.wait()

    async def _run(self) -> None:
        while True:
            try:
                end = await self._read_end()
            except Exception:  # whatever it was, views wait for the table rather than end
                logger.warning("The end of a table cannot be read; trying again in %s s", ERROR_PAUSE, exc_info=True)
                await asyncio.sleep(ERROR_PAUSE)
                continue
            if end > self.end:
                self.end = end
                self._grown.set()
                self._grown = asyncio.Event()
            await asyncio.sleep(settings.LIVE_POLL_SECONDS)


class Pulse:
    """The watches of one table, made when a loop's first view comes and ended with its last one."""

    def __init__(self, read_end: Callable[[], int]) -> None:
        self._read_end = read_end
        self._watches: WeakKeyDictionary[asyncio.AbstractEventLoop, Watch] = WeakKeyDictionary()

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[Watch]:
        loop = asyncio.get_running_loop()
        watch = self._watches.get(loop)
        if watch is None:
            watch = self._watches[loop] = Watch(self._read_end)
        watch.followers += 1
        try:
            yield watch
        finally:
            watch.followers -= 1
            if not watch.followers:
                del self._watches[loop]
                watch.task.cancel()
