"""The server's HTTP: nothing malformed passes, nothing is read in two ways, every bound holds."""

import asyncio
import itertools
import re
from collections.abc import AsyncIterator

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from llm.gateway.exchange import Exchange
from llm.gateway.server import HttpServer, Limits
from tests.gateway.client import Client, ask, get, post
from tests.gateway.conftest import until

SMALL = Limits(
    target_bytes=200,
    head_bytes=1_000,
    header_count=10,
    body_bytes=1_000,
    buffered_bytes=1_500,
    pipelined=4,
    connections=20,
    head_seconds=0.5,
    body_seconds=0.5,
    idle_seconds=0.7,
    stall_seconds=0.5,
    write_buffer_bytes=65_536,
)


class Echo:
    """Answers with method, path and body; `/slow` after a while; `/big` at length; `/hold` when told."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, bytes, bytes]] = []
        self.held: list[Exchange] = []
        self.gone = 0

    def __call__(self, exchange: Exchange) -> None:
        self.seen.append((exchange.method, exchange.path, exchange.body))
        exchange.on_disconnect = self._count_gone
        if exchange.path == b"/hold":
            self.held.append(exchange)
        elif exchange.path == b"/slow":
            asyncio.get_running_loop().call_later(0.1, lambda: exchange.respond(200, [], b"slow"))
        elif exchange.path == b"/big":
            exchange.respond(200, [], b"x" * 20_000_000)
        elif exchange.path == b"/parts":
            exchange.start(200, [])
            for part in (b"one", b"two"):
                exchange.write(part)
            exchange.end()
        elif exchange.path == b"/defect":
            raise RuntimeError("a defect")
        else:
            exchange.respond(200, [], exchange.method.encode() + b" " + exchange.path + b" " + exchange.body)

    def _count_gone(self) -> None:
        self.gone += 1


class Served:
    def __init__(self, echo: Echo, server: HttpServer, port: int) -> None:
        self.echo = echo
        self.server = server
        self.port = port

    async def talk(self, data: bytes) -> bytes:
        """Send, and read until the server closes."""
        client = await Client.connect(self.port)
        client.send(data)
        try:
            return await client.rest()
        finally:
            client.close()


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    echo = Echo()
    server = HttpServer(echo, SMALL)
    yield Served(echo, server, await server.listen("127.0.0.1", 0))
    await server.drain(1)
    assert server.buffered == 0, "every held byte was given back"


HOST = b"Host: x\r\n"
MALFORMED: dict[str, tuple[bytes, int]] = {
    "both lengths": (
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
    ),
    "both, other order": (
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\nabc",
        400,
    ),
    "two lengths": (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", 400),
    "a length twice": (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc", 400),
    "a list of lengths": (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3, 3\r\n\r\nabc", 400),
    "signed length": (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +3\r\n\r\nabc", 400),
    "negative length": (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", 400),
    "endless length": (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999999\r\n\r\n", 400),
    "hex length": (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0x3\r\n\r\nabc", 400),
    "empty length": (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length:\r\n\r\n", 400),
    "space before colon": (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n", 400),
    "coding with a tab": (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n", 400),
    "coding after chunked": (
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        400,
    ),
    "chunked twice": (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", 400),
    "identity": (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: identity\r\n\r\nabc", 501),
    "gzip, chunked": (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
    "xchunked": (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 501),
    "chunked in 1.0": (b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    "bad chunk size": (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0x3\r\nabc\r\n0\r\n\r\n", 400),
    "chunk size with space": (
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3 \r\nabc\r\n0\r\n\r\n",
        400,
    ),
    "chunk with bare LF": (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\nabc\n0\n\n", 400),
    "chunk longer than said": (
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n",
        400,
    ),
    "bare LF": (b"GET / HTTP/1.1\nHost: x\n\n", 400),
    "bare CR": (b"GET / HTTP/1.1\r\nHost: x\rX-A: b\r\n\r\n", 400),
    "NUL in a value": (b"GET / HTTP/1.1\r\nHost: x\r\nX-A: a\x00b\r\n\r\n", 400),
    "NUL in a name": (b"GET / HTTP/1.1\r\nHost: x\r\nX\x00A: b\r\n\r\n", 400),
    "folded header": (b"GET / HTTP/1.1\r\nHost: x\r\nX-A: a\r\n b\r\n\r\n", 400),
    "no name": (b"GET / HTTP/1.1\r\nHost: x\r\n: b\r\n\r\n", 400),
    "no colon": (b"GET / HTTP/1.1\r\nHost: x\r\nnonsense\r\n\r\n", 400),
    "no host": (b"GET / HTTP/1.1\r\n\r\n", 400),
    "two hosts": (b"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", 400),
    "no version": (b"GET /\r\n\r\n", 505),
    "version 2.0": (b"GET / HTTP/2.0\r\nHost: x\r\n\r\n", 505),
    "version 1.2": (b"GET / HTTP/1.2\r\nHost: x\r\n\r\n", 400),
    "HTTP/2 preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
    "TLS hello": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
    "invented method": (b"BREW / HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "method in lower case": (b"get / HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "target not a path": (b"GET x HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "target of another scheme": (b"GET ftp://x/y HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "bytes in the target": (b"GET /\x80 HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "a tunnel": (b"CONNECT x:443 HTTP/1.1\r\nHost: x:443\r\n\r\n", 405),
    "an unknown expectation": (b"POST / HTTP/1.1\r\nHost: x\r\nExpect: miracles\r\nContent-Length: 1\r\n\r\n", 417),
    "a long target": (b"GET /" + b"a" * 300 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414),
    "a large header": (b"GET / HTTP/1.1\r\nHost: x\r\nX-A: " + b"a" * 2_000 + b"\r\n\r\n", 431),
    "many headers": (b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X-A: b\r\n" * 20 + b"\r\n", 431),
    "endless head": (b"GET / HTTP/1.1\r\nHost: x\r\nX-A: " + b"a" * 400_000, 431),
    "a large body": (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1001\r\n\r\n", 413),
    "a large chunked body": (
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1f4\r\n%b\r\n" % (b"a" * 500) * 3,
        413,
    ),
}


@pytest.mark.parametrize("name", MALFORMED)
async def test_what_is_malformed_is_refused_once_and_the_connection_closes(served: Served, name: str) -> None:
    data, status = MALFORMED[name]
    said = await served.talk(data + b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n")
    assert said.startswith(b"HTTP/1.1 %d " % status)
    assert len(re.findall(rb"HTTP/1\.1 \d{3} ", said)) == 1
    assert b"connection: close" in said
    assert served.echo.seen == [], "the handler saw nothing of it"


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


@hypothesis_settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
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


@pytest.mark.parametrize("begun", [b"GET / HT", b"GET / HTTP/1.1\r\nHost: x\r\nX: ", post(b"0123456789")[:-3]])
async def test_a_request_that_never_ends_times_out(served: Served, begun: bytes) -> None:
    client = await Client.connect(served.port)
    client.send(begun)

    async def drip() -> None:
        while True:
            await asyncio.sleep(0.1)
            client.send(b"a" if begun.endswith(b"X: ") else b"")

    dripping = asyncio.create_task(drip())
    said = await asyncio.wait_for(client.rest(), 3)
    dripping.cancel()
    assert said.startswith(b"HTTP/1.1 408 ")
    client.close()


async def test_an_idle_connection_is_closed(served: Served) -> None:
    assert await asyncio.wait_for(served.talk(b""), 3) == b""
    assert served.server.connections == set()


async def test_a_client_that_takes_nothing_is_cut_off(served: Served) -> None:
    client = await Client.connect(served.port, limit=1_000)
    client.send(get("/big"))
    await until(lambda: served.server.connections)
    await until(lambda: not served.server.connections, seconds=5)
    client.close()


async def test_a_slow_but_steady_reader_gets_everything(served: Served) -> None:
    client = await Client.connect(served.port, limit=100_000)
    client.send(get("/big"))
    await client.head()
    received = 0
    while received < 20_000_000:
        part = await asyncio.wait_for(client.reader.read(1_500_000), 5)
        assert part, f"cut off after {received} bytes"
        received += len(part)
        await asyncio.sleep(0.05)
    client.close()


async def test_held_bodies_are_bounded_over_all_connections(served: Served) -> None:
    first = await Client.connect(served.port)
    first.send(post(b"a" * 900, "/hold"))
    await until(lambda: served.echo.held)
    second = await Client.connect(served.port)
    second.send(post(b"b" * 900, "/hold"))
    assert (await second.answer()).status == 503
    served.echo.held[0].respond(200, [], b"")
    assert (await first.answer()).status == 200
    assert (await ask(served.port, post(b"c" * 900, "/c"))).status == 200
    first.close()
    second.close()


async def test_connections_are_bounded(served: Served) -> None:
    clients = [await Client.connect(served.port) for _ in range(21)]
    assert (await clients[-1].answer()).status == 503
    for client in clients:
        client.close()


async def test_a_hang_up_is_told_to_the_handler(served: Served) -> None:
    client = await Client.connect(served.port)
    client.send(get("/hold"))
    await until(lambda: served.echo.held)
    client.close()
    await until(lambda: served.echo.gone == 1)
    served.echo.held[0].respond(200, [], b"to nobody")


async def test_an_orderly_close_counts_as_a_hang_up_too(served: Served) -> None:
    client = await Client.connect(served.port)
    client.send(get("/hold"))
    await until(lambda: served.echo.held)
    client.writer.close()
    await until(lambda: served.echo.gone == 1, seconds=3)


async def test_draining_finishes_what_is_under_way(served: Served) -> None:
    busy, idle = await Client.connect(served.port), await Client.connect(served.port)
    busy.send(get("/slow"))
    await until(lambda: served.echo.seen)
    drained = asyncio.create_task(served.server.drain(2))
    answer = await busy.answer()
    assert (answer.body, answer.headers["connection"]) == (b"slow", "close")
    assert await idle.rest() == b""
    busy.close()
    assert await drained is True
    with pytest.raises(ConnectionRefusedError):
        await Client.connect(served.port)
