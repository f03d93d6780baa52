"""The second door: the gateway as an ASGI application, for whoever runs uvicorn, Daphne or another ASGI server already.

`uvicorn llm.gateway.asgi:application` or `daphne llm.gateway.asgi:application`, with the same settings in the
environment as `python -m llm.gateway`. The same worker and the same handler (`endpoint.py`) serve as behind the native
door; only the reading and writing of HTTP is the server's. So its limits, time-outs and keep-alive hold, not `Limits`,
but for the size of a body. The worker starts with the server (lifespan), or with the first request where the server
knows no lifespan (Daphne); then it also ends without a farewell, and what was not handed over yet is in the journal
for the next start. Each process needs a GATEWAY_NAME of its own. Slower than the native door by what the server costs.
"""

import asyncio
import contextlib
import os
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from urllib.parse import quote

from llm.gateway.answer_head import BODILESS, error_body
from llm.gateway.exchange import Exchange, HeaderLines, Headers, read_lines
from llm.gateway.http_limits import Limits
from llm.gateway.journal_files import JournalLocked
from llm.gateway.orphans import ask_back
from llm.gateway.settings import Settings, SettingsError, read_settings
from llm.gateway.worker import Worker

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

HIGH_BYTES, LOW_BYTES = 256 * 1024, 64 * 1024
"""Unsent bytes of one answer at which the handler is asked to pause, and to go on."""
JSON = (b"content-type", b"application/json")


class Broken(Exception):
    """The answer cannot be completed. Raised to the server, which has no other way of being told to cut."""


class Application:
    """An ASGI 3 application. `settings`: read from the environment when the worker starts, unless given."""

    def __init__(self, settings: Settings | None = None) -> None:
        self.worker: Worker | None = None
        self._settings = settings
        self._starting: asyncio.Lock | None = None
        self._buffered = 0
        """Bytes of request bodies held now."""

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "http":
            await self._serve(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1008})

    async def start(self) -> Worker:
        """The worker, started if it was not. Raises SettingsError, JournalLocked, OSError."""
        if self._starting is None:
            self._starting = asyncio.Lock()
        async with self._starting:
            if self.worker is None:
                settings = self._settings or read_settings(os.environ)
                await ask_back(settings.journal_dir / settings.name)
                worker = Worker(settings)
                await worker.start(listen=False)
                self.worker = worker
            return self.worker

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        try:
            worker = await self.start()
        except (SettingsError, JournalLocked, OSError) as error:
            await send({"type": "lifespan.startup.failed", "message": f"The gateway cannot start: {error}"})
            return
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await worker.stop()
        await send({"type": "lifespan.shutdown.complete"})

    async def _serve(self, scope: Message, receive: Receive, send: Send) -> None:
        worker = self.worker or await self.start()
        answer = Answer(send, worker.journal.write_pending)
        parts: list[bytes] = []
        held = 0
        try:
            async for part in _body(receive):
                held += len(part)
                self._buffered += len(part)
                parts.append(part)
                refusal = self._too_much(held, worker.settings.limits)
                if refusal is not None:
                    await answer.refuse(*refusal)
                    return
            exchange = _exchange(answer, scope, b"".join(parts))
            parts.clear()
            worker.endpoint(exchange)
            await answer.run(exchange, receive)
        except Disconnected:
            return
        finally:
            self._buffered -= held

    def _too_much(self, held: int, limits: Limits) -> tuple[int, str] | None:
        if held > limits.body_bytes:
            return 413, f"The request body is larger than {limits.body_bytes} bytes."
        if self._buffered > limits.buffered_bytes:
            return 503, "The server holds as many request bodies as it may; try again shortly."
        return None


class Disconnected(Exception):
    """The client left before its request was complete."""


class Answer:
    """The `Sink` of one request: what the handler gives is sent in order, as fast as the server takes it."""

    def __init__(self, send: Send, before_sending: Callable[[], None]) -> None:
        self._send = send
        self._before_sending = before_sending
        self._messages: deque[Message] = deque()
        self._unsent = 0
        self._paused = False
        self._ended = False
        self._broken = False
        self._wake = asyncio.Event()

    async def run(self, exchange: Exchange, receive: Receive) -> None:
        """Until the answer has been sent or the client has gone. Raises Broken."""
        leaving = asyncio.ensure_future(_client_leaves(receive, exchange, self._wake))
        try:
            while not exchange.gone:
                if self._messages:
                    await self._send_next(exchange)
                elif self._broken:
                    raise Broken("The answer broke off.")
                elif self._ended:
                    return
                else:
                    self._wake.clear()
                    await self._wake.wait()
        except asyncio.CancelledError:  # the server cancels what it no longer wants
            exchange.disconnect()
            raise
        finally:
            leaving.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await leaving

    async def refuse(self, status: int, message: str) -> None:
        """Answer for the door itself."""
        body = error_body(status, message)
        headers = [JSON, (b"content-length", b"%d" % len(body))]
        await self._send({"type": "http.response.start", "status": status, "headers": headers})
        await self._send({"type": "http.response.body", "body": body})

    # --- the exchange calls these (Sink) ------------------------------------------------------------------------------
    def send_whole(self, exchange: Exchange, status: int, headers: Headers | HeaderLines, body: bytes) -> None:
        listed = _listed(headers)
        if status not in BODILESS:
            listed.append((b"content-length", b"%d" % len(body)))
        self._put({"type": "http.response.start", "status": status, "headers": listed})
        self._put({"type": "http.response.body", "body": b"" if exchange.method == "HEAD" else body})
        self._end()

    def send_head(self, exchange: Exchange, status: int, headers: Headers | HeaderLines) -> None:
        listed = _listed(headers)
        if exchange.length is not None:
            listed.append((b"content-length", b"%d" % exchange.length))
        self._put({"type": "http.response.start", "status": status, "headers": listed})

    def send_part(self, exchange: Exchange, data: bytes) -> None:
        if exchange.method == "HEAD":
            return
        self._put({"type": "http.response.body", "body": data, "more_body": True})
        if self._unsent > HIGH_BYTES and not self._paused and exchange.on_pause is not None:
            self._paused = True
            exchange.on_pause()

    def send_end(self, exchange: Exchange) -> None:
        self._put({"type": "http.response.body", "body": b""})
        self._end()

    def cut(self, exchange: Exchange) -> None:
        self._broken = True
        self._wake.set()

    # --- private ------------------------------------------------------------------------------------------------------
    def _put(self, message: Message) -> None:
        self._messages.append(message)
        self._unsent += len(message.get("body", b""))
        self._wake.set()

    def _end(self) -> None:
        self._ended = True
        self._wake.set()

    async def _send_next(self, exchange: Exchange) -> None:
        self._before_sending()
        message = self._messages.popleft()
        self._unsent -= len(message.get("body", b""))
        await self._send(message)
        if self._paused and self._unsent <= LOW_BYTES:
            self._paused = False
            if exchange.on_resume is not None:
                exchange.on_resume()


async def _body(receive: Receive) -> AsyncIterator[bytes]:
    """The parts of a request's body. Raises Disconnected."""
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
        more = message.get("more_body", False)
        yield message.get("body", b"")


async def _client_leaves(receive: Receive, exchange: Exchange, wake: asyncio.Event) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    exchange.disconnect()
    wake.set()


def _exchange(answer: Answer, scope: Message, body: bytes) -> Exchange:
    path = scope.get("raw_path") or quote(scope["path"]).encode("ascii")
    headers: Headers = [(name.lower(), value) for name, value in scope["headers"]]
    exchange = Exchange(answer, scope["method"], path.partition(b"?")[0], scope["query_string"], headers, body)
    exchange.received_at = time.perf_counter_ns()
    exchange.version = scope["http_version"]
    if scope.get("client"):
        exchange.client = str(scope["client"][0])
    return exchange


def _listed(headers: Headers | HeaderLines) -> Headers:
    return read_lines(headers) if isinstance(headers, bytes) else list(headers)


application = Application()
