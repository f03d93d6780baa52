"""The control process: Daphne, with a bound on everything a client can make it hold.

Run as `python -m circuit_breaker.server`. Plain Daphne (`daphne circuit_breaker.asgi:application`) serves the same
application, but keeps request bodies, unread socket messages and unsent output without limit. Bounds here: a body over
MAX_BODY is cut off with 413; a socket whose client sends faster than it is served is dropped at MAX_UNREAD bytes;
`send` to a socket, or of a part of a streamed answer, waits while its client does not read, and after STALLED_SECONDS
the connection is dropped.
"""

import argparse
import asyncio
import os
import sys
from typing import Any

os.environ.setdefault("ASGI_THREADS", "32")  # read by daphne.server: threads for everything that blocks

import daphne.http_protocol
from daphne.endpoints import build_endpoint_description_strings
from daphne.http_protocol import WebRequest
from daphne.server import Server
from daphne.ws_protocol import WebSocketFactory, WebSocketProtocol
from twisted.internet.interfaces import IPushProducer
from zope.interface import implementer

MAX_BODY = 2 * 1024 * 1024
MAX_MESSAGE = 2 * 1024 * 1024
"""One message from a client."""
MAX_SENT = 64 * 1024 * 1024
"""One message to a client; a larger one ends its socket. The largest we know is a snapshot for a gateway."""
MAX_UNREAD = 16 * 1024 * 1024
STALLED_SECONDS = 30.0
TOO_LARGE = b'{"errors":[{"message":"The body is larger than 2 MiB.","extensions":{"code":"PAYLOAD_TOO_LARGE"}}]}'


@implementer(IPushProducer)
class BoundedRequest(WebRequest):
    """An HTTP request whose body ends the connection when it outgrows MAX_BODY, announced or not; and whose streamed
    answer knows when its client does not read."""

    _received = 0
    drained: asyncio.Event | None = None
    """Of an answer sent in parts. Twisted clears and sets it as its send buffer fills and empties."""

    def streaming(self) -> asyncio.Event:
        """From the first part of an answer on."""
        if self.drained is None:
            self.drained = asyncio.Event()
            self.drained.set()
            self.registerProducer(self, True)
        return self.drained

    def finish(self) -> None:
        if self.drained is not None:
            self.unregisterProducer()
        super().finish()

    def drop(self) -> None:
        """End the connection, whatever is still to be sent."""
        if self.channel is not None:
            self.channel.abortConnection()

    def pauseProducing(self) -> None:  # noqa: N802 - Twisted's name
        if self.drained is not None:
            self.drained.clear()

    def resumeProducing(self) -> None:  # noqa: N802
        if self.drained is not None:
            self.drained.set()

    def stopProducing(self) -> None:  # noqa: N802
        self.resumeProducing()

    def connectionLost(self, reason: Any) -> None:  # noqa: N802
        self.resumeProducing()
        super().connectionLost(reason)

    def gotLength(self, length: int | None) -> None:  # noqa: N802 - Twisted's name
        super().gotLength(length)
        if length is not None and length > MAX_BODY:
            self._refuse()

    def handleContentChunk(self, data: bytes) -> None:  # noqa: N802
        self._received += len(data)
        if self._received > MAX_BODY:
            self._refuse()
        else:
            super().handleContentChunk(data)

    def _refuse(self) -> None:
        head = (
            f"HTTP/1.1 413 Content Too Large\r\nContent-Type: application/json\r\nContent-Length: {len(TOO_LARGE)}\r\n"
        )
        self.channel.transport.write(head.encode() + b"Connection: close\r\n\r\n" + TOO_LARGE)
        self.channel.loseConnection()


@implementer(IPushProducer)
class BoundedSocket(WebSocketProtocol):
    """A WebSocket that knows when its client does not read, and how much it has sent that nobody took up yet."""

    def __init__(self) -> None:
        super().__init__()
        self.drained = asyncio.Event()
        self.drained.set()
        self.sending = asyncio.Lock()
        self._unread = 0

    def onOpen(self) -> None:  # noqa: N802
        # Twisted calls pauseProducing and resumeProducing as its send buffer fills and empties.
        self.transport.unregisterProducer()
        self.transport.registerProducer(self, True)
        super().onOpen()

    def pauseProducing(self) -> None:  # noqa: N802
        self.drained.clear()

    def resumeProducing(self) -> None:  # noqa: N802
        self.drained.set()

    def stopProducing(self) -> None:  # noqa: N802
        self.drained.set()

    def onMessage(self, payload: bytes, isBinary: bool) -> None:  # noqa: N802, N803
        self._unread = len(payload) + (0 if self.application_queue.empty() else self._unread)
        if self._unread > MAX_UNREAD:
            self.dropConnection(abort=True)
            return
        super().onMessage(payload, isBinary)

    def sendMessage(self, payload: bytes, *args: Any, **kwargs: Any) -> None:  # noqa: N802
        """autobahn's, whose one limit for both directions is too small for what we send ourselves."""
        self.maxMessagePayloadSize = MAX_SENT
        try:
            super().sendMessage(payload, *args, **kwargs)
        finally:
            self.maxMessagePayloadSize = MAX_MESSAGE

    def onClose(self, wasClean: bool, code: int, reason: str) -> None:  # noqa: N802, N803
        self.drained.set()
        super().onClose(wasClean, code, reason)

    def handle_reply(self, message: dict[str, Any]) -> None:
        """Daphne's, and the reason of a close besides."""
        if message["type"] == "websocket.close" and message.get("reason") and self.state == self.STATE_OPEN:
            self.sendClose(code=message.get("code") or 1000, reason=message["reason"])
        else:
            super().handle_reply(message)


class BoundedServer(Server):
    """Daphne's server, whose `send` on a socket or of a part of an answer waits for the client."""

    async def handle_reply(self, protocol: Any, message: dict[str, Any]) -> None:
        if isinstance(protocol, BoundedRequest) and message.get("more_body") and not protocol.finished:
            try:
                await asyncio.wait_for(protocol.streaming().wait(), STALLED_SECONDS)
            except TimeoutError:
                protocol.drop()
        if message["type"] != "websocket.send" or not isinstance(protocol, BoundedSocket):
            await super().handle_reply(protocol, message)
            return
        async with protocol.sending:  # one after another, so that whoever waits longest is next
            try:
                await asyncio.wait_for(protocol.drained.wait(), STALLED_SECONDS)
            except TimeoutError:
                protocol.dropConnection(abort=True)
            else:
                await super().handle_reply(protocol, message)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m circuit_breaker.server", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=4000)
    parser.add_argument("--wait", action="store_true", help="load everything, then listen once a line comes on stdin")
    options = parser.parse_args()

    from circuit_breaker.asgi import application
    from circuit_breaker.graphql.execution import load_schema

    load_schema()  # now, not in the first request
    if options.wait and not sys.stdin.readline():
        return  # whoever started us is gone
    # The places where Daphne looks its classes up.
    daphne.http_protocol.WebRequest = BoundedRequest
    WebSocketFactory.protocol = BoundedSocket
    BoundedServer(
        application,
        endpoints=build_endpoint_description_strings(host=options.host, port=options.port),
        websocket_max_message_size=MAX_MESSAGE,
        websocket_max_frame_size=MAX_MESSAGE,
        websocket_timeout=-1,  # a subscription may stay open for days; pings tell whether anyone is there
        server_name="circuit-breaker",
    ).run()


if __name__ == "__main__":
    main()
