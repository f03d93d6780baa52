"""What the benchmarks rest on: replies really checked, reports rightly read, and a README that says what the results do."""

import asyncio

import pytest

from benchmarks import payloads, report
from benchmarks.payloads import WrongReply
from benchmarks.steady_load import percentile, steady
from benchmarks.stream_client import Client, examine
from benchmarks.stream_mock import AFTER, BEFORE
from benchmarks.wrk import read_wrk

WRK = """Running 1m test @ http://127.0.0.1:3112/v1/chat/completions
  1 threads and 1000 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency    61.73ms   12.10ms   1.20s    90.12%
  Latency Distribution
     50%  950.00us
     75%   62.00ms
     90%   70.00ms
     99%    1.16s
  120000 requests in 2.00m, 84.51MB read
  Socket errors: connect 1, read 2, write 3, timeout 4
  Non-2xx or 3xx responses: 5
"""


def test_the_readme_shows_the_newest_results() -> None:
    assert report.table() in report.README.read_text(), "run python -m benchmarks.report"


def test_wrk_s_report_is_read_with_its_units_and_errors() -> None:
    found = read_wrk(WRK)
    assert (found.requests, found.seconds, round(found.p50, 3), found.p99, found.errors) == (
        120_000,
        120.0,
        0.95,
        1160.0,
        15,
    )
    assert round(found.reply_bytes) == round(84.51 * 1024**2 / 120_000)


def test_a_stream_with_an_event_missing_or_moved_is_wrong() -> None:
    whole = payloads.stream_body(5)
    payloads.check_stream(whole, events=5)
    first, second = payloads.event("0 "), payloads.event("1 ")
    for bad in (whole.replace(second, b""), whole.replace(first + second, second + first), whole[:-6]):
        with pytest.raises(WrongReply):
            payloads.check_stream(bad, events=5)
    with pytest.raises(WrongReply):
        payloads.check_stream(whole.replace(second, b""), exact=False, events=5)


def test_a_wrong_completion_is_refused() -> None:
    payloads.check_reply(payloads.BODY)
    with pytest.raises(WrongReply):
        payloads.check_reply(payloads.BODY.replace(b"help you", b"harm you"), exact=False)


async def test_events_are_numbered_and_timed_however_they_arrive() -> None:
    blocks = [b"%b%d %d %b" % (BEFORE, number, 1_000_000 * number, AFTER) for number in range(3)]
    good = _client(*blocks, payloads.stream_end())
    found = examine([good], 3)
    assert found["wrong"] == []
    assert found["events"] == 3
    assert found["delay_ms"]["max"] == 10.0
    assert examine([_client(blocks[0], blocks[2], payloads.stream_end())], 3)["wrong"] == ["2 events, not 3 in order"]
    assert examine([_client(*blocks)], 3)["wrong"]


def _client(*blocks: bytes) -> Client:
    body = b"".join(b"%x\r\n%b\r\n" % (len(block), block) for block in blocks) + b"0\r\n\r\n"
    whole = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + body
    client = Client(b"")
    client.pieces = [(10_000_000, whole[:300]), (10_000_000, whole[300:])]
    return client


async def test_the_open_loop_charges_a_stall_to_every_request_it_held_up() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        while await reader.readuntil(b"\r\n\r\n"):
            await reader.readexactly(len(b'{"a": 1}'))
            asked += 1
            if asked == 1:
                await asyncio.sleep(0.2)
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")

    asked = 0
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    load = asyncio.to_thread(steady, port, {"a": 1}, b"ok", rate=100, seconds=0.1, connections=1)
    result = await load
    server.close()
    assert len(result.latencies) == 10
    assert percentile(result.latencies, 0.5) > 100  # all ten were due within the stall
