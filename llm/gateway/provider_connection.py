"""One connection to a provider and the answer it is receiving: llhttp's callbacks in, a `Reply` out.

`await reply.arrived` waits for the whole answer, or for its head when streamed; a streamed one is then given to a
receiver: `relay` hands over what has come already and every later part at once, without a task in between. `pause`
and `resume` carry the client's slowness to the provider. Whoever no longer wants the answer calls `cancel`, which
closes the connection. A request is sent again, once, on a new connection, only where it is proved that the provider
took none of it (`staleness.py` says what a proof is); otherwise the reply fails and says that nobody knows.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

import httptools

from llm.core.errors import LlmError, ProviderBroken, ProviderTimeout
from llm.gateway.staleness import bytes_acknowledged, input_waits
from llm.gateway.steps import Signal

if TYPE_CHECKING:
    from llm.gateway.httpx_transport import HttpxCall
    from llm.gateway.upstream import Pool

log = logging.getLogger(__name__)

HEAD_BYTES = 131_072
APART_BYTES = 16_384
"""A body of this size is sent without being copied: while the provider thinks, a request is in memory once."""
FOREVER = float("inf")


class Cancelled(LlmError):
    """The caller no longer wants the answer."""

    code = "CANCELLED"
    status = 499


class Reply:
    """One answer. After `await arrived` either `error` is set, or `status`, `headers` and, if not streamed, `body`."""

    status = 0
    complete = False
    cancelled = False
    on_sent: Callable[[], None] | None = None
    """Called before the first byte of the request leaves."""
    sent = False
    """The request is on its way: from here on it may cost money."""
    replaced = False
    """It was sent again, because the first connection was stale."""
    error: LlmError | None = None
    connection: "ProviderConnection | HttpxCall | None" = None
    head = b""
    """The request's head, as sent; its `content` follows."""
    content = b""
    _on_data: Callable[[bytes], None] | None = None
    _size = 0

    def __init__(self, streamed: bool, size_limit: int) -> None:
        self.streamed = streamed
        self.deadline = FOREVER
        """In loop time. Whoever waits may move it."""
        self.arrived = Signal()
        """Fired when everything is there (streamed: the head), or something went wrong."""
        self.headers: dict[bytes, bytes] = {}
        self._size_limit = size_limit
        self._parts: list[bytes] = []

    @property
    def body(self) -> bytes:
        return self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)

    def header(self, name: bytes) -> bytes | None:
        """A header's value (`name` in lower case; of several alike the last)."""
        return next((value for key, value in self.headers.items() if key.lower() == name), None)

    async def read(self) -> bytes:
        """Everything, also of a streamed answer that turns out to be none. Raises what went wrong."""
        if not self.complete and self.error is None:
            self.arrived = Signal()
            await self.arrived
        if self.error is not None:
            raise self.error
        return self.body

    async def relay(self, on_data: Callable[[bytes], None]) -> None:
        """Hand over every part as it comes; returns at the end. Raises what went wrong, after all that came."""
        while self._parts:
            on_data(self._parts.pop(0))
        self._on_data = on_data
        if not self.complete and self.error is None:
            self.arrived = Signal()
            await self.arrived
        self._on_data = None
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
            except Exception:  # not into llhttp's hands: it would look as if the provider had sent nonsense
                log.exception("The gateway could not pass on a part of a provider's answer.")
                self._give_up(LlmError("Internal error in the gateway."))
            return
        self._size += len(part)
        self._parts.append(part)
        if self._size > self._size_limit:
            self._give_up(ProviderBroken(f"The provider's answer is larger than {self._size_limit} bytes."))

    def finish(self) -> None:
        self.complete = True
        self.connection = None
        self.arrived.fire()

    def fail(self, error: LlmError) -> None:
        if self.error is None and not self.complete:
            self.error = error
            self.arrived.fire()

    def _give_up(self, error: LlmError) -> None:
        connection = self.connection
        self.fail(error)
        if connection is not None:
            connection.drop()


class ProviderConnection(asyncio.Protocol):
    """See the header. At most one reply at a time; bytes that belong to none close the connection."""

    def __init__(self, pool: "Pool") -> None:
        self.pool = pool
        self.born = self.idle_since = pool.upstream.loop.time()
        self.reply: Reply | None = None
        self._transport: asyncio.Transport = cast(asyncio.Transport, None)
        self._headers: dict[bytes, bytes] = {}
        self.on_header = self._headers.__setitem__  # called by llhttp, with no frame of ours
        self._parser = httptools.HttpResponseParser(self)
        self._head_size = 0
        self._received = self._interim = False
        self._whole = False
        """The answer is complete; it is handed over once the parser has returned."""
        self._keep = False
        self._paused = False
        self._lost = False
        self._acknowledged = 0
        """Bytes the provider had acknowledged before the request under way; 0: not asked, or not known."""
        self._untouched = False
        """It is proved that the provider took nothing of the request under way."""

    def rested(self) -> bool:
        """Asked after a rest, before `ask`: whether the provider has kept the connection. Prepares for a proof."""
        if input_waits(self._transport):
            return False
        self._acknowledged = bytes_acknowledged(self._transport)
        return True

    def ask(self, reply: Reply) -> None:
        """Send the reply's request. Everything that happens is told to the reply."""
        if reply.cancelled:
            self.pool.give_back(self)
            return
        self._head_size = 0
        self._received = self._whole = False
        self.reply = reply
        reply.connection = self
        if self._lost or self._transport.is_closing():
            self._untouched = True
            self._fail_unanswered()
            return
        reply.sent = True
        if reply.on_sent is not None:
            reply.on_sent()
        outbox, content = self.pool.upstream.outbox, reply.content
        if len(content) < APART_BYTES:
            outbox.write(self._transport, reply.head + content)
        else:
            outbox.write(self._transport, reply.head)
            outbox.write(self._transport, content)

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
        self.pool.upstream.connections.add(self)

    def data_received(self, data: bytes) -> None:
        reply = self.reply
        if reply is None:
            self.drop()
            return
        self._received = True
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            if not self._whole:
                reply.fail(ProviderBroken(f"{self.pool.origin} sent something that is not HTTP/1.1: {error}."))
            self.drop()
        if self._whole:
            self._hand_over(reply)
        elif reply.status == 0:
            self._head_size += len(data)
            if self._head_size > HEAD_BYTES:
                reply.fail(ProviderBroken(f"{self.pool.origin} sends no end of headers."))
                self.drop()

    def eof_received(self) -> None:
        """The provider will send no more. What it has acknowledged by now is all it will ever take up."""
        self._untouched = 0 < self._acknowledged == bytes_acknowledged(self._transport)

    def connection_lost(self, error: Exception | None) -> None:
        self._lost = True
        reply = self.reply
        self.pool.upstream.connections.discard(self)
        self.pool.lost(self)
        if reply is None:
            return
        if reply.status and error is None and not self._says_where_it_ends():
            self.reply = None
            reply.finish()
        else:
            self._fail_unanswered()

    # --- llhttp calls these, and `on_header` --------------------------------------------------------------------------
    def on_message_begin(self) -> None:
        if self._whole:
            raise ProviderBroken("bytes after the answer")

    def on_headers_complete(self) -> None:
        reply = self.reply
        status = self._parser.get_status_code()
        if status < 200 or reply is None:
            self._interim = True
            self._headers.clear()
            return
        reply.status = status
        reply.headers = self._headers.copy()
        if reply.streamed:
            reply.arrived.fire()

    def on_body(self, part: bytes) -> None:
        if self.reply is not None:
            self.reply.add(part)

    def on_message_complete(self) -> None:
        if self._interim:
            self._interim = False
        else:
            self._whole = True
            self._keep = self._parser.should_keep_alive()  # only known in here
            self._headers.clear()

    # --- private ------------------------------------------------------------------------------------------------------
    def _hand_over(self, reply: Reply) -> None:
        """The answer is whole: free the connection first, for the caller may ask again at once."""
        self.reply = None
        self._acknowledged = 0
        if self._paused:
            self.resume()
        if self._keep and not self._transport.is_closing():
            self.pool.give_back(self)
        else:
            self.drop()
        if reply.error is None:
            reply.finish()

    def _fail_unanswered(self) -> None:
        """The connection is gone before the answer was whole: ask anew if nothing was taken, else fail."""
        reply, self.reply = self.reply, None
        if reply is None:
            return
        reply.connection = None
        if self._untouched and not self._received and not reply.replaced and reply.error is None:
            reply.replaced = True
            reply.sent = False
            self.pool.upstream.later(self.pool.replace(reply))
        elif self._received:
            reply.fail(ProviderBroken(f"{self.pool.origin} broke the connection off in the middle of its answer."))
        else:
            reply.fail(
                ProviderBroken(
                    f"{self.pool.origin} broke the connection off without an answer. Whether it took the request up is"
                    " not known, so it was not sent to it again."
                )
            )

    def _says_where_it_ends(self) -> bool:
        """Whether a connection closed before the end of the message is a cut."""
        return any(name.lower() in (b"content-length", b"transfer-encoding") for name in self._headers)
