"""Gathers what one turn of the event loop wants to send, and sends it in one go when the turn is over.

Why: each write to a socket wakes the process at the other end. Written one by one, between pieces of our own work,
every one costs a wake-up; written back to back, the other end wakes once and finds them all. Nothing stays longer
than a turn, so memory is bounded by what a turn can bring. Bytes for one transport keep their order as long as all go
through here; whoever closes a transport calls `flush` first. What must have happened before any of it leaves (the
journal's write) is done by `before`.
"""

import asyncio
from collections.abc import Callable


class Outbox:
    """Belongs to one event loop."""

    __slots__ = ("_before", "_loop", "_parts")

    def __init__(self, loop: asyncio.AbstractEventLoop, before: Callable[[], None] | None = None) -> None:
        self._loop = loop
        self._before = before
        self._parts: list[tuple[asyncio.WriteTransport, bytes]] = []

    def write(self, transport: asyncio.WriteTransport, data: bytes) -> None:
        """Send `data` at the end of this turn."""
        if not self._parts:
            self._loop.call_soon(self.flush)
        self._parts.append((transport, data))

    def flush(self) -> None:
        """Send everything now. A transport that is closing takes nothing."""
        if self._before is not None:
            self._before()
        parts, self._parts = self._parts, []
        for transport, data in parts:
            if not transport.is_closing():
                transport.write(data)
