"""The ASGI door itself: what it promises beyond the tests that every door passes."""

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest

from llm.gateway.asgi import HIGH_BYTES, Answer, Application, Broken
from llm.gateway.exchange import Exchange
from llm.gateway.http_limits import Limits
from llm.gateway.journal import Journal
from llm.gateway.settings import Settings


class Server:
    """Stands where an ASGI server would: gives a request, keeps what is sent, can be slow."""

    def __init__(self, body: bytes = b"", path: str = "/health", method: str = "GET") -> None:
        self.scope = {
            "type": "http",
            "http_version": "1.1",
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "headers": [(b"Host", b"gateway")],
            "client": ("127.0.0.1", 5),
        }
        self.given: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.given.put_nowait({"type": "http.request", "body": body, "more_body": False})
        self.sent: list[dict[str, Any]] = []
        self.takes = asyncio.Event()
        self.takes.set()

    async def send(self, message: dict[str, Any]) -> None:
        await self.takes.wait()
        self.sent.append(message)


def settings(folder: Path) -> Settings:
    return Settings(port=0, journal_dir=folder, uplink_url="ws://127.0.0.1:9/uplink")


async def test_a_body_beyond_the_limit_is_a_413_and_gives_its_bytes_back(tmp_path: Path) -> None:
    application = Application(msgspec.structs.replace(settings(tmp_path), limits=Limits(body_bytes=10)))
    server = Server(b"x" * 11, method="POST")
    await application(server.scope, server.given.get, server.send)
    assert server.sent[0]["status"] == 413
    assert b"request_too_large" in server.sent[1]["body"]
    assert application._buffered == 0
    assert application.worker is not None
    await application.worker.stop()


async def test_a_server_without_lifespan_starts_the_worker_with_its_first_request(tmp_path: Path) -> None:
    application = Application(settings(tmp_path))
    servers = [Server() for _ in range(5)]
    await asyncio.gather(*(application(one.scope, one.given.get, one.send) for one in servers))
    assert [one.sent[0]["status"] for one in servers] == [200] * 5
    assert application.worker is not None
    await application.worker.stop()


async def test_a_start_that_cannot_succeed_is_told_to_the_server(tmp_path: Path) -> None:
    owner = Journal(tmp_path / "gateway-0")
    application = Application(settings(tmp_path))
    server = Server()
    asked: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    asked.put_nowait({"type": "lifespan.startup"})
    await application({"type": "lifespan"}, asked.get, server.send)
    assert server.sent[0]["type"] == "lifespan.startup.failed"
    assert "GATEWAY_NAME" in server.sent[0]["message"]
    await owner.close()


async def test_a_websocket_is_refused(tmp_path: Path) -> None:
    server = Server()
    await Application(settings(tmp_path))({"type": "websocket"}, server.given.get, server.send)
    assert server.sent == [{"type": "websocket.close", "code": 1008}]


async def test_the_journal_is_written_before_anything_is_sent() -> None:
    order: list[str] = []

    async def send(message: dict[str, Any]) -> None:
        order.append(message["type"])

    answer = Answer(send, lambda: order.append("journal"))
    exchange = Exchange(answer, "GET", b"/", b"", [], b"")
    exchange.respond(200, b"x-a: 1\r\n", b"body")
    await answer.run(exchange, Server().given.get)
    assert order == ["journal", "http.response.start", "journal", "http.response.body"]


async def test_a_slow_server_pauses_the_handler_until_it_has_caught_up() -> None:
    server = Server()
    server.takes.clear()
    answer = Answer(server.send, lambda: None)
    exchange = Exchange(answer, "GET", b"/", b"", [], b"")
    heard: list[str] = []
    exchange.on_pause, exchange.on_resume = lambda: heard.append("pause"), lambda: heard.append("resume")
    running = asyncio.create_task(answer.run(exchange, server.given.get))
    exchange.start(200, [])
    exchange.write(b"x" * HIGH_BYTES)
    assert heard == []
    exchange.write(b"y")
    exchange.write(b"z")
    assert heard == ["pause"]
    server.takes.set()
    while heard != ["pause", "resume"]:
        await asyncio.sleep(0)
    exchange.end()
    await running
    assert b"".join(one.get("body", b"") for one in server.sent) == b"x" * HIGH_BYTES + b"yz"


async def test_an_answer_that_breaks_off_breaks_the_servers_answer_too() -> None:
    server = Server()
    answer = Answer(server.send, lambda: None)
    exchange = Exchange(answer, "GET", b"/", b"", [], b"")
    exchange.start(200, [])
    exchange.write(b"half")
    exchange.abort()
    with pytest.raises(Broken):
        await answer.run(exchange, server.given.get)
    assert [one.get("more_body") for one in server.sent] == [None, True]


async def test_a_client_that_leaves_is_told_to_the_handler() -> None:
    server = Server()
    answer = Answer(server.send, lambda: None)
    exchange = Exchange(answer, "GET", b"/", b"", [], b"")
    gone = asyncio.Event()
    exchange.on_disconnect = gone.set
    running = asyncio.create_task(answer.run(exchange, server.given.get))
    server.given.put_nowait({"type": "http.disconnect"})
    await asyncio.wait_for(running, 5)
    assert gone.is_set()
