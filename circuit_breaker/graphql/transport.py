"""GraphQL over WebSocket on /graphql and /ws: `graphql-transport-ws`, and `graphql-ws` for older clients (`wires.py`).

Several operations run at once on one socket, each its own task; `complete` from the client or the end of the socket
cancels the task, which closes the subscription's generator. A client that reads slowly slows its own operations down:
`send` waits for it, and the server gives it up after a while (`server.py`). Errors of the protocol close the socket
with the newer protocol's code. Next: `execution.py`.
"""

import asyncio
import contextlib
import json
from dataclasses import dataclass
from typing import Any

from asgiref.sync import sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from django.db import close_old_connections
from graphql import OperationType

from circuit_breaker.graphql.errors import RequestRefused
from circuit_breaker.graphql.execution import (
    Operation,
    Result,
    open_source,
    prepare,
    read_request,
    refusal,
    results,
    run,
)
from circuit_breaker.graphql.wires import MODERN, WIRES, chosen
from circuit_breaker.origin import header, origin_allowed
from circuit_breaker.requests import new_request_id

INIT_SECONDS = 10
OPENING_SECONDS = 2
"""How long the socket's other messages wait for a subscription to begin; after that both go on at once."""
MAX_OPERATIONS = 100
"""Open operations a socket; one more is answered with an error of its own, the others go on."""
MAX_EXECUTING = 4
"""Queries and mutations of one socket that run, or wait for their result to be taken up; the others wait in line."""
MAX_ID = 256

BAD_MESSAGE, UNAUTHORIZED, NO_SUBPROTOCOL, INIT_TIMEOUT, DUPLICATE, INIT_TWICE = 4400, 4401, 4406, 4408, 4409, 4429


@dataclass(frozen=True)
class SocketContext:
    """What resolvers get as `info.context` on a socket; over HTTP it is the request, with the same names."""

    request_id: str
    user: Any
    scope: dict[str, Any]


class TooManyOperations(RequestRefused):
    code = "TOO_MANY_OPERATIONS"


class _Close(Exception):
    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code


class GraphQLTransport(AsyncWebsocketConsumer):
    """One socket."""

    def __init__(self) -> None:
        super().__init__()
        self._wire = MODERN
        self._acknowledged = False
        self._closed = False
        self._executing = asyncio.Semaphore(MAX_EXECUTING)
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._init_timer: asyncio.TimerHandle | None = None

    async def connect(self) -> None:
        headers = self.scope["headers"]
        if not origin_allowed(header(headers, b"origin"), header(headers, b"host") or ""):
            await self.close()  # before accept: HTTP 403
            return
        wire = chosen(self.scope["subprotocols"])
        if wire is None:
            self._closed = True
            await self.accept()
            await self.close(NO_SUBPROTOCOL, f"Subprotocol not acceptable: use {' or '.join(WIRES)}")
            return
        self._wire = wire
        await self.accept(wire.subprotocol)
        self._init_timer = asyncio.get_running_loop().call_later(INIT_SECONDS, self._init_timed_out)

    async def disconnect(self, code: int) -> None:
        if self._init_timer is not None:
            self._init_timer.cancel()
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        if self._closed:
            return
        try:
            message = _message(text_data)
            command = self._wire.commands.get(message["type"])
            if command is None:
                raise _Close(BAD_MESSAGE, f"Invalid message type {message['type'][:40]!r}")
            await _HANDLERS[command](self, message)
        except _Close as closing:
            self._closed = True
            await self.close(closing.code, str(closing)[:120])

    async def _on_init(self, message: dict[str, Any]) -> None:
        if self._acknowledged:
            raise _Close(INIT_TWICE, "Too many initialisation requests")
        self._acknowledged = True
        if self._init_timer is not None:
            self._init_timer.cancel()
        await self._send({"type": "connection_ack"})

    async def _on_ping(self, message: dict[str, Any]) -> None:
        payload = message.get("payload")
        await self._send({"type": "pong"} | ({"payload": payload} if isinstance(payload, dict) else {}))

    async def _on_pong(self, message: dict[str, Any]) -> None:
        """Nothing to do: a client may send pongs as a heartbeat."""

    async def _on_subscribe(self, message: dict[str, Any]) -> None:
        if not self._acknowledged:
            raise _Close(UNAUTHORIZED, "Unauthorized")
        identifier = _identifier(message)
        if self._wire.legacy:
            await self._on_complete(message)
        elif identifier in self._tasks:
            raise _Close(DUPLICATE, f"Subscriber for {identifier} already exists")
        if "payload" not in message:
            raise _Close(BAD_MESSAGE, "A subscribe message needs a payload")
        if len(self._tasks) >= MAX_OPERATIONS:
            refused = TooManyOperations(f"{MAX_OPERATIONS} operations are open on this socket: complete one first.")
            await self._send(self._error(identifier, refusal(refused, "")["errors"]))
            return
        opened = asyncio.Event()
        self._tasks[identifier] = asyncio.create_task(self._operate(identifier, message["payload"], opened))
        # The next message waits until this operation has begun, so that a pong after a subscribe means: it is live.
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(opened.wait(), OPENING_SECONDS)

    async def _on_complete(self, message: dict[str, Any]) -> None:
        task = self._tasks.pop(_identifier(message), None)
        if task is not None:
            task.cancel()

    async def _on_terminate(self, message: dict[str, Any]) -> None:
        self._closed = True
        await self.close()

    async def _operate(self, identifier: str, payload: object, opened: asyncio.Event) -> None:
        """One operation from subscribe to complete. Whoever cancels it tells the client nothing more about it."""
        request_id = new_request_id()
        context = SocketContext(request_id, self.scope.get("user"), self.scope)
        last: dict[str, Any] = {"id": identifier, "type": "complete"}
        try:
            operation = await sync_to_async(_prepared, thread_sensitive=False)(payload, request_id)
            if operation.kind is OperationType.SUBSCRIPTION:
                await self._stream(identifier, operation, context, opened)
            else:
                opened.set()
                execute = sync_to_async(_run_and_let_go, thread_sensitive=False)
                async with self._executing:
                    await self._next(identifier, await execute(operation, context))
        except Exception as error:  # noqa: BLE001 - refused, or its source broke: `refusal` logs what is not to be shown
            last = self._error(identifier, refusal(error, request_id)["errors"])
        finally:
            opened.set()
            live = self._tasks.get(identifier) is asyncio.current_task()
            if live:
                del self._tasks[identifier]  # before the last message: its receiver may use the id again at once
        if live:
            await self._send(last)

    async def _stream(
        self, identifier: str, operation: Operation, context: SocketContext, opened: asyncio.Event
    ) -> None:
        source = await open_source(operation, context, context.request_id)
        opened.set()
        async with contextlib.aclosing(results(operation, source, context, context.request_id)) as stream:
            async for result in stream:
                await self._next(identifier, result)

    async def _next(self, identifier: str, result: Result) -> None:
        await self._send({"id": identifier, "type": self._wire.result, "payload": result})

    def _error(self, identifier: str, errors: list[dict[str, Any]]) -> dict[str, Any]:
        return {"id": identifier, "type": "error", "payload": self._wire.error(errors)}

    async def _send(self, message: dict[str, Any]) -> None:
        await self.send(text_data=json.dumps(message, separators=(",", ":"), ensure_ascii=False, default=str))

    def _init_timed_out(self) -> None:
        self._closed = True
        self._closing = asyncio.ensure_future(self.close(INIT_TIMEOUT, "Connection initialisation timeout"))


_HANDLERS = {
    "init": GraphQLTransport._on_init,
    "ping": GraphQLTransport._on_ping,
    "pong": GraphQLTransport._on_pong,
    "subscribe": GraphQLTransport._on_subscribe,
    "complete": GraphQLTransport._on_complete,
    "terminate": GraphQLTransport._on_terminate,
}


def _message(text: str | None) -> dict[str, Any]:
    try:
        message = json.loads(text) if text is not None else None
    except (ValueError, RecursionError):
        raise _Close(BAD_MESSAGE, "The message is not JSON") from None
    if not isinstance(message, dict) or not isinstance(message.get("type"), str):
        raise _Close(BAD_MESSAGE, "A message is a JSON object with a type")
    return message


def _identifier(message: dict[str, Any]) -> str:
    identifier = message.get("id")
    if not isinstance(identifier, str) or not 0 < len(identifier) <= MAX_ID:
        raise _Close(BAD_MESSAGE, f"A {message['type']} message needs an id: a string of 1 to {MAX_ID} characters")
    return identifier


def _prepared(payload: object, request_id: str) -> Operation:
    return prepare(read_request(payload), request_id)


def _run_and_let_go(operation: Operation, context: SocketContext) -> Result:
    """Execute on a pool thread, and leave no database connection behind on it."""
    close_old_connections()
    try:
        return run(operation, context, context.request_id)
    finally:
        close_old_connections()
