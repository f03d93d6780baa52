"""The server alone, with small limits and a handler that shows what it saw."""

import asyncio

from llm.gateway.exchange import Exchange
from llm.gateway.http_limits import Limits
from llm.gateway.server import HttpServer
from tests.gateway.client import Client

SMALL = Limits(
    target_bytes=200,
    head_bytes=1_000,
    header_count=10,
    body_bytes=1_000,
    buffered_bytes=1_500,
    pipelined=4,
    connections=20,
    head_seconds=0.5,
    body_seconds=0.5,
    idle_seconds=0.7,
    stall_seconds=0.5,
    write_buffer_bytes=65_536,
)


class Echo:
    """Answers with method, path and body; `/slow` after a while; `/big` at length; `/hold` when told."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, bytes, bytes]] = []
        self.held: list[Exchange] = []
        self.gone = 0

    def __call__(self, exchange: Exchange) -> None:
        self.seen.append((exchange.method, exchange.path, exchange.body))
        exchange.on_disconnect = self._count_gone
        if exchange.path == b"/hold":
            self.held.append(exchange)
        elif exchange.path == b"/slow":
            asyncio.get_running_loop().call_later(0.1, lambda: exchange.respond(200, [], b"slow"))
        elif exchange.path == b"/big":
            exchange.respond(200, [], b"x" * 20_000_000)
        elif exchange.path == b"/parts":
            exchange.start(200, [])
            for part in (b"one", b"two"):
                exchange.write(part)
            exchange.end()
        elif exchange.path == b"/defect":
            raise RuntimeError("a defect")
        else:
            exchange.respond(200, [], exchange.method.encode() + b" " + exchange.path + b" " + exchange.body)

    def _count_gone(self) -> None:
        self.gone += 1


class Served:
    def __init__(self, echo: Echo, server: HttpServer, port: int) -> None:
        self.echo = echo
        self.server = server
        self.port = port

    async def talk(self, data: bytes) -> bytes:
        """Send, and read until the server closes."""
        client = await Client.connect(self.port)
        client.send(data)
        try:
            return await client.rest()
        finally:
            client.close()
