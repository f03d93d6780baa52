"""The other way to a provider: httpx, for what the hand-written connections do not speak (forward proxies, HTTP/2).

`HttpxPool` stands where a `Pool` stands, and one `HttpxCall` where a `ProviderConnection` does, so that callers see no
difference: the same `Reply`, errors, time-outs, back-pressure and cancellation. Nothing is retried here: httpx sends
a request on an idle connection only after looking whether it was closed. Each call has a transport of its own while
it lasts, with one connection, also over HTTP/2: httpx does not tell the other end when one stream of several is given
up, and a provider that is not told goes on generating, and charging; so giving a call up closes its connection.
Slower than the direct way. httpx is imported when the first call needs it: a gateway that needs neither pays nothing.
"""

import asyncio
import ssl
from collections.abc import AsyncIterable
from typing import TYPE_CHECKING, Any, cast

from llm.core.errors import LlmError, ProviderBroken, ProviderTimeout, ProviderUnreachable, Unavailable
from llm.gateway.provider_connection import ProviderConnection, Reply

if TYPE_CHECKING:
    import httpx

    from llm.gateway.origin import Origin
    from llm.gateway.upstream import Upstream

SENDING = frozenset({"http11.send_request_headers.started", "http2.send_request_headers.started"})
KEPT_SECONDS = 30.0


class HttpxPool:
    """Calls to one origin, through `proxy` ("" for none)."""

    def __init__(self, upstream: "Upstream", origin: "Origin", proxy: str, http2: bool) -> None:
        self.upstream = upstream
        self.origin = origin
        self.idle: list[ProviderConnection] = []
        """Always empty: connections are httpx's own affair."""
        self._proxy = proxy
        self._http2 = http2
        self._tls: ssl.SSLContext | None = None
        self._turns = asyncio.Semaphore(upstream.bounds.open_limit)
        self._under_way = 0
        self._kept: list[tuple[httpx.AsyncHTTPTransport, float]] = []
        """Transports without a call, at most `idle_limit`, and since when (loop time)."""

    async def acquire(self, reply: Reply) -> None:
        """Ask. Everything that happens is told to the reply."""
        bounds = self.upstream.bounds
        if self._under_way >= bounds.open_limit + bounds.wait_limit:
            reply.fail(Unavailable(f"Too many calls wait for a connection to {self.origin}.", 1, "overloaded"))
            return
        call = HttpxCall(self, reply)
        self.upstream.connections.add(call)
        self._under_way += 1
        try:
            await call.run()
        finally:
            self._under_way -= 1
            self.upstream.connections.discard(call)

    async def exchange(self, call: "HttpxCall", reply: Reply) -> None:
        """One call on one transport, which is kept only if the answer is whole."""
        async with self._turns:
            transport = self._kept.pop()[0] if self._kept else self._new_transport()
            try:
                await call.exchange(transport, reply)
            finally:
                if reply.complete and len(self._kept) < self.upstream.bounds.idle_limit:
                    self._kept.append((transport, self.upstream.loop.time()))
                else:
                    await transport.aclose()

    def sweep(self, now: float) -> None:
        """Close what has been idle for long."""
        while self._kept and now - self._kept[0][1] > KEPT_SECONDS:
            self.upstream.later(self._kept.pop(0)[0].aclose())

    def close(self) -> None:
        while self._kept:
            self.upstream.later(self._kept.pop()[0].aclose())

    def _new_transport(self) -> "httpx.AsyncHTTPTransport":
        import httpx

        if self._tls is None:
            self._tls = self.upstream.new_tls()
        limits = httpx.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=KEPT_SECONDS)
        return httpx.AsyncHTTPTransport(verify=self._tls, http2=self._http2, proxy=self._proxy or None, limits=limits)


class HttpxCall:
    """One call on its way; does for its reply what a ProviderConnection does."""

    def __init__(self, pool: HttpxPool, reply: Reply) -> None:
        self._pool = pool
        self._origin = pool.origin
        self._connect_seconds = pool.upstream.bounds.connect_seconds
        self.reply: Reply | None = reply
        reply.connection = self
        self._task = asyncio.current_task()
        self._flowing = asyncio.Event()
        self._flowing.set()

    async def run(self) -> None:
        """Until the answer is whole or something went wrong."""
        reply = self.reply
        assert reply is not None
        try:
            if not reply.cancelled:
                await self._pool.exchange(self, reply)
        except asyncio.CancelledError:
            if reply.error is None:  # not by `drop`: the gateway itself ends
                reply.fail(ProviderBroken(f"The call to {self._origin} was cut off: the gateway ends."))
                raise
        except Exception as error:  # noqa: BLE001 - told to the reply, whatever it is: else the caller would wait
            reply.fail(self._translated(error))
        finally:
            self.reply = reply.connection = None

    async def exchange(self, transport: "httpx.AsyncHTTPTransport", reply: Reply) -> None:
        """Send the request and hand every part of the answer to the reply."""
        response = await transport.handle_async_request(self._request(reply))
        stream = cast(AsyncIterable[bytes], response.stream)
        try:
            reply.status = response.status_code
            reply.headers = {name.lower(): value for name, value in response.headers.raw}
            if reply.streamed:
                reply.arrived.fire()
            async for part in stream:
                await self._flowing.wait()
                reply.add(part)
        finally:
            await response.aclose()
        if reply.error is None:
            reply.finish()

    def _request(self, reply: Reply) -> "httpx.Request":
        """The request as httpx wants it, from the bytes the direct way would send."""
        import httpx

        head, body = reply.head.removesuffix(b"\r\n\r\n"), reply.content
        first, *lines = head.split(b"\r\n")
        method, target, _ = first.split(b" ")

        async def trace(event: str, info: dict[str, Any]) -> None:
            if event in SENDING and info["request"].method != b"CONNECT":
                reply.sent = True
                if reply.on_sent is not None:
                    reply.on_sent()

        time_outs = {"connect": self._connect_seconds, "pool": None, "read": None, "write": None}
        headers = [cast(tuple[bytes, bytes], tuple(line.split(b": ", 1))) for line in lines]
        url = f"{self._origin}{target.decode('ascii')}"
        return httpx.Request(
            method.decode("ascii"),
            url,
            headers=headers,
            content=body,
            extensions={"timeout": time_outs, "trace": trace},
        )

    def _translated(self, error: Exception) -> LlmError:
        import httpx

        if isinstance(error, LlmError):
            return error
        reason = str(error) or type(error).__name__
        refused = (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError, httpx.UnsupportedProtocol, ssl.SSLError)
        if isinstance(error, refused) or (self.reply is not None and not self.reply.sent):
            return ProviderUnreachable(f"No connection to {self._origin}: {reason}.")
        return ProviderBroken(f"{self._origin} broke the exchange off, or sent what is not HTTP: {reason}.")

    # --- what a reply and the sweeper ask of a connection -------------------------------------------------------------
    def pause(self) -> None:
        self._flowing.clear()

    def resume(self) -> None:
        self._flowing.set()

    def drop(self) -> None:
        """Give the call up: its connection closes."""
        self._flowing.set()
        if self._task is not None:
            self._task.cancel()

    def time_out(self) -> None:
        if self.reply is not None:
            self.reply.fail(ProviderTimeout(f"{self._origin} did not answer in time."))
            self.drop()
