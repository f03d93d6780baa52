"""Workers that share a port find each other's streams: real processes, so that a resume may land on either."""

import asyncio
import signal
import socket
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from llm.gateway import siblings
from llm.gateway.admission import KEY_HEADERS
from llm.gateway.settings import Settings
from llm.gateway.worker import Worker
from tests.gateway.client import Answer, Client, ask, get, post
from tests.gateway.conftest import Running, until
from tests.gateway.control import Control
from tests.gateway.processes import Process, start
from tests.gateway.provider import DONE, Provider, chunk, stream
from tests.gateway.test_resume import EVENTS, IDS, NUMBERED, STREAM, Paced, read, rest


async def workers(stack: AsyncExitStack, control: Control, folder: Path, count: int) -> list[Process]:
    """So many processes on one port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    shared = {"OPENAI_PORT": port, "GATEWAY_SHARED_PORT": "true", "STREAM_GRACE_SECONDS": "20"}
    return [
        await stack.enter_async_context(start(control, folder, GATEWAY_NAME=f"gateway-{n}", **shared))
        for n in range(count)
    ]


async def resume(port: int, name: str, after: int) -> Answer:
    return await ask(port, get(f"/v1/streams/{name}?after={after}"), "GET")


async def test_a_stream_is_resumed_whichever_worker_is_asked(
    tmp_path: Path, provider: Provider, control: Control
) -> None:
    async with AsyncExitStack() as stack:
        port = (await workers(stack, control, tmp_path, 3))[0].port
        for cut in range(1, len(EVENTS) + 1):
            paced = Paced(*EVENTS, DONE)
            provider.answers = [paced]
            client = await Client.connect(port)
            client.send(post(STREAM, x_request_id=f"cut-{cut}", **IDS))
            paced.send(cut)
            await client.head()
            got = await read(client, cut)
            client.close()
            readers = [await Client.connect(port) for _ in range(4)]
            for reader in readers:
                reader.send(get(f"/v1/streams/cut-{cut}?after={cut}"))
                assert (await reader.head())[0] == 200
            paced.send(len(EVENTS))
            for reader in readers:
                assert got + await rest(reader) == b"".join(NUMBERED)
                reader.close()
        assert {(await resume(port, "nobody's", 0)).status for _ in range(9)} == {404}
        assert {(await resume(port, "cut-1", len(NUMBERED))).status for _ in range(9)} == {204}
        answers = [await resume(port, "cut-1", 999) for _ in range(9)]
        assert {(answer.status, answer.error["param"]) for answer in answers} == {(400, "after")}
    records = await control.wait_for_records(len(EVENTS))
    assert [record.outcome for record in records] == ["ok"] * len(EVENTS)


async def test_a_killed_worker_cuts_its_readers_off_and_hides_nothing_of_the_others(
    tmp_path: Path, provider: Provider, control: Control
) -> None:
    async with AsyncExitStack() as stack:
        processes = await workers(stack, control, tmp_path, 2)
        port = processes[0].port
        paced = Paced(*EVENTS, DONE)
        provider.answers = [paced]
        client = await Client.connect(port)
        client.send(post(STREAM, x_request_id="cut", **IDS))
        paced.send(2)
        await client.head()
        readers = [await Client.connect(port) for _ in range(8)]
        for reader in readers:
            reader.send(get("/v1/streams/cut"))
            await reader.head()
            assert await read(reader, 2) == b"".join(NUMBERED[:2])
        holder = await _holder(processes, port)
        processes[holder].kill()
        await processes[holder].ended()  # or a new connection may still meet its socket
        for reader in readers:
            with pytest.raises((asyncio.IncompleteReadError, ConnectionResetError)):
                await rest(reader)
        await processes[holder].ended()  # or its listening socket could still take a connection
        provider.answers = [stream(*EVENTS, DONE)]
        assert {(await resume(port, "cut", 2)).status for _ in range(5)} == {404}
        processes[1 - holder].kill(signal.SIGTERM)
        assert await processes[1 - holder].ended() == 0
    assert not list(tmp_path.glob(f"gateway-{1 - holder}/door*")), "a door goes with its worker"


async def _holder(processes: list[Process], port: int) -> int:
    while True:
        said = (await ask(port, get("/health"), "GET")).json
        if said["in_flight"]:
            return int(said["gateway"].rsplit("-", 1)[1])


async def test_the_newest_of_two_streams_with_one_id_is_found_on_any_worker(
    tmp_path: Path, provider: Provider, control: Control
) -> None:
    async with AsyncExitStack() as stack:
        port = (await workers(stack, control, tmp_path, 2))[0].port
        for n in range(6):
            provider.answers = [stream(chunk(f"this is {n}"), chunk(None, "stop"), DONE)]
            await ask(port, post(STREAM, x_request_id="again"))
            for _ in range(8):
                assert f"this is {n}".encode() in (await resume(port, "again", 0)).body


async def test_a_path_too_long_for_a_socket_is_got_round(tmp_path: Path) -> None:
    deep = tmp_path / ("x" * 120)
    doors = [siblings.Siblings(deep, name) for name in ("gateway-0", "gateway-1")]
    (deep / "gateway-0").mkdir(parents=True)
    (deep / "gateway-1").mkdir()
    with doors[0].bind_door():
        (found,) = doors[1]._doors()
        assert len(str(found)) < 100
        assert found.stat().st_mode & 0o777 == 0o600
        doors[0].close()
        assert not found.parent.exists()
    assert not doors[1].any()


async def test_a_sibling_that_says_nothing_is_not_waited_for(
    gateway: Running, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(siblings, "ASK_SECONDS", 0.05)
    folder = settings.journal_dir / "gateway-9"
    folder.mkdir()
    deaf = siblings.Siblings(settings.journal_dir, "gateway-9").bind_door()
    with deaf:
        deaf.listen()
        answer = await resume(gateway.port, "somewhere", 0)
        assert (answer.status, answer.headers["retry-after"]) == (503, "1")
        gateway.provider.answers = [stream(*EVENTS, DONE)]
        await gateway.ask(post(STREAM, x_request_id="here"))
        assert (await resume(gateway.port, "here", 0)).body == b"".join(NUMBERED)
    assert (await resume(gateway.port, "somewhere", 0)).status == 404, "a dead one's door is no obstacle"


class Faulty:
    """A sibling that says it holds the stream, and then does as `then` says with the request for it."""

    def __init__(self, door: socket.socket, then: str) -> None:
        self.door = door
        self.then = then
        self.asked: list[bytes] = []

    async def __aenter__(self) -> "Faulty":
        self.server = await asyncio.start_unix_server(self._answer, sock=self.door)
        return self

    async def __aexit__(self, *error: object) -> None:
        self.server.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        self.asked.append(head)
        if head.startswith(b"HEAD"):
            writer.write(b"HTTP/1.1 200 OK\r\nx-circuit-breaker-stream-started: 9999999999999999999\r\n\r\n")
        elif self.then == "close":
            writer.close()
        elif self.then == "begin":
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
            writer.write(b"7\r\nid: 1\n\n\r\n")


@pytest.mark.parametrize("then", ["close", "stall"])
async def test_a_sibling_that_fails_before_its_answer_is_a_clear_error(
    gateway: Running, settings: Settings, monkeypatch: pytest.MonkeyPatch, then: str
) -> None:
    monkeypatch.setattr(siblings, "ASK_SECONDS", 0.3)
    (settings.journal_dir / "gateway-9").mkdir()
    async with Faulty(siblings.Siblings(settings.journal_dir, "gateway-9").bind_door(), then) as faulty:
        client = await gateway.connect()
        client.send(get("/v1/streams/there"))
        answer = await client.answer("GET")
        assert (answer.status, answer.headers["retry-after"]) == (503, "1")
        assert "try again" in answer.error["message"]
        assert len(faulty.asked) == 2
        client.send(get("/health"))
        assert (await client.answer("GET")).status == 200, "the connection serves on"


@pytest.mark.parametrize("name", KEY_HEADERS)
async def test_a_sibling_is_told_who_asks_by_whichever_header(
    gateway: Running, settings: Settings, name: bytes
) -> None:
    (settings.journal_dir / "gateway-9").mkdir()
    async with Faulty(siblings.Siblings(settings.journal_dir, "gateway-9").bind_door(), "close") as faulty:
        client = await gateway.connect()
        client.send(get("/v1/streams/there", **{name.decode(): "who-i-am"}))
        await client.answer("GET")
    assert all(name + b": who-i-am\r\n" in head for head in faulty.asked)
    assert len(faulty.asked) == 2


async def test_a_sibling_that_falls_silent_in_its_answer_cuts_the_reader_off(
    gateway: Running, settings: Settings
) -> None:
    gateway.worker.siblings._silence = 0.4
    (settings.journal_dir / "gateway-9").mkdir()
    async with Faulty(siblings.Siblings(settings.journal_dir, "gateway-9").bind_door(), "begin"):
        reader = await gateway.connect()
        reader.send(get("/v1/streams/there"))
        assert (await reader.head())[0] == 200
        with pytest.raises((asyncio.IncompleteReadError, ConnectionResetError)):
            await rest(reader)


async def test_a_slow_reader_slows_the_relay_between_workers(gateway: Running, settings: Settings) -> None:
    other = Worker(settings.__class__(port=0, journal_dir=settings.journal_dir, name="gateway-1"))
    port = await other.start()
    big = chunk("x" * 60_000)
    gateway.worker.gateway.replays.stream_bytes = 64_000_000
    gateway.worker.gateway.replays.total_bytes = 64_000_000
    gateway.provider.answers = [stream(*[big] * 400, chunk(None, "stop"), DONE)]
    await gateway.ask(post(STREAM, x_request_id="wide"))
    reader = await Client.connect(port, limit=65_536)
    reader.send(get("/v1/streams/wide"))
    await reader.head()
    buffered = [0]
    for _ in range(40):
        await asyncio.sleep(0.01)
        held = [
            c.transport.get_write_buffer_size() for c in (*other.server.connections, *gateway.worker.door.connections)
        ]
        buffered.append(sum(held))
    assert max(buffered) < 2_000_000
    assert (await rest(reader)).count(b"id: ") == 402
    reader.close()
    await until(lambda: not other.server.connections)
    await other.stop()
