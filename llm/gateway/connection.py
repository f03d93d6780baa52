"""One client connection of `server.py`: requests in order, answers in order, one deadline at a time.

Requests wait their turn, at most `Limits.pipelined` of them; then we stop reading. A refusal waits in the same queue,
so that answers to earlier requests leave first; after it the connection closes, lingering a little so that the client
can read why. An end-of-file may be a half-close or a hang-up, and looks the same: we go on answering, the first write
after a hang-up tells, and while there is nothing to write an interim `102 Processing` asks. Parsing is in
`request_reader.py`.
"""

import asyncio
import logging
from collections import deque
from typing import TYPE_CHECKING, cast

from llm.gateway.answer_head import BODILESS, CONTINUE, PROBE, error_body, head_lines, in_chunks, refusal_answer
from llm.gateway.exchange import Exchange, HeaderLines, Headers
from llm.gateway.request_reader import Refusal, RequestReader

if TYPE_CHECKING:
    from llm.gateway.server import HttpServer

log = logging.getLogger(__name__)

FOREVER = float("inf")
LINGER_SECONDS = 2.0
PROBE_SECONDS = 0.5


class Connection(asyncio.Protocol):
    """See the header. `deadline` is in loop time; `HttpServer` calls `expire` when it has passed."""

    def __init__(self, server: "HttpServer") -> None:
        self.server = server
        self.limits = server.limits
        self.waiting: deque[Exchange | Refusal] = deque()
        self.reader = RequestReader(server.limits, self, self.waiting, server.known_heads)
        self.transport: asyncio.Transport = cast(asyncio.Transport, None)
        self.deadline = self.message_deadline = FOREVER
        self.timed = (0, False)
        """Which request the message deadline is for, and whether for its body."""
        self.current: Exchange | None = None
        self.held = 0
        """Bytes of request bodies counted in the server's total."""
        self.unsent = 0
        self.reading_paused = self.writing_paused = False
        self.half_closed = False
        self.advancing = False
        self.deaf = False
        """No further input is read as a request: it is thrown away until the connection closes."""
        self.closing = False

    # --- the transport calls these ------------------------------------------------------------------------------------
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.transport.set_write_buffer_limits(high=self.limits.write_buffer_bytes)
        peer = transport.get_extra_info("peername")
        self.reader.client = str(peer[0]) if isinstance(peer, tuple) else ""
        self.server.connections.add(self)
        self._set_deadline()
        if len(self.server.connections) > self.limits.connections:
            self._refuse(Refusal(503, "Too many open connections; try again shortly."))
            self.advance()

    def connection_lost(self, error: Exception | None) -> None:
        self.server.connections.discard(self)
        if self.server.draining and not self.server.connections:
            self.server.emptied.set()
        self.server.buffered -= self.held
        self.held = 0
        self.deaf = self.closing = True
        self.deadline = FOREVER
        gone = self.current
        self.current = None
        self.waiting.clear()
        if gone is not None:
            gone.disconnect()

    def data_received(self, data: bytes) -> None:
        if self.deaf:
            return
        reader = self.reader
        try:
            reader.feed(data)
        except Refusal as refusal:
            self._refuse(refusal)
        if reader.held != self.held:
            self._count_held()
        if reader.in_message:
            self._time_message()
        if len(self.waiting) >= self.limits.pipelined and not self.reading_paused:
            self.reading_paused = True
            self.transport.pause_reading()
        self.advance()

    def eof_received(self) -> bool:
        self.server.outbox.flush()
        if self.current is None or self.closing or self.reader.in_message or not self.transport.can_write_eof():
            return False
        self.half_closed = True
        self.expire(self.server.loop.time())
        return True

    def pause_writing(self) -> None:
        self.writing_paused = True
        self._set_deadline()
        if self.current is not None and self.current.on_pause is not None:
            self.current.on_pause()

    def resume_writing(self) -> None:
        self.writing_paused = False
        self._set_deadline()
        if self.current is not None and self.current.on_resume is not None:
            self.current.on_resume()
        self.advance()

    # --- the server calls these ---------------------------------------------------------------------------------------
    def expire(self, now: float) -> None:
        """The deadline has passed."""
        unsent = self.transport.get_write_buffer_size()
        if unsent and (not self.unsent or unsent < self.unsent):  # the client still takes its answer
            self.unsent = unsent
            self.deadline = now + self.limits.stall_seconds
        elif unsent or self.closing:
            self.transport.abort()
        elif self.reader.in_message and not self.deaf:
            self._refuse(Refusal(408, "The request did not arrive in time."))
            self.advance()
        elif self.current is None and not self.waiting:
            self._close()
        elif self.half_closed and self.current is not None and not self.current.started:
            self._write(PROBE)
            self.deadline = now + PROBE_SECONDS
        else:
            self._set_deadline()

    def close_if_idle(self) -> None:
        if self.current is None and not self.waiting and not self.reader.in_message:
            self._close()

    def abort(self) -> None:
        self.transport.abort()

    def advance(self) -> None:
        """Hand the next waiting request to the handler, if it is its turn."""
        if self.advancing:
            return
        self.advancing = True
        while self.waiting and self.current is None and not self.closing and not self.writing_paused:
            item = self.waiting.popleft()
            if isinstance(item, Refusal):
                self._answer_refusal(item)
            else:
                self._handle(item)
        self.advancing = False
        if self.closing:
            return
        if self.reading_paused and len(self.waiting) < self.limits.pipelined:
            self.reading_paused = False
            self.transport.resume_reading()
        if self.reader.expects_continue and self.current is None and not self.waiting:
            self._invite_body()
        self._set_deadline()

    # --- the exchange calls these (Sink) ------------------------------------------------------------------------------
    def send_whole(self, exchange: Exchange, status: int, headers: Headers | HeaderLines, body: bytes) -> None:
        head = self._head(exchange, status, headers)
        if status in BODILESS:
            answer = b"%b\r\n" % head
        elif exchange.method != "HEAD":
            answer = b"%bcontent-length: %d\r\n\r\n%b" % (head, len(body), body)
        else:
            answer = b"%bcontent-length: %d\r\n\r\n" % (head, len(body))
        self.server.outbox.write(self.transport, answer)
        self._finish(exchange)

    def send_head(self, exchange: Exchange, status: int, headers: Headers | HeaderLines) -> None:
        if exchange.version == "1.0" and exchange.length is None:
            exchange.keep_alive = False
        head = self._head(exchange, status, headers)
        if exchange.length is not None:
            head += b"content-length: %d\r\n\r\n" % exchange.length
        else:
            head += b"\r\n" if exchange.version == "1.0" else b"transfer-encoding: chunked\r\n\r\n"
        self._write(head)
        if self.writing_paused and exchange.on_pause is not None:
            exchange.on_pause()

    def send_part(self, exchange: Exchange, data: bytes) -> None:
        if exchange.method == "HEAD":
            return
        self._write(b"%x\r\n%b\r\n" % (len(data), data) if in_chunks(exchange) else data)

    def send_end(self, exchange: Exchange) -> None:
        if in_chunks(exchange) and exchange.method != "HEAD":
            self._write(b"0\r\n\r\n")
        self._finish(exchange)

    def cut(self, exchange: Exchange) -> None:
        self.transport.abort()

    # --- private ------------------------------------------------------------------------------------------------------
    def _write(self, data: bytes) -> None:
        self.server.outbox.write(self.transport, data)

    def _close(self) -> None:
        self.server.outbox.flush()
        self.transport.close()

    def _handle(self, exchange: Exchange) -> None:
        self.current = exchange
        try:
            self.server.handler(exchange)
        except Exception:  # the last net: a handler's defect must cost one request, not the connection's silence
            log.exception("The handler failed on %s %r", exchange.method, exchange.path)
            if exchange.started:
                exchange.abort()
            else:
                exchange.respond(500, [(b"content-type", b"application/json")], error_body(500, "Internal error."))

    def _head(self, exchange: Exchange, status: int, headers: Headers | HeaderLines) -> bytes:
        if (self.server.draining or self.half_closed) and not self.waiting:
            exchange.keep_alive = False
        return head_lines(exchange, status, headers, self.server.date)

    def _finish(self, exchange: Exchange) -> None:
        if exchange.body:
            released = len(exchange.body)
            self.reader.held -= released
            self.held -= released
            self.server.buffered -= released
        self.current = None
        if not exchange.keep_alive or (self.server.draining and not self.waiting):
            self._linger()
        elif self.waiting or self.reader.in_message or self.advancing:
            self.advance()
        elif not self.writing_paused:
            self.unsent = 0
            self.deadline = self.server.loop.time() + self.limits.idle_seconds

    def _count_held(self) -> None:
        self.server.buffered += self.reader.held - self.held
        self.held = self.reader.held
        if self.server.buffered > self.limits.buffered_bytes and not self.deaf:
            self.waiting.clear()  # none of them has begun
            self._refuse(Refusal(503, "The server holds as many request bodies as it may; try again shortly."))

    def _time_message(self) -> None:
        """A request has begun, or its head is complete: the clock for that part starts, and no byte extends it."""
        reader = self.reader
        if self.timed != (reader.count, reader.in_body):
            self.timed = (reader.count, reader.in_body)
            seconds = self.limits.body_seconds if reader.in_body else self.limits.head_seconds
            self.message_deadline = self.server.loop.time() + seconds

    def _refuse(self, refusal: Refusal) -> None:
        """Answer with `refusal` when it is its turn; read nothing more."""
        self.deaf = True
        self.reader.forget()
        kept = [item for item in (self.current, *self.waiting) if isinstance(item, Exchange)]
        self.reader.held = sum(len(item.body) for item in kept)
        self.server.buffered += self.reader.held - self.held
        self.held = self.reader.held
        self.waiting.append(refusal)

    def _answer_refusal(self, refusal: Refusal) -> None:
        self._write(refusal_answer(refusal, self.server.date))
        self._linger()

    def _linger(self) -> None:
        """Say that no more will come, then wait a little: closing at once could destroy the answer on its way."""
        self.deaf = self.closing = True
        self.waiting.clear()
        self.deadline = self.server.loop.time() + LINGER_SECONDS
        self.server.outbox.flush()
        if self.half_closed or not self.transport.can_write_eof():
            self.transport.close()
        else:
            self.transport.write_eof()
            if self.reading_paused:
                self.transport.resume_reading()

    def _invite_body(self) -> None:
        self.reader.expects_continue = False
        self._write(CONTINUE)

    def _set_deadline(self) -> None:
        if self.closing:
            return
        self.unsent = 0
        if self.writing_paused:
            self.unsent = self.transport.get_write_buffer_size()
            self.deadline = self.server.loop.time() + self.limits.stall_seconds
        elif self.reader.in_message and not self.deaf:
            self.deadline = self.message_deadline
        elif self.current is not None or self.waiting:
            self.deadline = FOREVER
        else:
            self.deadline = self.server.loop.time() + self.limits.idle_seconds
