"""The calling side: pooled HTTP/1.1 connections to providers, hand-written over llhttp because the chat path needs it.

`Upstream.begin` sends one request and fills a `Reply`. Promised: TLS with verification; connect, answer and idle
time-outs; at most `open_limit` connections to one origin and at most `wait_limit` calls waiting for one; a pooled
connection that has rested is looked at before it is used, and one that proves stale after sending is replaced once,
only if the provider took nothing (`staleness.py`); new connections after `MAX_AGE_SECONDS`, so that a change in DNS
is followed. Proxies and HTTP/2 go through `httpx_transport.py`, behind the same seam. Not here: retries of any other
kind (pipeline.py). One connection's life is `provider_connection.py`.
"""

import asyncio
import ssl
from collections import deque
from collections.abc import Coroutine
from pathlib import Path

from llm.core.errors import LlmError, ProviderUnreachable, Unavailable
from llm.gateway.certificates import provider_context
from llm.gateway.http_limits import Bounds
from llm.gateway.httpx_transport import HttpxCall, HttpxPool
from llm.gateway.origin import Origin
from llm.gateway.outbox import Outbox
from llm.gateway.provider_connection import ProviderConnection, Reply
from llm.gateway.proxies import Proxies

MAX_AGE_SECONDS = 300.0
IDLE_SECONDS = 30.0
SURPLUS_SECONDS = 1.0
"""For how long connections beyond `idle_limit` are kept: many calls at once would else close and open them in turn."""
SWEEP_SECONDS = 0.25


class Upstream:
    """All pools of one worker process."""

    def __init__(
        self,
        bounds: Bounds | None = None,
        *,
        ca_file: Path | None = None,
        proxies: Proxies | None = None,
        http2: tuple[str, ...] = (),
    ) -> None:
        """`http2`: hosts to be called over HTTP/2, or `*`, on https only. Raises CertificateError."""
        self.bounds = bounds or Bounds()
        self.loop = asyncio.get_running_loop()
        self.outbox = Outbox(self.loop)
        self.connections: set[ProviderConnection | HttpxCall] = set()
        self._tls: ssl.SSLContext | None = None
        self._ca_file = ca_file
        if ca_file is not None:
            self.tls()  # what is wrong with the file shows at the start
        self._proxies = proxies or Proxies()
        self._http2 = http2
        self._pools: dict[Origin, Pool | HttpxPool] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._sweeper = self.loop.call_later(SWEEP_SECONDS, self._sweep)

    def begin(self, reply: Reply, origin: Origin, head: bytes, body: bytes) -> None:
        """Send a request; what becomes of it is told by `reply`, which the caller may `cancel` at any time.

        Errors told: ProviderUnreachable, ProviderTimeout, ProviderBroken, Unavailable, Cancelled.
        """
        pool = self._pools.get(origin)
        if pool is None:
            pool = self._pools[origin] = self._new_pool(origin)
        reply.head, reply.content = head, body
        idle = pool.idle
        while idle:  # the usual case, without a turn of the event loop
            connection = idle.pop()
            if not connection.idle_since or connection.rested():
                connection.ask(reply)
                return
            connection.drop()
        self.later(pool.acquire(reply))

    def later(self, work: Coroutine[None, None, None]) -> None:
        """Run something that needs a task."""
        task = self.loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def tls(self) -> ssl.SSLContext:
        """One context for all: certificates are read once, and only when needed."""
        if self._tls is None:
            self._tls = self.new_tls()
        return self._tls

    def new_tls(self) -> ssl.SSLContext:
        """For httpx, which changes the context it is given."""
        return provider_context(self._ca_file)

    def close(self) -> None:
        """Drop every connection."""
        self._sweeper.cancel()
        for pool in self._pools.values():
            pool.close()
        for connection in list(self.connections):
            connection.drop()

    def _new_pool(self, origin: Origin) -> "Pool | HttpxPool":
        proxy = self._proxies.towards(origin.host, origin.port, origin.tls)
        http2 = origin.tls and ("*" in self._http2 or origin.host in self._http2)
        return HttpxPool(self, origin, proxy, http2) if proxy or http2 else Pool(self, origin)

    def _sweep(self) -> None:
        now = self.loop.time()
        for connection in [one for one in self.connections if one.reply and one.reply.deadline <= now]:
            connection.time_out()
        for pool in self._pools.values():
            pool.sweep(now)
        self._sweeper = self.loop.call_later(SWEEP_SECONDS, self._sweep)


class Pool:
    """Connections to one origin. The most recently used is taken first, so that spare ones grow old and close."""

    def __init__(self, upstream: Upstream, origin: Origin) -> None:
        self.upstream = upstream
        self.origin = origin
        self.idle: list[ProviderConnection] = []
        self.opened = 0
        self.connecting = 0
        self.waiting: deque[asyncio.Future[ProviderConnection | None]] = deque()

    async def acquire(self, reply: Reply) -> None:
        """Ask on a new connection, or on one that comes free."""
        bounds = self.upstream.bounds
        try:
            connection: ProviderConnection | None = None
            if self.opened + self.connecting >= bounds.open_limit:
                if len(self.waiting) >= bounds.wait_limit:
                    raise Unavailable(f"Too many calls wait for a connection to {self.origin}.", 1, "overloaded")
                connection = await self._turn(reply)
            connection = connection or await self.connect()
        except LlmError as error:
            reply.fail(error)
        else:
            connection.ask(reply)

    async def replace(self, reply: Reply) -> None:
        """Ask again, once, on a connection that cannot be stale."""
        try:
            connection = await self.connect()
        except LlmError as error:
            reply.fail(error)
        else:
            connection.ask(reply)

    async def connect(self) -> ProviderConnection:
        """Open a connection. Raises ProviderUnreachable."""
        self.connecting += 1
        tls = self.upstream.tls() if self.origin.tls else None
        try:
            _, connection = await asyncio.wait_for(
                self.upstream.loop.create_connection(
                    lambda: ProviderConnection(self),
                    self.origin.host,
                    self.origin.port,
                    ssl=tls,
                    server_hostname=self.origin.host if tls else None,
                ),
                self.upstream.bounds.connect_seconds,
            )
        except (OSError, TimeoutError, ValueError) as error:
            self._let_another_connect()
            reason = _reason(error)
            raise ProviderUnreachable(f"No connection to {self.origin}: {reason}.") from None
        finally:
            self.connecting -= 1
        return connection

    async def _turn(self, reply: Reply) -> ProviderConnection | None:
        turn: asyncio.Future[ProviderConnection | None] = self.upstream.loop.create_future()
        self.waiting.append(turn)
        try:
            return await asyncio.wait_for(turn, reply.deadline - self.upstream.loop.time())
        except TimeoutError:
            raise Unavailable(f"No connection to {self.origin} came free in time.", 1, "overloaded") from None

    def give_back(self, connection: ProviderConnection) -> None:
        """A connection has finished its call and can serve another."""
        while self.waiting:
            turn = self.waiting.popleft()
            if not turn.done():
                turn.set_result(connection)
                return
        connection.idle_since = 0.0
        self.idle.append(connection)

    def lost(self, connection: ProviderConnection) -> None:
        """A connection is no more."""
        self.opened -= 1
        if connection in self.idle:
            self.idle.remove(connection)
        self._let_another_connect()

    def sweep(self, now: float) -> None:
        """Close what has been idle for long, is old, or is more than `idle_limit` and not soon used again.

        How long is measured here, to spare every call a look. The front of the list has been idle longest.
        """
        surplus = len(self.idle) - self.upstream.bounds.idle_limit
        kept: list[ProviderConnection] = []
        dropped: list[ProviderConnection] = []
        for place, connection in enumerate(self.idle):
            connection.idle_since = connection.idle_since or now
            idle = now - connection.idle_since
            unused = idle > IDLE_SECONDS or (place < surplus and idle >= SURPLUS_SECONDS)
            (dropped if unused or now - connection.born > MAX_AGE_SECONDS else kept).append(connection)
        self.idle[:] = kept
        for connection in dropped:
            connection.drop()

    def close(self) -> None:
        for connection in self.idle:
            connection.drop()
        self.idle.clear()

    def _let_another_connect(self) -> None:
        while self.waiting:
            turn = self.waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted ({error.verify_message}); an own authority goes into PROVIDER_CA_FILE"
    return str(error) or "it took too long"
