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
from llm.consumers import UplinkConsumer  # noqa: E402


async def _no_such_socket(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """An unknown path is refused with 403 before the handshake, which is all the protocol has for it."""
    await send({"type": "websocket.close"})


sockets = URLRouter(
    [
        re_path(r"^/?(graphql|ws)/?$", GraphQLTransport.as_asgi()),
        re_path(r"^/?uplink/?$", UplinkConsumer.as_asgi()),
        re_path(r"", _no_such_socket),  # type: ignore[arg-type]
    ]
)

application = ProtocolTypeRouter({"http": http, "websocket": sockets})
