"""Hostile providers: whatever they send, one client gets one reading of it, and never what was meant for another."""

import asyncio

import msgspec
import pytest

from tests.gateway.client import post
from tests.gateway.conftest import Running
from tests.gateway.provider import REPLY, Request, http, whole

BODY = msgspec.json.encode(REPLY)
GOOD = http(BODY)
POISON = http(b'{"id":"poison","choices":[]}')
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
LENGTH = b"content-length: %d\r\n" % len(BODY)
CHUNKED = b"transfer-encoding: chunked\r\n"
CHUNKS = b"%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY)

HOSTILE: dict[str, tuple[bytes, int]] = {
    "two answers": (GOOD + POISON, 200),
    "an answer and garbage": (GOOD + b"\x00\xff garbage", 200),
    "a longer body than said": (HEAD + LENGTH + b"\r\n" + BODY + b"}}}", 200),
    "a shorter body than said": (HEAD + b"content-length: %d\r\n\r\n" % (len(BODY) + 1) + BODY, 502),
    "both lengths": (HEAD + LENGTH + CHUNKED + b"\r\n" + CHUNKS, 502),
    "both lengths, other order": (HEAD + CHUNKED + LENGTH + b"\r\n" + CHUNKS, 502),
    "two lengths": (HEAD + LENGTH + b"content-length: 1\r\n\r\n" + BODY, 502),
    "a list of lengths": (HEAD + b"content-length: 5, 5\r\n\r\nhello", 502),
    "a signed length": (HEAD + b"content-length: +5\r\n\r\nhello", 502),
    "a negative length": (HEAD + b"content-length: -5\r\n\r\nhello", 502),
    "an endless length": (HEAD + b"content-length: 99999999999999999999999\r\n\r\nhello", 502),
    "a hex chunk size": (HEAD + CHUNKED + b"\r\n0x5\r\nhello\r\n0\r\n\r\n", 502),
    "a negative chunk size": (HEAD + CHUNKED + b"\r\n-5\r\nhello\r\n0\r\n\r\n", 502),
    "an endless chunk size": (HEAD + CHUNKED + b"\r\nfffffffffffffffffffff\r\nhello", 502),
    "a chunk longer than said": (HEAD + CHUNKED + b"\r\n3\r\nhello\r\n0\r\n\r\n", 502),
    "chunks with bare line feeds": (HEAD + CHUNKED + b"\r\n5\nhello\n0\n\n", 502),
    "chunks without an end": (HEAD + CHUNKED + b"\r\n%x\r\n%b\r\n" % (len(BODY), BODY), 502),
    "trailers": (HEAD + CHUNKED + b"\r\n" + CHUNKS[:-2] + b"x: y\r\n\r\n", 200),
    "a length among the trailers": (HEAD + CHUNKED + b"\r\n" + CHUNKS[:-2] + b"content-length: 3\r\n\r\n", 502),
    "a coding after chunked": (HEAD + b"transfer-encoding: chunked, identity\r\n\r\n" + BODY, 502),
    "an obscured coding": (HEAD + b"transfer-encoding: xchunked\r\n\r\n" + CHUNKS, 502),
    "a space before the colon": (HEAD + b"transfer-encoding : chunked\r\n\r\n" + CHUNKS, 502),
    "a folded header": (HEAD + b"x: a\r\n b\r\n" + LENGTH + b"\r\n" + BODY, 502),
    "a bare line feed": (b"HTTP/1.1 200 OK\ncontent-length: 2\n\n{}", 502),
    "a bare carriage return": (HEAD + b"x: a\rcontent-length: 1\r\n" + LENGTH + b"\r\n" + BODY, 502),
    "a NUL": (HEAD + b"x: a\x00b\r\n" + LENGTH + b"\r\n" + BODY, 502),
    "HTTP/0.9": (BODY, 502),
    "HTTP/2": (b"\x00\x00\x12\x04\x00\x00\x00\x00\x00", 502),
    "version 3.7": (b"HTTP/3.7 200 OK\r\ncontent-length: 2\r\n\r\n{}", 502),
    "a status of four digits": (b"HTTP/1.1 2000 OK\r\ncontent-length: 2\r\n\r\n{}", 502),
    "no status": (b"HTTP/1.1 OK\r\ncontent-length: 2\r\n\r\n{}", 502),
    "a switch of protocols": (b"HTTP/1.1 101 Switching\r\nupgrade: h2c\r\nconnection: upgrade\r\n\r\n" + GOOD, 502),
    "an endless head": (HEAD + b"x: " + b"a" * 400_000, 502),
    "many headers": (HEAD + b"x: y\r\n" * 60_000, 502),
    "a flood of interim answers": (b"HTTP/1.1 103 Early\r\nlink: x\r\n\r\n" * 20_000 + GOOD, 502),
    "interim answers, then cut": (b"HTTP/1.1 100 Continue\r\n\r\n" * 3, 502),
    "an answer split by a header": (HEAD + b"x: a\r\ncontent-length: 0\r\n\r\n" + GOOD, 502),
    "no body where one is due": (b"HTTP/1.1 204 No\r\n\r\n" + GOOD, 502),
    "not modified": (b"HTTP/1.1 304 Not\r\n" + LENGTH + b"\r\n" + BODY, 502),
}


@pytest.mark.parametrize("cut", [None, 1], ids=["at once", "byte by byte"])
@pytest.mark.parametrize("name", HOSTILE)
async def test_an_answer_is_read_once_or_refused(gateway: Running, name: str, cut: int | None) -> None:
    data, status = HOSTILE[name]
    size = len(data) if cut is None else max(1, len(data) // 400)

    async def send(request: Request, writer: asyncio.StreamWriter) -> None:
        for start in range(0, len(data), size):
            writer.write(data[start : start + size])
            await writer.drain()
            if cut:
                await asyncio.sleep(0)
        writer.close()

    gateway.provider.answers = [whole(), send, whole()]
    assert (await gateway.ask(post())).json == REPLY
    answer = await gateway.ask(post())
    assert answer.status == status, answer.body[:300]
    if status == 200:
        assert answer.json == REPLY
    assert (await gateway.ask(post())).json == REPLY, "the next client gets its own answer"
    assert len(gateway.provider.requests) == 3, "and nothing was asked twice"
    assert b"poison" not in answer.body


async def test_an_answer_before_its_request_belongs_to_nobody(gateway: Running) -> None:
    """A second answer waits on the connection when the next client's call begins."""

    async def twice(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(GOOD)
        await writer.drain()
        await asyncio.sleep(0.02)
        writer.write(POISON)

    gateway.provider.answers = [twice, whole()]
    assert (await gateway.ask(post())).json == REPLY
    await asyncio.sleep(0.05)
    assert (await gateway.ask(post())).json == REPLY
    assert gateway.provider.connections == 2
