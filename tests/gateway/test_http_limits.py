"""What one client may cost: time, memory, connections; and how connections end."""

import asyncio

import pytest

from tests.gateway.client import Client, ask, get, post
from tests.gateway.conftest import until
from tests.gateway.serving import Served


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
