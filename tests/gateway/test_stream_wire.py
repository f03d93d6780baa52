"""`/v1/streams` beyond reading on: what a stream came to, from the oldest event on, and cancelling one."""

import json

import pytest

from billing.core.keys import digest
from billing.core.pricing import Usage
from llm.core import stream_wire
from llm.core.stream_wire import Settled
from tests.gateway.client import CHAT, get, post
from tests.gateway.conftest import Running, until
from tests.gateway.provider import DONE, chunk, stream, usage_chunk
from tests.gateway.test_admission import OTHER, SIGNED, a_key, grant
from tests.gateway.test_resume import EVENTS, IDS, NUMBERED, SENT, STREAM, paced, read, rest, resume

SETTLED = {"x_circuit_breaker_settled": "1"}


def settled(body: bytes) -> Settled | None:
    """Of an answer's last event."""
    return stream_wire.read_settled(body.rstrip(b"\n").rsplit(b"\n\n", 1)[-1] + b"\n\n")


async def test_whoever_asks_is_told_what_a_stream_came_to(gateway: Running) -> None:
    gateway.provider.answers = [stream(*EVENTS, usage_chunk(), DONE)]
    answer = await gateway.ask(post(STREAM, x_request_id="one", **IDS, **SETTLED))
    assert answer.body.startswith(b"".join(NUMBERED) + b"event: settled\n")
    told = settled(answer.body)
    (record,) = await gateway.control.wait_for_records(1)
    assert told == Settled("acme", "gpt-4", "ok", Usage(9, output=12), record.cost_nano)
    assert record.cost_nano > 0
    later = await gateway.ask(get("/v1/streams/one?after=8&settled=1"), "GET")
    assert later.body == answer.body[len(b"".join(NUMBERED[:8])) :]
    ended = await gateway.ask(get(f"/v1/streams/one?after={len(SENT)}&settled=1"), "GET")
    assert (ended.status, settled(ended.body)) == (200, told)
    assert (await resume(gateway, "one")).body == b"".join(NUMBERED), "nobody else sees it"


async def test_an_odd_wish_is_refused(gateway: Running) -> None:
    answer = await gateway.ask(post(STREAM, x_circuit_breaker_settled="perhaps"))
    assert (answer.status, answer.error["param"]) == (400, "x-circuit-breaker-settled")


async def test_what_was_asked_for_and_the_oldest_event_stand_in_the_head(gateway: Running) -> None:
    gateway.worker.gateway.replays.stream_bytes = 1_000
    gateway.provider.answers = [stream(*EVENTS, DONE, pause=0.01)]
    await gateway.ask(post(STREAM, x_request_id="long"))
    answer = await gateway.ask(get("/v1/streams/long?after=oldest"), "GET")
    assert answer.headers["x-circuit-breaker-operation"] == "chat completions"
    first = int(answer.headers["x-circuit-breaker-stream-first"])
    assert first > 1
    assert answer.body == b"".join(NUMBERED[first - 1 :])


@pytest.mark.parametrize("numbered", [True, False])
async def test_a_cancelled_stream_ends_for_all_who_read_it_and_is_booked(gateway: Running, numbered: bool) -> None:
    provider = paced(gateway, *EVENTS, DONE)
    client = await gateway.connect()
    client.send(post(STREAM, x_request_id="off", **(IDS if numbered else {}), **SETTLED))
    provider.send(2)
    await client.head()
    got = await read(client, 2)
    reader = await gateway.connect()
    reader.send(get("/v1/streams/off?settled=1"))
    await reader.head()
    assert (await gateway.ask(get("/v1/streams/off", "DELETE"), "DELETE")).status == 204
    got += await rest(client)
    seen = await rest(reader)
    assert seen.startswith(b"".join(NUMBERED[:2]) + b"id: 3\ndata: ")
    for ended in (got, seen):
        error = json.loads(ended.split(b"\n\n")[2].rpartition(b"data: ")[2])["error"]
        assert (error["code"], error["message"]) == ("stream_cancelled", "The stream was cancelled as asked for.")
        told = settled(ended)
        assert told is not None
        assert (told.outcome, told.estimated) == ("cancelled", True)
    (record,) = await gateway.control.wait_for_records(1)
    assert (record.outcome, record.status) == ("cancelled", 499)
    await until(lambda: not gateway.worker.gateway.upstream.connections)
    assert (await gateway.ask(get("/v1/streams/off", "DELETE"), "DELETE")).status == 204, "it may be said twice"


async def test_a_stream_cancelled_before_its_first_event_is_refused_to_its_client(gateway: Running) -> None:
    paced(gateway, *EVENTS, DONE)
    client = await gateway.connect()
    client.send(post(STREAM, x_request_id="early", **IDS))
    await until(lambda: gateway.provider.requests)
    assert (await gateway.ask(get("/v1/streams/early", "DELETE"), "DELETE")).status == 204
    answer = await client.answer()
    assert (answer.status, answer.error["code"]) == (400, "stream_cancelled")
    (record,) = await gateway.control.wait_for_records(1)
    assert record.outcome == "cancelled"


async def test_only_who_may_read_a_stream_may_cancel_it(gateway: Running) -> None:
    await grant(gateway, a_key(), a_key(id="13", digest=digest(OTHER)))
    provider = paced(gateway, *EVENTS, DONE)
    client = await gateway.connect()
    client.send(post({**CHAT, "stream": True}, x_request_id="mine", **IDS, **SIGNED))
    provider.send(1)
    await client.head()
    for strangers in ({}, {"authorization": f"Bearer {OTHER}"}):
        assert (await gateway.ask(get("/v1/streams/mine", "DELETE", **strangers), "DELETE")).status == 404
    provider.send(len(SENT))
    assert (await read(client, len(SENT))) == b"".join(NUMBERED)
    assert (await gateway.ask(get("/v1/streams/none", "DELETE"), "DELETE")).status == 404


async def test_a_failed_stream_says_what_it_cost(gateway: Running) -> None:
    gateway.provider.answers = [stream(chunk("a"), chunk("b"), end=b"")]
    answer = await gateway.ask(post(STREAM, **IDS, **SETTLED))
    told = settled(answer.body)
    assert told is not None
    assert (told.outcome, told.estimated) == ("cut", True)
