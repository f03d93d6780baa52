"""A client that hangs up: the provider is cancelled or read to its end, as its row says, and the call is booked."""

import asyncio

import msgspec
import pytest

from llm.core.snapshot import Snapshot
from llm.gateway.settings import Settings
from llm.gateway.worker import Worker
from tests.gateway.client import CHAT, Client, post
from tests.gateway.conftest import Running, until
from tests.gateway.control import Control, snapshot
from tests.gateway.provider import DONE, REPLY, Provider, Request, chunk, http, stream, usage_chunk

STREAM = {**CHAT, "stream": True}


def draining(gateway: Running) -> Snapshot:
    new = snapshot(gateway.provider.url, 2)
    (provider,) = new.providers
    return msgspec.structs.replace(new, providers=(msgspec.structs.replace(provider, on_hang_up="drain"),))


async def test_a_drained_whole_answer_is_booked_as_reported(gateway: Running) -> None:
    await gateway.configure(draining(gateway))
    gone = asyncio.Event()

    async def after_the_hang_up(request: Request, writer: asyncio.StreamWriter) -> None:
        await gone.wait()
        writer.write(http(msgspec.json.encode(REPLY)))

    gateway.provider.answers = [after_the_hang_up]
    client = await gateway.connect()
    client.send(post())
    await until(lambda: gateway.provider.requests)
    client.close()
    await until(lambda: not gateway.worker.server.connections)
    gone.set()
    (record,) = await gateway.control.wait_for_records(1)
    assert (record.outcome, record.status, record.estimated) == ("cancelled", 499, False)
    assert (record.usage.input, record.usage.output) == (9, 12)


async def test_a_drained_stream_is_booked_as_reported(gateway: Running) -> None:
    await gateway.configure(draining(gateway))
    events = [*[chunk(f"{n} ") for n in range(30)], chunk(None, "stop"), usage_chunk(7, 31), DONE]
    gateway.provider.answers = [stream(*events, pause=0.01)]
    client = await gateway.connect()
    client.send(post(STREAM))
    await client.head()
    client.close()
    (record,) = await gateway.control.wait_for_records(1)
    assert (record.outcome, record.status, record.estimated) == ("cancelled", 499, False)
    assert (record.usage.input, record.usage.output) == (7, 31)


async def test_a_drained_stream_whose_provider_falls_silent_ends_in_time(gateway: Running) -> None:
    """Also where the client was slow when it left, so that nobody was waiting for the provider just then."""
    await gateway.configure(draining(gateway))
    gateway.set_timeout(0.3)
    slow, ended = asyncio.Event(), asyncio.Event()

    def paused() -> bool:
        return any(one._paused for one in gateway.worker.gateway.upstream.connections)  # type: ignore[union-attr]

    async def until_it_is_paused(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n")
        while not paused():
            writer.write(chunk("word " * 40_000))
            await asyncio.sleep(0.005)
        slow.set()
        await ended.wait()

    gateway.provider.answers = [until_it_is_paused]
    client = await Client.connect(gateway.port, limit=4_096)
    client.send(post(STREAM))
    await asyncio.wait_for(slow.wait(), 20)
    client.close()
    (record,) = await gateway.control.wait_for_records(1)
    assert (record.outcome, record.status, record.estimated) == ("cancelled", 499, True)
    ended.set()


async def test_a_drained_call_that_the_end_of_the_worker_cuts_is_in_the_journal(
    settings: Settings, provider: Provider, control: Control, caplog: pytest.LogCaptureFixture
) -> None:
    new = snapshot(provider.url)
    control.snapshot = msgspec.structs.replace(
        new, providers=(msgspec.structs.replace(new.providers[0], on_hang_up="drain"),)
    )
    worker = Worker(msgspec.structs.replace(settings, uplink_url=control.url))
    client = await Client.connect(await worker.start())

    async def never(request: Request, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(60)

    provider.answers = [never]
    client.send(post())
    await until(lambda: provider.requests)
    client.close()
    await until(lambda: not worker.server.connections)
    await worker.stop()
    assert worker.gateway.metrics.in_flight == 0
    (segment,) = worker.journal.folder.glob("0*.jsonl")
    assert len(segment.read_bytes().splitlines()) == 1
    assert "cannot be written" not in caplog.text
