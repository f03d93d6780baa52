"""One connection to a provider and the answer it is receiving: llhttp's callbacks in, a `Reply` out.

A `Reply` is awaited once (complete, or at its head when streamed) and then, when streamed, handed to a receiver:
`relay` gives it what has come already and every later part at once, without a task in between. `pause` and `resume`
carry the client's slowness to the provider. Whoever no longer wants the answer calls `cancel`, which closes the
connection.
"""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

import httptools

from llm.core.errors import LlmError, ProviderBroken, ProviderTimeout
from llm.gateway.exchange import Headers

if TYPE_CHECKING:
    from llm.gateway.upstream import Pool

HEAD_BYTES = 131_072
HEADER_COUNT = 200
FOREVER = float("inf")


class Stale(Exception):
    """A pooled connection was closed by the provider before it took up the request."""


class Cancelled(LlmError):
    """The caller no longer wants the answer."""

    code = "CANCELLED"
    status = 499


class Reply:
    """One answer. `status`, `headers` and, if not streamed, `body` are there once the call has returned."""

    __slots__ = (
        "_arrived",
        "_on_data",
        "_parts",
        "_size",
        "_size_limit",
        "cancelled",
        "complete",
        "connection",
        "deadline",
        "error",
        "headers",
        "loop",
        "sent",
        "status",
        "streamed",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop, streamed: bool, size_limit: int) -> None:
        self.loop = loop
        self.streamed = streamed
        self.deadline = FOREVER
        self.cancelled = False
        self.sent = False
        """The request is on its way: from here on it may cost money."""
        self._size_limit = size_limit
        self.renew()

    def renew(self) -> None:
        """Forget everything received: the request is sent again."""
        self.status = 0
        self.headers: Headers = []
        self.complete = False
        self.error: LlmError | Stale | None = None
        self.connection: ProviderConnection | None = None
        self._parts: list[bytes] = []
        self._size = 0
        self._arrived: asyncio.Future[None] = self.loop.create_future()
        self._on_data: Callable[[bytes], None] | None = None

    @property
    def body(self) -> bytes:
        return self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)

    def header(self, name: bytes) -> bytes | None:
        """The first value of a header (`name` in lower case)."""
        return next((value for key, value in self.headers if key == name), None)

    async def arrival(self) -> None:
        """Wait for the head (streamed) or for everything. Raises what went wrong."""
        await self._arrived
        if self.error is not None and not (self.streamed and self.status):
            raise self.error

    async def read(self) -> bytes:
        """The rest of a streamed answer as a whole: for answers that turn out to be no stream."""
        self.streamed = False
        if not self.complete and self.error is None:
            self._arrived = self.loop.create_future()
            await self._arrived
        if self.error is not None:
            raise self.error
        return self.body

    async def relay(self, on_data: Callable[[bytes], None]) -> None:
        """Hand over every part as it comes; returns at the end. Raises what went wrong, after all that came."""
        while self._parts:
            on_data(self._parts.pop(0))
        self._on_data = on_data
        if not self.complete and self.error is None:
            self._arrived = self.loop.create_future()
            await self._arrived
        if self.error is not None:
            raise self.error

    def pause(self) -> None:
        if self.connection is not None:
            self.connection.pause()

    def resume(self) -> None:
        if self.connection is not None:
            self.connection.resume()

    def cancel(self) -> None:
        """Give up: the connection closes, whoever waits gets `Cancelled`."""
        self.cancelled = True
        self._give_up(Cancelled("The caller no longer wants the answer."))

    # --- the connection calls these -----------------------------------------------------------------------------------
    def add(self, part: bytes) -> None:
        if self._on_data is not None:
            try:
                self._on_data(part)
            except LlmError as error:
                self._give_up(error)
            return
        self._size += len(part)
        self._parts.append(part)
        if self._size > self._size_limit:
            self._give_up(ProviderBroken(f"The provider's answer is larger than {self._size_limit} bytes."))

    def head_complete(self) -> None:
        if self.streamed:
            self._wake()

    def finish(self) -> None:
        self.complete = True
        self.connection = None
        self._wake()

    def fail(self, error: LlmError | Stale) -> None:
        if self.error is None and not self.complete:
            self.error = error
            self._wake()

    def _give_up(self, error: LlmError) -> None:
        self.fail(error)
        if self.connection is not None:
            self.connection.drop()

    def _wake(self) -> None:
        if not self._arrived.done():
            self._arrived.set_result(None)


class ProviderConnection(asyncio.Protocol):
    """See the header. At most one reply at a time; bytes that belong to none close the connection."""

    def __init__(self, pool: "Pool") -> None:
        self.pool = pool
        self.born = self.idle_since = pool.upstream.loop.time()
        self.reply: Reply | None = None
        self._transport: asyncio.Transport = cast(asyncio.Transport, None)
        self._parser = httptools.HttpResponseParser(self)
        self._calls = 0
        self._received = False
        self._interim = False
        self._bounded = False
        """The answer says where it ends, so that a closed connection before that is a cut."""
        self._paused = False
        self._lost = False

    async def ask(self, reply: Reply, head: bytes, body: bytes) -> None:
        """Send a request and wait for its answer. Raises Stale or what went wrong."""
        if reply.cancelled:
            self.pool.give_back(self)
            raise Cancelled("The caller no longer wants the answer.")
        if self._lost or self._transport.is_closing():
            raise Stale
        self._calls += 1
        self._received = self._interim = self._bounded = False
        self.reply = reply
        reply.connection = self
        reply.sent = True
        self.pool.upstream.busy.add(self)
        if len(body) > 65_536:
            self._transport.write(head)
            self._transport.write(body)
        else:
            self._transport.write(head + body)
        await reply.arrival()

    def drop(self) -> None:
        """Close without ceremony."""
        self._transport.abort()

    def time_out(self) -> None:
        if self.reply is not None:
            self.reply.fail(ProviderTimeout(f"{self.pool.origin} did not answer in time."))
            self.drop()

    def pause(self) -> None:
        if not self._paused and not self._lost:
            self._paused = True
            self._transport.pause_reading()

    def resume(self) -> None:
        if self._paused and not self._lost:
            self._paused = False
            self._transport.resume_reading()

    # --- the transport calls these ------------------------------------------------------------------------------------
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self.pool.opened += 1

    def data_received(self, data: bytes) -> None:
        if self.reply is None:
            self.drop()
            return
        self._received = True
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            if self.reply is not None:
                self.reply.fail(ProviderBroken(f"{self.pool.origin} sent something that is not HTTP/1.1: {error}."))
            self.drop()

    def connection_lost(self, error: Exception | None) -> None:
        self._lost = True
        reply, self.reply = self.reply, None
        self.pool.upstream.busy.discard(self)
        self.pool.lost(self)
        if reply is None:
            return
        if not self._received and self._calls > 1:
            reply.fail(Stale())
        elif reply.status and not self._bounded and error is None:
            reply.finish()
        else:
            reply.fail(ProviderBroken(f"{self.pool.origin} broke the connection off."))
        reply.connection = None

    # --- llhttp calls these -------------------------------------------------------------------------------------------
    def on_header(self, name: bytes, value: bytes) -> None:
        reply = self.reply
        if reply is None or reply.status:  # trailers
            return
        reply.headers.append((name.lower(), value))
        if len(reply.headers) > HEADER_COUNT or len(name) + len(value) > HEAD_BYTES:
            raise ProviderBroken("too many headers")

    def on_headers_complete(self) -> None:
        reply = self.reply
        if reply is None:
            raise ProviderBroken("an answer nobody asked for")
        status = self._parser.get_status_code()
        if status < 200:
            self._interim = True
            reply.headers = []
            return
        reply.status = status
        self._bounded = any(name in (b"content-length", b"transfer-encoding") for name, _ in reply.headers)
        reply.head_complete()

    def on_body(self, part: bytes) -> None:
        if self.reply is not None:
            self.reply.add(part)

    def on_message_complete(self) -> None:
        if self._interim:
            self._interim = False
            return
        reply, self.reply = self.reply, None
        if reply is None or reply.error is not None:
            return
        self.pool.upstream.busy.discard(self)
        if self._paused:
            self.resume()
        if self._parser.should_keep_alive() and not self._transport.is_closing():
            self.pool.give_back(self)
        else:
            self.drop()
        reply.finish()
