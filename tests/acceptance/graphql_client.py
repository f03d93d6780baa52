"""A GraphQL client as a stranger would write one: HTTP for operations, graphql-transport-ws for subscriptions."""

import json
import threading
import time
from contextlib import ExitStack
from itertools import chain
from types import TracebackType
from typing import Any

import httpx
from websockets.sync.client import connect


class GraphQLRefused(Exception):
    """The answer carried errors; `errors` are as the server gave them."""

    def __init__(self, errors: list[dict[str, Any]]) -> None:
        super().__init__(json.dumps(errors))
        self.errors = errors

    @property
    def code(self) -> str:
        return str(self.errors[0]["extensions"]["code"])


def graphql(url: str, query: str, /, **variables: Any) -> dict[str, Any]:
    """Run one operation; its data, or GraphQLRefused."""
    reply = httpx.post(f"{url}/graphql", json={"query": query, "variables": variables}, timeout=30)
    body = reply.json()
    if body.get("errors"):
        raise GraphQLRefused(body["errors"])
    data: dict[str, Any] = body["data"]
    return data


class Subscription:
    """One subscription on its own socket; events are collected in arrival order from a thread."""

    def __init__(self, url: str, query: str, /, **variables: Any) -> None:
        self.events: list[dict[str, Any]] = []
        address = url.replace("http", "ws", 1) + "/graphql"
        self._open = ExitStack()
        self._socket = self._open.enter_context(connect(address, subprotocols=["graphql-transport-ws"]))  # type: ignore[list-item]
        self._send({"type": "connection_init"})
        assert json.loads(self._socket.recv(timeout=10))["type"] == "connection_ack"
        self._send({"id": "1", "type": "subscribe", "payload": {"query": query, "variables": variables}})
        # A ping is answered after the subscribe before it was taken in: from here on no event may be missed.
        self._send({"type": "ping"})
        early: list[str | bytes] = []
        while json.loads(told := self._socket.recv(timeout=10))["type"] != "pong":
            early.append(told)  # what had happened before it subscribed
        self._early = early
        self._thread = threading.Thread(target=self._collect, daemon=True)
        self._thread.start()

    def wait(self, count: int, timeout: float = 20) -> list[dict[str, Any]]:
        """The first `count` events, or an AssertionError with what had come."""
        deadline = time.monotonic() + timeout
        while len(self.events) < count and time.monotonic() < deadline:
            time.sleep(0.02)
        assert len(self.events) >= count, f"{len(self.events)} of {count} events: {self.events}"
        return self.events

    def __enter__(self) -> "Subscription":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()
        self._thread.join(timeout=5)

    def _send(self, message: dict[str, Any]) -> None:
        self._socket.send(json.dumps(message))

    def _collect(self) -> None:
        for raw in chain(self._early, self._socket):
            message = json.loads(raw)
            if message["type"] == "complete":
                return
            assert message["type"] == "next", message
            (event,) = message["payload"]["data"].values()
            self.events.append(event)
