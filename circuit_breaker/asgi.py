"""The control plane as an ASGI application: Django for HTTP, one consumer a socket path.

Whatever serves it (`server.py` in the product, any ASGI server elsewhere) gets the same routes. Next: `urls.py`.
"""

import os
from typing import Any

from channels.routing import ProtocolTypeRouter, URLRouter
from django.core.asgi import get_asgi_application
from django.urls import re_path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "circuit_breaker.settings")
http = get_asgi_application()  # loads the apps; everything below may use models

from circuit_breaker.graphql.transport import GraphQLTransport  # noqa: E402
from circuit_breaker.origin import header, origin_allowed  # noqa: E402
from llm.consumers import ChatConsumer, UplinkConsumer  # noqa: E402


async def _no_such_socket(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """An unknown path is refused with 403 before the handshake, which is all the protocol has for it."""
    await send({"type": "websocket.close"})


_graphql, _chat = GraphQLTransport.as_asgi(), ChatConsumer.as_asgi()


async def _ws(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """`/ws`: GraphQL for who names a subprotocol, the chat protocol for who names none."""
    headers = scope["headers"]
    if scope["subprotocols"]:
        await _graphql(scope, receive, send)
    elif origin_allowed(header(headers, b"origin"), header(headers, b"host") or ""):
        await _chat(scope, receive, send)
    else:
        await _no_such_socket(scope, receive, send)


sockets = URLRouter(
    [
        re_path(r"^/?graphql/?$", _graphql),
        re_path(r"^/?ws/?$", _ws),  # type: ignore[arg-type]
        re_path(r"^/?uplink/?$", UplinkConsumer.as_asgi()),
        re_path(r"", _no_such_socket),  # type: ignore[arg-type]
    ]
)

MAX_REQUESTS = 256
"""HTTP requests in work at once, each on a thread of its own; the next one gets 503 and is asked to come back."""
BUSY = b'{"errors":[{"message":"The server is busy. Try again in a second.","extensions":{"code":"UNAVAILABLE"}}]}'


MAX_EVENT_STREAMS = 2_000
"""Requests for server-sent events, which may stay open for days and hold no thread meanwhile."""


class Bounded:
    """`inner`, for at most MAX_REQUESTS requests at a time, and MAX_EVENT_STREAMS streams of events besides."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self._in_work = {MAX_REQUESTS: 0, MAX_EVENT_STREAMS: 0}

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        streams = (header(scope.get("headers", []), b"accept") or "").startswith("text/event-stream")
        most = MAX_EVENT_STREAMS if streams else MAX_REQUESTS
        if self._in_work[most] >= most:
            headers = [(b"content-type", b"application/json"), (b"retry-after", b"1")]
            await send({"type": "http.response.start", "status": 503, "headers": headers})
            await send({"type": "http.response.body", "body": BUSY})
            return
        self._in_work[most] += 1
        try:
            await self._inner(scope, receive, send)
        finally:
            self._in_work[most] -= 1


application = ProtocolTypeRouter({"http": Bounded(http), "websocket": sockets})
