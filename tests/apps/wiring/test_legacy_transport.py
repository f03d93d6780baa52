"""The older `graphql-ws` subprotocol, message by message."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.apps.wiring.conftest import Watched
from tests.apps.wiring.test_transport import Socket, communicator

pytestmark = pytest.mark.usefixtures("small_schema")

PROTOCOL = "graphql-ws"


@asynccontextmanager
async def connected() -> AsyncIterator[Socket]:
    raw = communicator([PROTOCOL])
    assert await raw.connect() == (True, PROTOCOL)
    socket = Socket(raw)
    await socket.send(type="connection_init", payload={})
    assert await socket.receive() == {"type": "connection_ack"}
    yield socket
    await raw.disconnect()


async def start(socket: Socket, identifier: str, query: str, **variables: Any) -> None:
    await socket.send(id=identifier, type="start", payload={"query": query, "variables": variables})


async def test_a_subscription_from_first_to_last_event() -> None:
    async with connected() as socket:
        await start(socket, "1", "subscription($to: Int!) { count(to: $to) }", to=2)
        for number in (1, 2):
            assert await socket.receive() == {"id": "1", "type": "data", "payload": {"data": {"count": number}}}
        assert await socket.receive() == {"id": "1", "type": "complete"}


async def test_queries_run_too_and_a_refused_document_is_one_error() -> None:
    async with connected() as socket:
        await start(socket, "1", "{ hello }")
        assert await socket.receive() == {"id": "1", "type": "data", "payload": {"data": {"hello": "Hello, world"}}}
        assert await socket.receive() == {"id": "1", "type": "complete"}
        await start(socket, "2", "{ nonsense }")
        told = await socket.receive()
        assert (told["id"], told["type"]) == ("2", "error")
        assert told["payload"]["extensions"]["code"] == "GRAPHQL_VALIDATION_FAILED"


async def test_stop_closes_the_stream_and_says_nothing_more() -> None:
    async with connected() as socket:
        await start(socket, "1", "subscription { endless }")
        assert (await socket.receive())["type"] == "data"
        await socket.send(id="1", type="stop")
        await start(socket, "2", "{ hello }")
        assert (await socket.receive())["id"] == "2"
        assert (Watched.opened, Watched.closed) == (1, 1)


async def test_an_id_used_again_replaces_the_operation() -> None:
    async with connected() as socket:
        await start(socket, "1", "subscription { endless }")
        assert (await socket.receive())["payload"] == {"data": {"endless": 0}}
        await start(socket, "1", "{ hello }")
        assert (await socket.receive())["payload"] == {"data": {"hello": "Hello, world"}}
        assert Watched.closed == 1


@pytest.mark.parametrize(
    ("message", "code"),
    [({"type": "subscribe"}, 4400), ({"type": "start", "id": ""}, 4400)],
)
async def test_what_ends_the_socket(message: dict[str, Any], code: int) -> None:
    async with connected() as socket:
        await socket.send(**message)
        assert await socket.closed_with() == code


async def test_nothing_starts_before_the_init() -> None:
    raw = communicator([PROTOCOL])
    await raw.connect()
    socket = Socket(raw)
    await start(socket, "1", "{ hello }")
    assert await socket.closed_with() == 4401


async def test_the_first_known_subprotocol_that_is_offered_is_spoken() -> None:
    for offered in (["nonsense", "graphql-ws", "graphql-transport-ws"], ["graphql-transport-ws", "graphql-ws"]):
        raw = communicator(offered)
        assert await raw.connect() == (True, next(name for name in offered if name != "nonsense"))
        await raw.disconnect()


async def test_a_client_may_end_the_socket_in_so_many_words() -> None:
    async with connected() as socket:
        await socket.send(type="connection_terminate")
        assert (await socket.raw.receive_output(timeout=5))["type"] == "websocket.close"
