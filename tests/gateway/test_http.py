"""The server's HTTP: however the bytes are cut, requests are read the same and answered in order."""

import asyncio
import itertools

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from llm.gateway.server import HttpServer
from tests.gateway.client import Client, ask, get
from tests.gateway.serving import SMALL, Echo, Served

REQUESTS = (
    b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"
    b"GET /b?q=1 HTTP/1.1\r\nHost: x\r\nX-A: 1\r\n\r\n"
    b"POST /c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3;ext=1\r\nabc\r\n2\r\nde\r\n0\r\nTrailer: t\r\n\r\n"
    b"POST http://x/d HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"
)
SEEN = [("POST", b"/a", b"hello"), ("GET", b"/b", b""), ("POST", b"/c", b"abcde"), ("POST", b"/d", b"")]


async def _feed(served: Served, parts: list[bytes]) -> None:
    served.echo.seen.clear()
    client = await Client.connect(served.port)
    for part in parts:
        client.send(part)
        await asyncio.sleep(0)
    bodies = [(await client.answer()).body for _ in SEEN]
    assert served.echo.seen == SEEN
    assert bodies == [method.encode() + b" " + path + b" " + body for method, path, body in SEEN]
    client.close()


@pytest.mark.parametrize("size", [1, 2, 3, 5, 11, 64, 1_000])
async def test_requests_split_at_every_byte_are_read_the_same(served: Served, size: int) -> None:
    await _feed(served, [REQUESTS[i : i + size] for i in range(0, len(REQUESTS), size)])


@hypothesis_settings(max_examples=60, deadline=None)
@given(cuts=st.lists(st.integers(0, len(REQUESTS)), max_size=12))
def test_requests_split_anywhere_are_read_the_same(cuts: list[int]) -> None:
    async def run() -> None:
        echo = Echo()
        server = HttpServer(echo, SMALL)
        served = Served(echo, server, await server.listen("127.0.0.1", 0))
        edges = [0, *sorted(cuts), len(REQUESTS)]
        await _feed(served, [REQUESTS[a:b] for a, b in itertools.pairwise(edges)])
        await server.drain(1)

    asyncio.run(run())


@hypothesis_settings(max_examples=150, deadline=None)
@given(data=st.binary(max_size=300) | st.lists(st.sampled_from(REQUESTS.split(b"\r\n")), max_size=20).map(b"\r\n".join))
def test_no_input_hangs_or_breaks_the_server(data: bytes) -> None:
    async def run() -> None:
        server = HttpServer(Echo(), SMALL)
        port = await server.listen("127.0.0.1", 0)
        client = await Client.connect(port)
        client.send(data)
        client.writer.write_eof()
        await client.rest()
        assert (await ask(port, get("/fine"))).status == 200, "the next client is served"
        client.close()
        await server.drain(1)
        assert server.buffered == 0

    asyncio.run(run())


async def test_pipelined_requests_are_answered_in_order(served: Served) -> None:
    client = await Client.connect(served.port)
    client.send(get("/slow") + b"".join(get(f"/{n}") for n in range(30)))
    bodies = [(await client.answer()).body for _ in range(31)]
    assert bodies == [b"slow", *(b"GET /%d " % n for n in range(30))]
    client.close()


async def test_a_refusal_waits_for_earlier_answers(served: Served) -> None:
    said = await served.talk(get("/slow") + b"BROKEN\r\n\r\n")
    assert said.startswith(b"HTTP/1.1 200 OK\r\n")
    assert said.index(b"slow") < said.index(b"HTTP/1.1 400")


async def test_head_is_answered_without_a_body(served: Served) -> None:
    client = await Client.connect(served.port)
    client.send(get("/x", "HEAD") + get("/parts", "HEAD") + get("/y"))
    assert (await client.answer("HEAD")).headers["content-length"] == "8"
    assert (await client.answer("HEAD")).status == 200
    assert (await client.answer()).body == b"GET /y "
    client.close()


async def test_the_body_is_invited_when_the_client_waits_for_it(served: Served) -> None:
    client = await Client.connect(served.port)
    client.send(b"POST /e HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
    assert await asyncio.wait_for(client.reader.readuntil(b"\r\n\r\n"), 2) == b"HTTP/1.1 100 Continue\r\n\r\n"
    client.send(b"ok")
    assert (await client.answer()).body == b"POST /e ok"
    client.close()


async def test_an_invitation_does_not_overtake_an_answer(served: Served) -> None:
    client = await Client.connect(served.port)
    client.send(get("/slow") + b"POST /e HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
    assert (await client.answer()).body == b"slow"
    assert await asyncio.wait_for(client.reader.readuntil(b"\r\n\r\n"), 2) == b"HTTP/1.1 100 Continue\r\n\r\n"
    client.send(b"ok")
    assert (await client.answer()).body == b"POST /e ok"
    client.close()


async def test_a_body_too_large_is_refused_before_it_is_sent(served: Served) -> None:
    said = await served.talk(b"POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 9999\r\n\r\n")
    assert said.startswith(b"HTTP/1.1 413 ")


async def test_an_upgrade_is_declined_and_the_request_answered(served: Served) -> None:
    client = await Client.connect(served.port)
    upgrade = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"
    client.send(b"POST /u HTTP/1.1\r\nHost: x\r\n" + upgrade.encode() + b"Content-Length: 2\r\n\r\nhi" + get("/next"))
    assert (await client.answer()).body == b"POST /u hi"
    assert (await client.answer()).body == b"GET /next "
    client.close()


async def test_http_1_0_closes_unless_asked_to_stay(served: Served) -> None:
    said = await served.talk(b"GET /x HTTP/1.0\r\n\r\n")
    assert said.endswith(b"GET /x ")
    client = await Client.connect(served.port)
    client.send(b"GET /x HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" * 2)
    assert (await client.answer()).headers["connection"] == "keep-alive"
    assert (await client.answer()).body == b"GET /x "
    client.close()


async def test_a_defect_in_the_handler_is_a_500(served: Served) -> None:
    answer = await ask(served.port, get("/defect"))
    assert (answer.status, answer.error["message"]) == (500, "Internal error.")
