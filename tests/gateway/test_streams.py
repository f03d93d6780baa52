"""Streamed answers: the bytes that arrive, the usage chunk, errors in band, hang-ups, back-pressure, what is booked."""

import asyncio
import json
import time

import pytest

from billing.core.pricing import Usage
from llm.gateway import streams
from tests.gateway.client import CHAT, Client, post
from tests.gateway.conftest import Running, until
from tests.gateway.provider import (
    DONE,
    STREAM_HEAD,
    Request,
    chunk,
    framed,
    http,
    stream,
    usage_chunk,
    whole,
)

STREAM = {**CHAT, "stream": True}
WITH_USAGE = {**STREAM, "stream_options": {"include_usage": True}}
EVENTS = [chunk("", usage=None), chunk("Hel", usage=None), chunk("lo!", usage=None), chunk(None, "stop", usage=None)]
ALL = [*EVENTS, usage_chunk(), DONE]


async def test_events_arrive_byte_for_byte(gateway: Running) -> None:
    gateway.provider.answers = [stream(*ALL)]
    answer = await gateway.ask(post(WITH_USAGE))
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert answer.headers["cache-control"] == "no-cache"
    assert answer.headers["x-circuit-breaker-provider"] == "acme"
    assert answer.headers["x-circuit-breaker-attempts"] == "1"
    assert answer.body == b"".join(ALL)


async def test_usage_is_always_asked_for_and_stripped_unless_wanted(gateway: Running) -> None:
    gateway.provider.answers = [stream(*ALL)]
    answer = await gateway.ask(post(STREAM))
    assert gateway.provider.requests[0].json == WITH_USAGE
    assert answer.body == b"".join([*EVENTS, DONE])
    (record,) = await gateway.control.wait_for_records(1)
    assert (record.usage, record.estimated) == (Usage(input=9, output=12), False)


async def test_other_stream_options_are_kept(gateway: Running) -> None:
    gateway.provider.answers = [stream(*ALL)]
    await gateway.ask(post({**STREAM, "stream_options": {"include_obfuscation": False}}))
    options = gateway.provider.requests[0].json["stream_options"]
    assert options == {"include_obfuscation": False, "include_usage": True}


@pytest.mark.parametrize("size", [1, 2, 3, 7, 50])
async def test_events_split_anywhere_arrive_whole(gateway: Running, size: int) -> None:
    data = b"".join(ALL)
    gateway.provider.answers = [stream(*(data[i : i + size] for i in range(0, len(data), size)))]
    client = await gateway.connect()
    client.send(post(STREAM))
    await client.head()
    parts = [part async for part in client.chunks()]
    assert b"".join(parts) == b"".join([*EVENTS, DONE])
    assert all(part.endswith(b"\n\n") for part in parts), "each write holds whole events"
    client.close()


async def test_line_ends_of_both_kinds_pass(gateway: Running) -> None:
    events = [event.replace(b"\n", b"\r\n") for event in EVENTS]
    gateway.provider.answers = [stream(*events, usage_chunk().replace(b"\n", b"\r\n"), b"data: [DONE]\r\n\r\n")]
    answer = await gateway.ask(post(STREAM))
    assert answer.body == b"".join([*events, DONE])


async def test_comments_and_event_names_pass(gateway: Running) -> None:
    odd = [b": keep-alive\n\n", b"event: x\nid: 7\n" + EVENTS[0], *EVENTS[1:]]
    gateway.provider.answers = [stream(*odd, DONE)]
    answer = await gateway.ask(post(STREAM))
    assert answer.body == b"".join([*odd, DONE])


async def test_text_that_looks_like_our_markers_is_only_text(gateway: Running) -> None:
    tricky = [chunk('data: [DONE]\n\n"usage":{"prompt_tokens":1} "error":{} "finish_reason":"stop"'), *EVENTS]
    gateway.provider.answers = [stream(*tricky, usage_chunk(), DONE)]
    answer = await gateway.ask(post(STREAM))
    assert answer.body == b"".join([*tricky, DONE])
    (record,) = await gateway.control.wait_for_records(1)
    assert (record.outcome, record.usage) == ("ok", Usage(input=9, output=12))


async def test_a_stream_is_booked_with_its_first_byte(gateway: Running) -> None:
    gateway.provider.answers = [stream(*ALL, pause=0.02)]
    await gateway.ask(post(STREAM))
    (record,) = await gateway.control.wait_for_records(1)
    assert (record.streamed, record.status, record.outcome) == (True, 200, "ok")
    assert record.first_byte_at is not None
    assert record.started_at < record.first_byte_at < record.finished_at - 50_000_000
    assert record.cost_nano == 9 * 30_000 + 12 * 60_000


async def test_a_stream_without_usage_is_estimated(gateway: Running) -> None:
    text = "x" * 400
    gateway.provider.answers = [stream(chunk(""), chunk(text), chunk(None, "stop"), DONE)]
    await gateway.ask(post(STREAM))
    (record,) = await gateway.control.wait_for_records(1)
    assert record.estimated is True
    assert 95 <= record.usage.output <= 105


async def test_an_end_without_done_is_fine_after_a_finish_reason(gateway: Running) -> None:
    gateway.provider.answers = [stream(*EVENTS)]
    answer = await gateway.ask(post(STREAM))
    assert answer.body == b"".join([*EVENTS, DONE])


async def test_an_end_before_the_answer_is_complete_says_so(gateway: Running) -> None:
    gateway.provider.answers = [stream(*EVENTS[:2])]
    answer = await gateway.ask(post(STREAM))
    start, error = answer.body[: len(b"".join(EVENTS[:2]))], answer.body[len(b"".join(EVENTS[:2])) :]
    assert start == b"".join(EVENTS[:2])
    assert json.loads(error.removeprefix(b"data: "))["error"]["code"] == "provider_broken"
    (record,) = await gateway.control.wait_for_records(1)
    assert (record.outcome, record.status, record.error_code) == ("cut", 200, "provider_broken")
    assert record.cost_nano > 0, "what came before was paid for"


async def test_a_cut_after_the_first_event_goes_in_band(gateway: Running) -> None:
    gateway.provider.answers = [stream(*EVENTS[:2], end=b"")]
    answer = await gateway.ask(post(STREAM))
    assert answer.status == 200
    assert answer.body.count(b"data: ") == 3
    assert b"[DONE]" not in answer.body
    assert json.loads(answer.body.split(b"data: ")[-1])["error"]["type"] == "upstream_error"


async def test_a_cut_before_the_first_event_is_an_ordinary_error(gateway: Running) -> None:
    gateway.provider.answers = [stream(end=b"")]
    answer = await gateway.ask(post(STREAM))
    assert (answer.status, answer.error["code"]) == (502, "provider_broken")


async def test_an_error_in_band_reaches_the_client_without_our_key(gateway: Running) -> None:
    secret = "sk-upstream-secret"
    error = b'data: {"error":{"message":"overloaded %b","type":"server_error","code":"busy"}}\n\n' % secret.encode()
    gateway.provider.answers = [stream(EVENTS[0], EVENTS[1], error, DONE)]
    answer = await gateway.ask(post(STREAM))
    assert answer.body.startswith(EVENTS[0] + EVENTS[1])
    told = json.loads(answer.body.split(b"data: ")[-1])["error"]
    assert told == {"message": "Provider acme: overloaded ***", "type": "server_error", "param": None, "code": "busy"}
    (record,) = await gateway.control.wait_for_records(1)
    assert (record.outcome, record.error_code) == ("cut", "busy")


@pytest.mark.parametrize("status", [400, 429, 500])
async def test_an_error_instead_of_a_stream_keeps_its_status(gateway: Running, status: int) -> None:
    gateway.provider.answers = [whole({"error": {"message": "no", "code": "bad"}}, status)]
    answer = await gateway.ask(post(STREAM))
    assert (answer.status, answer.error["code"]) == (status, "bad")


async def test_a_whole_answer_instead_of_a_stream_is_a_502(gateway: Running) -> None:
    gateway.provider.answers = [whole()]
    answer = await gateway.ask(post(STREAM))
    assert (answer.status, answer.error["code"]) == (502, "provider_broken")


async def test_silence_between_events_ends_the_stream(gateway: Running) -> None:
    async def falls_silent(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(STREAM_HEAD + framed(EVENTS[0]))
        await writer.drain()
        await asyncio.sleep(30)

    gateway.provider.answers = [falls_silent]
    gateway.set_timeout(0.3)
    answer = await gateway.ask(post(STREAM))
    assert json.loads(answer.body.split(b"data: ")[-1])["error"]["code"] == "provider_timeout"


async def test_a_hang_up_cancels_the_provider_and_is_booked(gateway: Running) -> None:
    gateway.provider.answers = [stream(*[chunk("word ")] * 2000, pause=0.01)]
    client = await gateway.connect()
    client.send(post(STREAM))
    await client.head()
    async for _ in client.chunks():
        break
    client.close()
    await asyncio.wait_for(gateway.provider.disconnected.wait(), 3)
    (record,) = await gateway.control.wait_for_records(1)
    assert (record.outcome, record.status, record.estimated) == ("cancelled", 499, True)
    assert record.usage.input > 0
    assert gateway.worker.gateway.metrics.in_flight == 0


async def test_a_hang_up_before_the_answer_cancels_the_provider(gateway: Running) -> None:
    async def never(request: Request, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(30)

    gateway.provider.answers = [never]
    client = await gateway.connect()
    client.send(post())
    await until(lambda: gateway.provider.requests)
    client.writer.close()
    (record,) = await gateway.control.wait_for_records(1)
    assert (record.outcome, record.status) == ("cancelled", 499)


@pytest.mark.doors("native")
async def test_a_half_closed_client_still_gets_its_answer(gateway: Running) -> None:
    gateway.provider.answers = [stream(*ALL, pause=0.05)]
    client = await gateway.connect()
    client.send(post(STREAM))
    client.writer.write_eof()
    answer = await client.answer()
    assert answer.body == b"".join([*EVENTS, DONE])
    client.close()


@pytest.mark.doors("native", "uvicorn")
async def test_a_slow_reader_pauses_the_provider(gateway: Running) -> None:
    big = chunk("x" * 60_000)
    sent = 0

    async def pour(request: Request, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(STREAM_HEAD)
        for _ in range(500):
            writer.write(framed(big))
            await writer.drain()
            sent += len(big)
        writer.write(framed(chunk(None, "stop")) + framed(DONE) + b"0\r\n\r\n")

    gateway.provider.answers = [pour]
    client = await Client.connect(gateway.port, limit=65_536)
    client.send(post(STREAM))
    await client.head()
    seen = -1
    while seen != sent:
        seen = sent
        await asyncio.sleep(0.3)
    assert sent < 15_000_000, "the provider was not paused"
    received = sum([len(part) async for part in client.chunks()])
    assert received == 500 * len(big) + len(chunk(None, "stop")) + len(DONE)
    client.close()


async def test_events_pass_at_once(gateway: Running) -> None:
    gateway.provider.answers = [stream(*EVENTS, DONE, pause=0.2)]
    client = await gateway.connect()
    client.send(post(STREAM))
    started = time.monotonic()
    await client.head()
    async for _ in client.chunks():
        break
    assert time.monotonic() - started < 0.15, "the first event waited for the second"
    client.close()


@pytest.mark.doors("native")
async def test_http_1_0_gets_the_stream_without_chunks(gateway: Running) -> None:
    gateway.provider.answers = [stream(*ALL)]
    client = await gateway.connect()
    client.send(post(STREAM).replace(b"HTTP/1.1", b"HTTP/1.0"))
    head, _, body = (await client.rest()).partition(b"\r\n\r\n")
    assert b"connection: close" in head
    assert b"chunked" not in head
    assert body == b"".join([*EVENTS, DONE])


async def test_an_answer_that_ends_with_the_connection_is_whole(gateway: Running) -> None:
    async def until_closed(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(
            http(b"").replace(b"content-length: 0\r\n", b"").replace(b"application/json", b"text/event-stream")
        )
        writer.write(b"".join(ALL))
        await writer.drain()
        writer.close()

    gateway.provider.answers = [until_closed]
    request = post(STREAM)
    answer = await gateway.ask(request)
    assert answer.body == b"".join([*EVENTS, DONE])


async def test_a_defect_of_ours_is_logged_and_not_laid_on_the_provider(
    gateway: Running, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(relay: streams.Relay, block: bytes) -> None:
        if b"lo!" in block:
            raise KeyError("a defect")
        sound(relay, block)

    sound = streams.Relay._send
    monkeypatch.setattr(streams.Relay, "_send", broken)
    gateway.provider.answers = [stream(*ALL, pause=0.02)]
    answer = await gateway.ask(post(STREAM))
    assert json.loads(answer.body.rpartition(b"data: ")[2])["error"]["message"] == "Internal error in the gateway."
    (record,) = await gateway.control.wait_for_records(1)
    assert (record.outcome, record.estimated) == ("cut", True)
    (logged,) = [one for one in caplog.records if one.name == "llm.gateway.provider_connection"]
    assert "KeyError: 'a defect'" in str(logged.exc_text)
