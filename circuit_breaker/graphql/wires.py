"""The two protocols of GraphQL over WebSocket, by what their messages are called; `transport.py` speaks both.

`graphql-transport-ws` is that of enisdenn/graphql-ws (PROTOCOL.md). `graphql-ws` is the older one of Apollo's
subscriptions-transport-ws (its PROTOCOL.md): an error is one object, an id used again replaces the operation, there are
no pings. Its keep-alive message `ka` is optional and not sent: the WebSocket's own pings do that.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Wire:
    """`commands` maps what a client says to what it means: init, subscribe, complete, ping, pong or terminate."""

    subprotocol: str
    commands: dict[str, str]
    result: str
    legacy: bool = False

    def error(self, errors: list[dict[str, Any]]) -> Any:
        """The payload of an error message."""
        return errors[0] if self.legacy else errors


MODERN = Wire(
    "graphql-transport-ws",
    {"connection_init": "init", "subscribe": "subscribe", "complete": "complete", "ping": "ping", "pong": "pong"},
    "next",
)
LEGACY = Wire(
    "graphql-ws",
    {"connection_init": "init", "start": "subscribe", "stop": "complete", "connection_terminate": "terminate"},
    "data",
    legacy=True,
)
WIRES = {wire.subprotocol: wire for wire in (MODERN, LEGACY)}


def chosen(offered: Sequence[str]) -> Wire | None:
    """The first subprotocol a client offers that is spoken here."""
    return next((WIRES[name] for name in offered if name in WIRES), None)
