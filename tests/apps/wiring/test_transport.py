"""graphql-transport-ws, message by message: what the protocol asks of a server, and what hostile clients try."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from channels.testing import WebsocketCommunicator

from circuit_breaker.graphql import transport
from circuit_breaker.graphql.transport import MAX_OPERATIONS, GraphQLTransport
from tests.apps.wiring.conftest import Watched

pytestmark = pytest.mark.usefixtures("small_schema")

PROTOCOL = "graphql-transport-ws"


class Socket:
    """A client that speaks JSON."""

    def __init__(self, communicator: WebsocketCommunicator) -> None:
        self.raw = communicator

    async def send(self, **message: Any) -> None:
        await self.raw.send_to(text_data=json.dumps(message))

    async def receive(self) -> Any:
        return json.loads(await self.raw.receive_from(timeout=5))

    async def closed_with(self) -> int:
        """The code the server closed with; what it said before is skipped."""
        while True:
            message = await self.raw.receive_output(timeout=5)
            if message["type"] == "websocket.close":
                return int(message["code"])

    async def subscribe(self, identifier: str, query: str, **variables: Any) -> None:
        await self.send(id=identifier, type="subscribe", payload={"query": query, "variables": variables})


def communicator(protocols: list[str], headers: list[tuple[bytes, bytes]] | None = None) -> WebsocketCommunicator:
    given = [(b"host", b"localhost:4000"), *(headers or [])]
    return WebsocketCommunicator(GraphQLTransport.as_asgi(), "/graphql", headers=given, subprotocols=protocols)


@asynccontextmanager
async def connected(acknowledged: bool = True) -> AsyncIterator[Socket]:
    raw = communicator([PROTOCOL])
    assert await raw.connect() == (True, PROTOCOL)
    socket = Socket(raw)
    if acknowledged:
        await socket.send(type="connection_init")
        assert await socket.receive() == {"type": "connection_ack"}
    yield socket
    await raw.disconnect()


async def test_a_subscription_from_first_to_last_event() -> None:
    async with connected() as socket:
        await socket.subscribe("1", "subscription($to: Int!) { count(to: $to) }", to=3)
        for number in (1, 2, 3):
            assert await socket.receive() == {"id": "1", "type": "next", "payload": {"data": {"count": number}}}
        assert await socket.receive() == {"id": "1", "type": "complete"}


@pytest.mark.parametrize(
    ("query", "data"),
    [("{ hello }", {"hello": "Hello, world"}), ('mutation { note(text: "done") }', {"note": "DONE"})],
)
async def test_queries_and_mutations_run_too(query: str, data: dict[str, str]) -> None:
    async with connected() as socket:
        await socket.subscribe("1", query)
        assert await socket.receive() == {"id": "1", "type": "next", "payload": {"data": data}}
        assert await socket.receive() == {"id": "1", "type": "complete"}


async def test_several_operations_at_once_and_an_id_is_free_after_complete() -> None:
    async with connected() as socket:
        await socket.subscribe("a", "subscription { endless }")
        assert (await socket.receive())["id"] == "a"
        for _ in range(3):
            await socket.subscribe("b", "{ hello }")
            assert [(await socket.receive())["type"] for _ in range(2)] == ["next", "complete"]


async def test_complete_from_the_client_closes_the_stream_and_says_nothing_more() -> None:
    async with connected() as socket:
        await socket.subscribe("1", "subscription { endless }")
        await socket.receive()
        await socket.send(id="1", type="complete")
        await socket.subscribe("1", "{ hello }")
        assert (await socket.receive())["payload"] == {"data": {"hello": "Hello, world"}}
        assert (Watched.opened, Watched.closed) == (1, 1)


async def test_a_client_that_is_gone_closes_its_streams() -> None:
    async with connected() as socket:
        for identifier in ("1", "2", "3"):
            await socket.subscribe(identifier, "subscription { endless }")
            await socket.receive()
    assert (Watched.opened, Watched.closed) == (3, 3)


async def test_complete_for_an_unknown_id_is_ignored() -> None:
    async with connected() as socket:
        await socket.send(id="never", type="complete")
        await socket.send(type="ping")
        assert await socket.receive() == {"type": "pong"}


async def test_ping_is_answered_before_and_after_init_with_its_payload() -> None:
    async with connected(acknowledged=False) as socket:
        await socket.send(type="ping", payload={"at": 1})
        assert await socket.receive() == {"type": "pong", "payload": {"at": 1}}
        await socket.send(type="pong")
        await socket.send(type="connection_init", payload={"token": "x"})
        assert await socket.receive() == {"type": "connection_ack"}


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("{ nonsense }", "GRAPHQL_VALIDATION_FAILED"),
        ("{ hello", "GRAPHQL_PARSE_FAILED"),
        ("", "BAD_REQUEST"),
        ("subscription { refuses }", "NOT_ENABLED"),
        ("subscription { hello }", "GRAPHQL_VALIDATION_FAILED"),
    ],
)
async def test_an_operation_that_is_refused_is_an_error_and_the_socket_goes_on(query: str, code: str) -> None:
    async with connected() as socket:
        await socket.subscribe("1", query)
        answer = await socket.receive()
        assert (answer["id"], answer["type"]) == ("1", "error")
        assert answer["payload"][0]["extensions"]["code"] == code
        await socket.subscribe("1", "{ hello }")
        assert (await socket.receive())["type"] == "next"


async def test_an_error_in_a_result_is_in_next() -> None:
    async with connected() as socket:
        await socket.subscribe("1", "{ refused }")
        payload = (await socket.receive())["payload"]
        assert payload["data"] == {"refused": None}
        assert payload["errors"][0]["extensions"]["code"] == "NOT_ENABLED"


async def test_a_stream_that_breaks_ends_with_an_error_that_leaks_nothing() -> None:
    async with connected() as socket:
        await socket.subscribe("1", "subscription { breaks }")
        assert (await socket.receive())["payload"] == {"data": {"breaks": 1}}
        answer = await socket.receive()
        assert (answer["type"], answer["payload"][0]["extensions"]["code"]) == ("error", "INTERNAL")
        assert "hunter2" not in json.dumps(answer)


async def test_too_many_operations_are_refused_one_by_one() -> None:
    async with connected() as socket:
        for number in range(MAX_OPERATIONS):
            await socket.subscribe(str(number), "subscription { endless }")
            await socket.receive()
        await socket.subscribe("more", "{ hello }")
        answer = await socket.receive()
        assert (answer["id"], answer["payload"][0]["extensions"]["code"]) == ("more", "TOO_MANY_OPERATIONS")
        await socket.send(id="0", type="complete")
        await socket.subscribe("more", "{ hello }")
        assert (await socket.receive())["type"] == "next"


async def test_a_taken_id_closes_the_socket() -> None:
    async with connected() as socket:
        await socket.subscribe("1", "subscription { endless }")
        await socket.subscribe("1", "{ hello }")
        assert await socket.closed_with() == 4409


async def test_subscribing_before_init_closes_the_socket() -> None:
    async with connected(acknowledged=False) as socket:
        await socket.subscribe("1", "{ hello }")
        assert await socket.closed_with() == 4401


async def test_a_second_init_closes_the_socket() -> None:
    async with connected() as socket:
        await socket.send(type="connection_init")
        assert await socket.closed_with() == 4429


async def test_no_init_in_time_closes_the_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "INIT_SECONDS", 0.05)
    async with connected(acknowledged=False) as socket:
        assert await socket.closed_with() == 4408


@pytest.mark.parametrize(
    "text",
    [
        "not json",
        "[]",
        "1",
        "{}",
        '{"type": 1}',
        '{"type": "start"}',
        '{"type": "connection_ack"}',
        '{"type": "subscribe", "payload": {"query": "{ hello }"}}',
        '{"type": "subscribe", "id": "", "payload": {"query": "{ hello }"}}',
        '{"type": "subscribe", "id": 1, "payload": {"query": "{ hello }"}}',
        '{"type": "subscribe", "id": "1"}',
        '{"type": "complete"}',
        json.dumps({"type": "complete", "id": "x" * 300}),
        "[" * 100_000,
    ],
    ids=lambda text: text[:50],
)
async def test_an_invalid_message_closes_the_socket(text: str) -> None:
    async with connected() as socket:
        await socket.raw.send_to(text_data=text)
        assert await socket.closed_with() == 4400


async def test_a_binary_message_closes_the_socket() -> None:
    async with connected() as socket:
        await socket.raw.send_to(bytes_data=b'{"type": "ping"}')
        assert await socket.closed_with() == 4400


async def test_after_a_protocol_error_nothing_more_is_done() -> None:
    async with connected() as socket:
        await socket.send(type="nonsense")
        await socket.subscribe("1", "subscription { endless }")
        assert await socket.closed_with() == 4400
        await asyncio.sleep(0.05)
        assert Watched.opened == 0


@pytest.mark.parametrize("protocols", [[], ["graphql"], ["soap"]])
async def test_another_subprotocol_is_closed_with_a_reason(protocols: list[str]) -> None:
    raw = communicator(protocols)
    assert (await raw.connect())[0] is True
    assert await Socket(raw).closed_with() == 4406


@pytest.mark.parametrize("origin", [b"https://evil.example", b"null"])
async def test_a_foreign_page_is_refused_before_the_handshake(origin: bytes) -> None:
    assert (await communicator([PROTOCOL], [(b"origin", origin)]).connect())[0] is False


@pytest.mark.parametrize("origin", [b"http://localhost:4000", b"http://127.0.0.1:5173"])
async def test_pages_of_this_machine_may_connect(origin: bytes) -> None:
    raw = communicator([PROTOCOL], [(b"origin", origin)])
    assert await raw.connect() == (True, PROTOCOL)
    await raw.disconnect()
