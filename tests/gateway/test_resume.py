"""Streams read again and read on: after a cut at every event, by several at once, after a hang-up, in silence."""

import asyncio
import json
import re

import msgspec
import openai
import pytest

from billing.core.keys import digest
from llm.gateway.settings import Settings
from tests.gateway.client import CHAT, Answer, Client, get, post
from tests.gateway.conftest import Running, until
from tests.gateway.provider import DONE, STREAM_HEAD, Request, chunk, framed, stream, usage_chunk, whole
from tests.gateway.test_admission import OTHER, SIGNED, a_key, grant

STREAM = {**CHAT, "stream": True}
EVENTS = [chunk(""), *[chunk(f"{n} ") for n in range(1, 9)], chunk(None, "stop")]
SENT = [*EVENTS, DONE]
NUMBERED = [b"id: %d\n%b" % (n, event) for n, event in enumerate(SENT, 1)]
IDS = {"x_circuit_breaker_event_ids": "1"}


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return msgspec.structs.replace(settings, grace_seconds=0.4, keep_alive_seconds=0.2, head_seconds=0.3)


class Paced:
    """A provider that sends one event each time it is told."""

    def __init__(self, *events: bytes) -> None:
        self.events = events
        self.next = asyncio.Semaphore(0)

    async def __call__(self, request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(STREAM_HEAD)
        for event in self.events:
            await self.next.acquire()
            writer.write(framed(event))
        writer.write(b"0\r\n\r\n")

    def send(self, count: int = 1) -> None:
        for _ in range(count):
            self.next.release()


def paced(gateway: Running, *events: bytes) -> Paced:
    provider = Paced(*events)
    gateway.provider.answers = [provider]
    return provider


async def read(client: Client, events: int) -> bytes:
    """So many events, comments left out."""
    got = b""
    parts = client.chunks()
    while got.count(b"\n\n") < events:
        got += (await anext(parts)).replace(b": keep-alive\n", b"")
    return got


async def rest(client: Client) -> bytes:
    return b"".join([part async for part in client.chunks()]).replace(b": keep-alive\n", b"")


async def resume(gateway: Running, name: str, after: int | None = None, **headers: str) -> Answer:
    query = "" if after is None else f"?after={after}"
    return await gateway.ask(get(f"/v1/streams/{name}{query}", **headers), "GET")


async def test_event_ids_come_when_asked_for_and_the_request_goes_up_as_ever(gateway: Running) -> None:
    gateway.provider.answers = [stream(*EVENTS, usage_chunk(), DONE)]
    numbered = await gateway.ask(post(STREAM, **IDS))
    plain = await gateway.ask(post(STREAM))
    assert numbered.body == b"".join(NUMBERED)
    assert plain.body == b"".join(SENT)
    first, second = gateway.provider.requests
    assert first.body == second.body
    assert "x-circuit-breaker-event-ids" not in first.headers


async def test_an_odd_wish_for_event_ids_is_refused_and_not_booked(gateway: Running) -> None:
    answer = await gateway.ask(post(STREAM, x_circuit_breaker_event_ids="perhaps"))
    assert (answer.status, answer.error["param"]) == (400, "x-circuit-breaker-event-ids")
    assert gateway.provider.requests == []
    assert gateway.worker.gateway.journal.lag == 0


@pytest.mark.parametrize("cut", range(1, len(SENT) + 1))
async def test_a_client_cut_after_any_event_resumes_without_gap_or_repeat(gateway: Running, cut: int) -> None:
    provider = paced(gateway, *EVENTS, usage_chunk() + DONE)
    client = await gateway.connect()
    client.send(post(STREAM, x_request_id=f"cut-{cut}", **IDS))
    provider.send(cut)
    await client.head()
    got = await read(client, cut)
    client.close()
    if cut < len(SENT):
        await until(lambda: gateway.worker.gateway.replays.unattended == 1)
    provider.send(len(SENT))
    if cut % 2:
        later = await resume(gateway, f"cut-{cut}", cut)
    else:
        later = await resume(gateway, f"cut-{cut}", last_event_id=str(cut))
    assert later.status == (200 if cut < len(SENT) else 204)
    assert got + later.body == b"".join(NUMBERED)
    (record,) = await gateway.control.wait_for_records(1)
    assert (record.outcome, record.status, record.estimated) == ("ok", 200, False)
    assert gateway.worker.gateway.replays.unattended == 0


async def test_a_stream_without_event_ids_can_be_read_again_too(gateway: Running) -> None:
    gateway.provider.answers = [stream(*EVENTS, usage_chunk(), DONE)]
    answer = await gateway.ask(post(STREAM))
    again = await resume(gateway, answer.headers["x-request-id"])
    assert again.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert again.body == b"".join(NUMBERED)
    assert (await resume(gateway, answer.headers["x-request-id"], 7)).body == b"".join(NUMBERED[7:])


async def test_several_read_a_live_stream_at_once(gateway: Running) -> None:
    provider = paced(gateway, *EVENTS, DONE)
    client = await gateway.connect()
    client.send(post(STREAM, x_request_id="many"))
    readers = []
    for after in range(5):
        provider.send()
        await read(client, 1) if after else await client.head()
        await until(lambda after=after: gateway.worker.gateway.replays.find(b"many").last() == after + 1)  # type: ignore[misc, union-attr]
        readers.append(await gateway.connect())
        readers[-1].send(get(f"/v1/streams/many?after={after}"))
        await readers[-1].head()
    provider.send(len(SENT))
    for after, reader in enumerate(readers):
        assert await rest(reader) == b"".join(NUMBERED[after:])
    assert (await rest(client)).endswith(b"".join(SENT[-3:]))


async def test_a_hang_up_without_event_ids_cancels_at_once_and_readers_are_told(gateway: Running) -> None:
    provider = paced(gateway, *EVENTS, DONE)
    client = await gateway.connect()
    client.send(post(STREAM, x_request_id="plain"))
    provider.send(2)
    await client.head()
    await read(client, 2)
    reader = await gateway.connect()
    reader.send(get("/v1/streams/plain"))
    await reader.head()
    client.close()
    (record,) = await gateway.control.wait_for_records(1)
    assert (record.outcome, record.status) == ("cancelled", 499)
    got = await rest(reader)
    assert got.startswith(b"".join(NUMBERED[:2]) + b"id: 3\ndata: ")
    assert b'"code":"stream_cancelled"' in got
    await until(lambda: not gateway.worker.gateway.upstream.connections)


async def test_a_client_that_does_not_come_back_is_given_up_and_booked_once(gateway: Running) -> None:
    provider = paced(gateway, *EVENTS, DONE)
    client = await gateway.connect()
    client.send(post(STREAM, x_request_id="lost", **IDS))
    provider.send(2)
    await client.head()
    client.close()
    (record,) = await gateway.control.wait_for_records(1)
    assert (record.outcome, record.status, record.estimated) == ("cancelled", 499, True)
    assert (gateway.worker.gateway.replays.unattended, gateway.worker.gateway.metrics.in_flight) == (0, 0)
    gateway.provider.answers = [whole()]
    await gateway.ask(post())
    assert len(await gateway.control.wait_for_records(2)) == 2


async def test_a_reader_keeps_an_abandoned_stream_going(gateway: Running) -> None:
    provider = paced(gateway, *EVENTS, DONE)
    client = await gateway.connect()
    client.send(post(STREAM, x_request_id="back", **IDS))
    provider.send(1)
    await client.head()
    client.close()
    reader = await gateway.connect()
    reader.send(get("/v1/streams/back?after=1"))
    await reader.head()
    await asyncio.sleep(1.0)  # longer than the grace time
    assert gateway.control.records == {}
    provider.send(len(SENT))
    assert await rest(reader) == b"".join(NUMBERED[1:])


async def test_an_error_event_is_replayed_as_the_end(gateway: Running) -> None:
    gateway.provider.answers = [stream(*EVENTS[:3], end=b"")]
    answer = await gateway.ask(post(STREAM, **IDS))
    assert b"".join(NUMBERED[:3]) in answer.body
    assert b'id: 4\ndata: {"error":' in answer.body
    name = answer.headers["x-request-id"]
    again = await resume(gateway, name, 2)
    assert again.body == answer.body[len(b"".join(NUMBERED[:2])) :]
    assert (await resume(gateway, name, 4)).status == 204


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("none", {}, 404),
        ("", {}, 404),
        ("known?after=-1", {}, 400),
        ("known?after=x", {}, 400),
        ("known?after=", {}, 400),
        ("known?after=1&after=2", {}, 400),
        ("known?after=9999", {}, 400),
        ("known?after=99999999999999999999", {}, 400),
        ("known", {"last_event_id": "seven"}, 400),
    ],
)
async def test_nonsense_is_one_clear_error(gateway: Running, path: str, headers: dict[str, str], status: int) -> None:
    gateway.provider.answers = [stream(*EVENTS, DONE)]
    await gateway.ask(post(STREAM, x_request_id="known"))
    answer = await gateway.ask(get(f"/v1/streams/{path}", **headers), "GET")
    assert answer.status == status
    assert answer.error["message"]
    assert (await gateway.ask(post({}, path="/v1/streams/known"))).status == 405


async def test_events_no_longer_held_are_gone_by_name(gateway: Running) -> None:
    gateway.worker.gateway.replays.stream_bytes = 1_000
    gateway.provider.answers = [stream(*EVENTS, DONE, pause=0.01)]
    await gateway.ask(post(STREAM, x_request_id="long"))
    answer = await resume(gateway, "long", 1)
    assert (answer.status, answer.error["code"]) == (410, "stream_events_forgotten")
    place = int(re.findall(r"after=(\d+)", answer.error["message"])[0])
    assert (await resume(gateway, "long", place)).body == b"".join(NUMBERED[place:])


async def test_a_reader_too_slow_for_the_bound_is_told_where_to_go_on(gateway: Running) -> None:
    big = chunk("x" * 60_000)
    provider = paced(gateway, *[big] * 300, chunk(None, "stop"), DONE)
    client, reader = await gateway.connect(), await Client.connect(gateway.port, limit=65_536)
    client.send(post(STREAM, x_request_id="wide"))
    provider.send(1)
    await client.head()
    reader.send(get("/v1/streams/wide"))
    await reader.head()
    provider.send(400)
    got = await rest(client)
    assert got.count(b"data: ") == 302, "a slow reader holds up nobody else"
    late = await rest(reader)
    assert late.endswith(b"\n\n")
    error = json.loads(late.rstrip().rsplit(b"\n\ndata: ", 1)[1])["error"]
    assert error["code"] == "stream_events_forgotten"
    assert gateway.worker.gateway.replays.size < 1_100_000


async def test_a_stranger_does_not_see_the_stream(gateway: Running) -> None:
    await grant(gateway, a_key(), a_key(id="13", digest=digest(OTHER)))
    gateway.provider.answers = [stream(*EVENTS, DONE)]
    await gateway.ask(post(STREAM, x_request_id="mine", **SIGNED))
    for strangers in ({}, {"authorization": f"Bearer {OTHER}"}, {"authorization": "Bearer cb-nonsense"}):
        assert (await resume(gateway, "mine", **strangers)).status in (401, 404)
    assert (await resume(gateway, "mine", **SIGNED)).status == 200


async def test_nobody_hides_anothers_stream_by_choosing_its_id(gateway: Running) -> None:
    await grant(gateway, a_key(), a_key(id="13", digest=digest(OTHER)))
    others = {"Authorization": f"Bearer {OTHER}"}
    for said, headers in (("mine", SIGNED), ("theirs", others)):
        gateway.provider.answers = [stream(chunk(said), chunk(None, "stop"), DONE)]
        await gateway.ask(post(STREAM, x_request_id="same", **headers))
    assert b"mine" in (await resume(gateway, "same", **SIGNED)).body
    assert b"theirs" in (await resume(gateway, "same", **others)).body
    assert (await resume(gateway, "same")).status == 404
    gateway.provider.answers = [stream(chunk("everybody's"), chunk(None, "stop"), DONE)]
    await gateway.ask(post(STREAM, x_request_id="same"))
    for headers in ({}, SIGNED, others):
        assert b"everybody's" in (await resume(gateway, "same", **headers)).body, "the newest that one may read"


async def test_silence_is_filled_with_comments_for_who_reads_again(gateway: Running) -> None:
    provider = paced(gateway, *EVENTS, DONE)
    client, reader = await gateway.connect(), await gateway.connect()
    client.send(post(STREAM, x_request_id="quiet"))
    provider.send(1)
    await client.head()
    reader.send(get("/v1/streams/quiet"))
    await reader.head()
    parts = reader.chunks()
    assert await anext(parts) == NUMBERED[0]
    assert await anext(parts) == b": keep-alive\n"
    provider.send(len(SENT))
    assert (await rest(reader)).replace(b": keep-alive\n", b"") == b"".join(NUMBERED[1:])


async def test_silence_is_filled_with_comments(gateway: Running) -> None:
    for headers, comment in (({}, b": keep-alive\n\n"), (IDS, b": keep-alive\n")):
        provider = paced(gateway, *EVENTS, DONE)
        client = await gateway.connect()
        client.send(post(STREAM, **headers))
        provider.send(1)
        await client.head()
        parts = client.chunks()
        assert (await anext(parts)).endswith(EVENTS[0])
        assert await anext(parts) == comment
        provider.send(len(SENT))
        assert (await rest(client)).endswith(b"data: [DONE]\n\n")


async def test_a_long_wait_for_the_first_event_sends_the_head_and_then_errors_go_in_band(gateway: Running) -> None:
    asked = asyncio.Event()

    async def refuse_late(request: Request, writer: asyncio.StreamWriter) -> None:
        await asked.wait()
        await whole({"error": {"message": "too much"}}, 429)(request, writer)

    gateway.provider.answers = [refuse_late]
    client = await gateway.connect()
    client.send(post(STREAM, x_request_id="late"))
    status, headers = await client.head()
    assert (status, headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
    asked.set()
    got = (await rest(client)).strip(b"\n")
    assert json.loads(got.removeprefix(b"data: "))["error"]["message"] == "Provider acme: too much"
    (record,) = await gateway.control.wait_for_records(1)
    assert (record.outcome, record.status, record.first_byte_at) == ("upstream_error", 429, None)
    assert len(gateway.provider.requests) == 1, "the head was sent, so nobody else is asked"
    assert (await resume(gateway, "late")).body == b"id: 1\n" + got + b"\n\n"


async def test_the_official_client_reads_ids_and_comments(gateway: Running) -> None:
    gateway.provider.answers = [stream(*EVENTS[:3], chunk(None, "stop"), DONE, pause=0.35)]
    client = openai.AsyncOpenAI(base_url=f"http://127.0.0.1:{gateway.port}/v1", api_key="none", max_retries=0)
    for headers in ({}, {"x-circuit-breaker-event-ids": "1"}):
        text = ""
        async with await client.chat.completions.create(**STREAM, extra_headers=headers) as chunks:  # type: ignore[call-overload]
            async for one in chunks:
                text += one.choices[0].delta.content or ""
        assert text == "1 2 "
    await client.close()


async def test_open_streams_and_what_is_kept_are_in_the_metrics(gateway: Running) -> None:
    gateway.provider.answers = [stream(*EVENTS, DONE)]
    await gateway.ask(post(STREAM))
    text = (await gateway.ask(get("/metrics"), "GET")).body.decode()
    assert 'circuit_breaker_streams_open{worker="gateway-0"} 0\n' in text
    assert 'circuit_breaker_streams_unattended{worker="gateway-0"} 0\n' in text
    assert int(float(re.findall(r"circuit_breaker_replay_bytes\{[^}]*\} (\d\S*)", text)[0])) > 1_000


@pytest.mark.parametrize("door", ["uvicorn", "daphne"])
async def test_an_asgi_server_resumes_streams_as_well(gateway: Running) -> None:
    provider = paced(gateway, *EVENTS, DONE)
    client = await gateway.connect()
    client.send(post(STREAM, x_request_id="asgi"))
    provider.send(2)
    await client.head()
    reader = await gateway.connect()
    reader.send(get("/v1/streams/asgi?after=1"))
    status, headers = await reader.head()
    assert (status, headers["x-request-id"]) == (200, "asgi")
    assert await read(reader, 1) == NUMBERED[1]
    provider.send(len(SENT))
    assert await rest(reader) == b"".join(NUMBERED[2:]), "live, to the end"
    assert (await rest(client)).endswith(DONE)
    assert (await resume(gateway, "asgi", 3)).body == b"".join(NUMBERED[3:])
    assert (await resume(gateway, "asgi", len(SENT))).status == 204
    assert (await resume(gateway, "nobody's")).status == 404
