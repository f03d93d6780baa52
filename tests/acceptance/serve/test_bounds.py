"""The control port in the hands of clients that send too much, or read too little."""

import json
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from tests.acceptance.running import Running

LARGE = 3 * 1024 * 1024


@pytest.fixture(scope="module")
def product() -> Iterator[Running]:
    with Running() as running:
        yield running


def address(product: Running) -> tuple[str, int]:
    return "127.0.0.1", int(product.control_url.rpartition(":")[2])


def memory_of(pid: int) -> int:
    """Resident bytes."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) * 1024


def alive(product: Running) -> bool:
    return httpx.get(f"{product.control_url}/ready", timeout=5).status_code == 200


@pytest.mark.parametrize("head", [f"Content-Length: {LARGE}", "Transfer-Encoding: chunked"])
def test_a_body_over_the_bound_is_413_before_it_is_all_there(product: Running, head: str) -> None:
    with socket.create_connection(address(product), timeout=5) as client:
        client.sendall(f"POST /graphql HTTP/1.1\r\nHost: localhost\r\n{head}\r\n\r\n".encode())
        piece = b"x" * 65_536
        if "chunked" in head:
            piece = b"10000\r\n" + piece + b"\r\n"
        try:
            for _ in range(LARGE // 65_536 - 1):
                client.sendall(piece)
        except OSError:
            pass  # it has hung up already
        try:
            answer = client.recv(65_536)
        except ConnectionResetError:
            answer = b""
        assert answer == b"" or (answer.startswith(b"HTTP/1.1 413 ") and b"PAYLOAD_TOO_LARGE" in answer)
    assert alive(product)


def test_answers_nobody_reads_do_not_fill_the_memory(product: Running) -> None:
    """A client that asks for half a gigabyte and reads nothing: the server waits for it rather than keeping it all."""
    query = large_query(product)
    before = memory_of(product.pid("control"))
    with socket.create_connection(address(product), timeout=5) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.sendall(
            b"GET /graphql HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
            b"Sec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n"
        )
        assert b" 101 " in client.recv(4096)
        client.sendall(frame({"type": "connection_init"}))
        for number in range(95):
            client.sendall(frame({"id": str(number), "type": "subscribe", "payload": {"query": query}}))
        seen = [0]
        while len(seen) < 25 or seen[-1] - seen[-20] > 1_000_000:  # until it has not grown for two seconds
            time.sleep(0.1)
            seen.append(memory_of(product.pid("control")) - before)
            assert seen[-1] < 100_000_000, "the server keeps what nobody reads"
        assert alive(product), "others are served meanwhile"


def test_events_nobody_reads_do_not_fill_the_memory(product: Running) -> None:
    """The same as server-sent events: three clients ask for a hundred megabytes each and read nothing."""
    data = f'{{ text: "{"x" * 60_000}" }}'
    create = f'mutation {{ createToken(input: {{workflowId: "software_deployment", data: {data}}}) {{ id }} }}'
    for _ in range(20):
        answer = httpx.post(f"{product.control_url}/graphql", json=[{"query": create}] * 10, timeout=30)
        assert all("errors" not in each for each in answer.json())
    shown = " ".join(f"d{n}: data" for n in range(8))
    query = f'subscription {{ workflowEvents(workflowId: "software_deployment", after: "0") {{ {shown} }} }}'
    body = json.dumps({"query": query}).encode()
    head = b"POST /graphql HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\nContent-Length: %d\r\n\r\n"
    before = memory_of(product.pid("control"))
    with ExitStack() as open_sockets:
        for _ in range(3):
            client = open_sockets.enter_context(socket.create_connection(address(product), timeout=5))
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.sendall(head % len(body) + body)
            assert b"200 OK" in client.recv(256)
        seen = [0]
        while len(seen) < 25 or seen[-1] - seen[-20] > 1_000_000:  # until it has not grown for two seconds
            time.sleep(0.1)
            seen.append(memory_of(product.pid("control")) - before)
            assert seen[-1] < 150_000_000, "the server keeps what nobody reads"
        assert alive(product), "others are served meanwhile"


def test_events_arrive_as_they_happen_and_resume(product: Running) -> None:
    """Followed by server-sent events, left, and followed further: nothing is lost between."""
    query = """subscription ($after: String) { workflowEvents(workflowId: "document_review", after: $after) {
      position tokenId } }"""
    create = 'mutation { createToken(input: {workflowId: "document_review"}) { id } }'

    def made() -> str:
        answer = httpx.post(f"{product.control_url}/graphql", json={"query": create})
        return str(answer.json()["data"]["createToken"]["id"])

    def follow(after: str | None) -> AbstractContextManager[httpx.Response]:
        asked = {"query": query, "variables": {"after": after}}
        accept = {"accept": "text/event-stream"}
        return httpx.stream("POST", f"{product.control_url}/graphql", json=asked, headers=accept, timeout=10)

    def event(lines: Iterator[str]) -> dict[str, str]:
        data = next(line for line in lines if line.startswith("data: "))
        told: dict[str, str] = json.loads(data[6:])["data"]["workflowEvents"]
        return told

    with follow(None) as stream:
        lines = stream.iter_lines()
        assert next(lines) == ":", "the comment that says the subscription has begun"
        first = made()
        told = event(lines)
        assert told["tokenId"] == first
    missed = [made(), made()]
    with follow(told["position"]) as stream:
        lines = stream.iter_lines()
        assert [event(lines)["tokenId"] for _ in missed] == missed
        third = made()
        assert event(lines)["tokenId"] == third


def frame(message: dict[str, object]) -> bytes:
    """A masked text frame, as a client sends it; the mask is zero."""
    text = json.dumps(message).encode()
    length = struct.pack("!B", 0x80 | len(text)) if len(text) < 126 else struct.pack("!BH", 0x80 | 126, len(text))
    return b"\x81" + length + bytes(4) + text


def test_half_a_handshake_and_random_bytes_harm_nobody(product: Running) -> None:
    upgrade = b"GET /graphql HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
    for said in (
        b"GET",
        upgrade,
        b"\x16\x03\x01" + bytes(range(256)),
        b"POST /graphql HTTP/1.1\r\n" + b"a: b\r\n" * 600,
    ):
        with socket.create_connection(address(product), timeout=5) as client:
            client.sendall(said)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    assert alive(product)


@pytest.mark.parametrize("path", ["/nowhere", "/uplink"])
def test_sockets_of_other_paths_or_without_the_secret_are_refused(product: Running, path: str) -> None:
    with pytest.raises(Exception, match="403"):
        connect(product.control_url.replace("http", "ws", 1) + path).__enter__()


def test_a_subscription_hears_what_another_process_writes(product: Running) -> None:
    """The agents' worker is another process than the one that holds the socket: no wake-up crosses without Redis."""
    url = product.control_url.replace("http", "ws", 1) + "/ws"
    with connect(url, subprotocols=["graphql-transport-ws"]) as client:  # type: ignore[list-item]
        client.send(json.dumps({"type": "connection_init"}))
        assert json.loads(client.recv(5)) == {"type": "connection_ack"}
        query = 'subscription { workflowEvents(workflowId: "document_review") { eventType } }'
        client.send(json.dumps({"id": "1", "type": "subscribe", "payload": {"query": query}}))
        client.send(json.dumps({"type": "ping"}))
        assert json.loads(client.recv(5)) == {"type": "pong"}
        began = time.monotonic()
        mutation = 'mutation { createToken(input: {workflowId: "document_review"}) { id } }'
        httpx.post(f"{product.control_url}/graphql", json={"query": mutation}).raise_for_status()
        event = json.loads(client.recv(5))
        assert event == {
            "id": "1",
            "type": "next",
            "payload": {"data": {"workflowEvents": {"eventType": "token_created"}}},
        }
        assert time.monotonic() - began < 2


def test_a_large_answer_arrives_whole_and_a_large_message_is_refused(product: Running) -> None:
    url = product.control_url.replace("http", "ws", 1) + "/graphql"
    with connect(url, subprotocols=["graphql-transport-ws"], max_size=None) as client:  # type: ignore[list-item]
        client.send(json.dumps({"type": "connection_init"}))
        client.recv(5)
        client.send(json.dumps({"id": "1", "type": "subscribe", "payload": {"query": large_query(product)}}))
        answer = client.recv(20)
        assert len(answer) > 5_000_000
        assert len(json.loads(answer)["payload"]["data"]) == 90
        assert json.loads(client.recv(5)) == {"id": "1", "type": "complete"}
        client.send(json.dumps({"type": "ping", "payload": {"x": "y" * LARGE}}))
        with pytest.raises(ConnectionClosed):
            client.recv(5)
    assert alive(product)


def large_query(product: Running) -> str:
    """A query whose answer is 5 MB: ninety times a token with much data."""
    data = f'{{ text: "{"x" * 60_000}" }}'
    create = f'mutation {{ createToken(input: {{workflowId: "document_review", data: {data}}}) {{ id }} }}'
    made = httpx.post(f"{product.control_url}/graphql", json={"query": create}).json()["data"]["createToken"]["id"]
    return "{ " + " ".join(f'a{n}: token(id: "{made}") {{ data }}' for n in range(90)) + " }"
