"""An HTTP/1.1 server for data planes: asyncio protocols over llhttp, one `handler(exchange)` per complete request.

Promised: strict parsing (conflicting lengths, bare line feeds, folded headers, unknown codings are refused), bounds
on every size and time in `Limits`, keep-alive, pipelining in order, chunked bodies, `Expect: 100-continue`, HEAD,
back-pressure, half-closed clients, a graceful `drain`. Not here: routes, CORS, TLS certificates, logging (the
handler's or the starter's). Use: `server = HttpServer(handler, limits); await server.listen(host, port); ...; await
server.drain(seconds)`, inside `run(...)`. The handler's side is `exchange.py`; one connection's life is
`connection.py`.
"""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable, Coroutine
from typing import Any

from llm.gateway.answer_head import date_line
from llm.gateway.connection import Connection
from llm.gateway.exchange import Handler
from llm.gateway.http_limits import Limits
from llm.gateway.outbox import Outbox
from llm.gateway.request_reader import KnownHeads

SWEEP_SECONDS = 0.25


class HttpServer:
    """One listening port of one process. Not thread-safe: everything happens in the loop that called `listen`."""

    def __init__(
        self, handler: Handler, limits: Limits | None = None, *, before_sending: Callable[[], None] | None = None
    ) -> None:
        """`before_sending` is called before bytes leave for any client, once for all that leave together."""
        self.handler = handler
        self.limits = limits or Limits()
        self.loop = asyncio.get_running_loop()
        self.outbox = Outbox(self.loop, before_sending)
        self.known_heads = KnownHeads()
        self.connections: set[Connection] = set()
        self.buffered = 0
        """Bytes of request bodies held now."""
        self.draining = False
        self.emptied = asyncio.Event()
        """Set when the last connection has closed."""
        self.date = date_line()
        self._listeners: list[asyncio.Server] = []
        self._sweeper: asyncio.TimerHandle | None = None

    async def listen(
        self, host: str, port: int, *, shared: bool = False, tls: ssl.SSLContext | None = None, backlog: int = 2048
    ) -> int:
        """Accept connections; returns the port (useful with port 0).

        `shared` lets several worker processes listen on one port. Raises OSError when the port is taken, or when the
        system cannot share one (it has no SO_REUSEPORT).
        """
        if shared and not hasattr(socket, "SO_REUSEPORT"):
            raise OSError("this system cannot share a port between processes; run one worker (OPENAI_WORKERS=1)")
        listener = await self.loop.create_server(
            lambda: Connection(self), host, port, ssl=tls, backlog=backlog, reuse_port=shared or None
        )
        self._began(listener)
        bound: int = listener.sockets[0].getsockname()[1]
        return bound

    async def listen_on(self, bound: socket.socket) -> None:
        """Accept connections on a Unix socket that is bound already."""
        self._began(await self.loop.create_unix_server(lambda: Connection(self), sock=bound))

    def _began(self, listener: asyncio.Server) -> None:
        self._listeners.append(listener)
        if self._sweeper is None:
            self._sweeper = self.loop.call_later(SWEEP_SECONDS, self._sweep)

    async def drain(self, seconds: float) -> bool:
        """Take no new connection, close idle ones, let the rest finish for at most `seconds`, then cut them.

        Returns whether all finished in time.
        """
        self.draining = True
        for listener in self._listeners:
            listener.close()
        for connection in list(self.connections):
            connection.close_if_idle()
        if self.connections:
            self.emptied = asyncio.Event()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.emptied.wait(), seconds)
        finished = not self.connections
        for connection in list(self.connections):
            connection.abort()
        if self._sweeper is not None:
            self._sweeper.cancel()
        await asyncio.sleep(0)
        return finished

    def _sweep(self) -> None:
        """One timer looks after all deadlines: cheaper than one timer per request, exact to a quarter of a second."""
        now = self.loop.time()
        self.date = date_line()
        for connection in list(self.connections):
            if connection.deadline <= now:
                connection.expire(now)
        self._sweeper = self.loop.call_later(SWEEP_SECONDS, self._sweep)


def run(main: Coroutine[Any, Any, Any]) -> None:
    """Run `main` on uvloop where it exists, else on asyncio's own loop."""
    try:
        import uvloop
    except ImportError:
        asyncio.run(main)
    else:
        uvloop.run(main)
