"""A request goes to a provider twice only if it is proved that the first connection took nothing of it.

The provider here is a bare socket, so that each test says exactly when it closes: before, at, or after the send. Run
on both event loops, because the proof rests on what a loop lets one see.
"""

import asyncio
import contextlib
import socket
import struct
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import pytest
import uvloop

from llm.core.errors import LlmError, ProviderBroken
from llm.gateway import staleness
from llm.gateway.origin import Origin
from llm.gateway.provider_connection import Reply
from llm.gateway.upstream import Upstream
from tests.gateway.conftest import until

HEAD = b"POST /v1/x HTTP/1.1\r\nhost: p\r\ncontent-length: %d\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
Body = Coroutine[Any, Any, None]
LOOPS: list[Callable[[Body], None]] = [asyncio.run, uvloop.run]
RESET = struct.pack("ii", 1, 0)

on_each_loop = pytest.mark.parametrize("run", LOOPS, ids=["asyncio", "uvloop"])
needs_linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux counts acknowledged bytes")


class Bare:
    """The provider: a listening socket and what the test does with each connection."""

    def __init__(self, listener: socket.socket, upstream: Upstream) -> None:
        self.listener = listener
        self.upstream = upstream
        self.origin = Origin("127.0.0.1", listener.getsockname()[1], False)
        self.loop = asyncio.get_running_loop()

    def begin(self, body: bytes = b"hi") -> Reply:
        reply = Reply(False, 1_000)
        self.upstream.begin(reply, self.origin, HEAD % len(body), body)
        return reply

    async def accept(self) -> socket.socket:
        accepted, _ = await asyncio.wait_for(self.loop.sock_accept(self.listener), 5)
        return accepted

    async def request(self, connection: socket.socket, size: int = len(HEAD % 2) + 2) -> bytes:
        """Read one request of `size` bytes."""
        data = b""
        while len(data) < size:
            part = await asyncio.wait_for(self.loop.sock_recv(connection, 65_536), 5)
            assert part, "the gateway hung up"
            data += part
        return data

    async def used(self, *, rested: bool = True) -> socket.socket:
        """A connection that has served one call and is idle; with `rested`, for longer than a moment."""
        reply = self.begin()
        connection = await self.accept()
        await self.request(connection)
        await self.loop.sock_sendall(connection, OK)
        await finished(reply)
        assert reply.body == b"ok"
        (kept,) = self.upstream.connections
        if rested:
            await until(lambda: kept.idle_since)
        else:
            kept.idle_since = 0.0
        return connection

    async def answered_on_a_new_connection(self, reply: Reply) -> None:
        connection = await self.accept()
        assert (await self.request(connection)).endswith(b"\r\n\r\nhi")
        await self.loop.sock_sendall(connection, OK)
        await finished(reply)
        assert (reply.error, reply.status, reply.body) == (None, 200, b"ok")
        connection.close()

    async def fails_without_another_try(self, reply: Reply) -> LlmError:
        await finished(reply)
        assert isinstance(reply.error, ProviderBroken)
        assert not reply.replaced
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(self.loop.sock_accept(self.listener), 0.05)
        return reply.error


@contextlib.asynccontextmanager
async def bare() -> AsyncIterator[Bare]:
    upstream = Upstream()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        yield Bare(listener, upstream)
    upstream.close()
    await asyncio.sleep(0)


async def finished(reply: Reply) -> None:
    await until(lambda: reply.complete or reply.error is not None)


@on_each_loop
def test_closed_before_the_send_another_connection_is_taken(run: Callable[[Body], None]) -> None:
    async def test() -> None:
        async with bare() as provider:
            connection = await provider.used()
            connection.close()  # the end has arrived, but the event loop has not seen it yet
            reply = provider.begin()
            await provider.answered_on_a_new_connection(reply)
            assert not reply.replaced, "nothing was sent on the stale one"

    run(test())


@on_each_loop
def test_bytes_that_belong_to_no_request_make_a_connection_unusable(run: Callable[[Body], None]) -> None:
    async def test() -> None:
        async with bare() as provider:
            connection = await provider.used()
            connection.send(OK)
            await provider.answered_on_a_new_connection(provider.begin())
            connection.close()

    run(test())


@needs_linux
@on_each_loop
def test_closed_at_the_send_the_request_is_sent_again_for_nothing_was_taken(run: Callable[[Body], None]) -> None:
    async def test() -> None:
        async with bare() as provider:
            connection = await provider.used()
            reply = provider.begin()  # it is written at the end of this turn ...
            connection.close()  # ... and crosses the provider's end
            await provider.answered_on_a_new_connection(reply)
            assert reply.replaced

    run(test())


@on_each_loop
@pytest.mark.parametrize("rested", [True, False])
def test_read_and_then_closed_the_request_is_not_sent_again(run: Callable[[Body], None], rested: bool) -> None:
    async def test() -> None:
        async with bare() as provider:
            connection = await provider.used(rested=rested)
            reply = provider.begin()
            await provider.request(connection)
            connection.close()
            error = await provider.fails_without_another_try(reply)
            assert "is not known, so it was not sent to it again" in error.message
            assert reply.sent, "it may have cost money"

    run(test())


@on_each_loop
@pytest.mark.parametrize("reads", [True, False])
def test_a_reset_proves_nothing(run: Callable[[Body], None], reads: bool) -> None:
    """Read by the provider or not: it looks the same to us."""

    async def test() -> None:
        async with bare() as provider:
            connection = await provider.used()
            reply = provider.begin()
            provider.upstream.outbox.flush()
            if reads:
                await provider.request(connection)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            connection.close()
            await provider.fails_without_another_try(reply)

    run(test())


@on_each_loop
def test_a_large_request_taken_in_part_is_not_sent_again(run: Callable[[Body], None]) -> None:
    async def test() -> None:
        async with bare() as provider:
            connection = await provider.used()
            reply = provider.begin(b"x" * 5_000_000)
            await provider.request(connection, 100_000)
            connection.close()
            await provider.fails_without_another_try(reply)

    run(test())


@on_each_loop
def test_half_an_end_after_the_request_was_taken_is_no_proof(run: Callable[[Body], None]) -> None:
    async def test() -> None:
        async with bare() as provider:
            connection = await provider.used()
            reply = provider.begin()
            await provider.request(connection)
            connection.shutdown(socket.SHUT_WR)
            await provider.fails_without_another_try(reply)
            connection.close()

    run(test())


@on_each_loop
def test_without_a_rest_there_is_no_proof(run: Callable[[Body], None]) -> None:
    async def test() -> None:
        async with bare() as provider:
            connection = await provider.used(rested=False)
            reply = provider.begin()
            connection.close()
            await provider.fails_without_another_try(reply)

    run(test())


@on_each_loop
def test_where_the_system_counts_nothing_nothing_is_sent_again(
    run: Callable[[Body], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(staleness.sys, "platform", "darwin")

    async def test() -> None:
        async with bare() as provider:
            connection = await provider.used()
            reply = provider.begin()
            connection.close()
            await provider.fails_without_another_try(reply)

    run(test())
