"""The calling side: reuse of connections, stale ones, TLS, and nothing sent twice that may have been taken up."""

import asyncio
from pathlib import Path

import msgspec
import pytest

from llm.gateway import upstream as upstream_module
from tests.gateway.certificates import certificate, server_context
from tests.gateway.client import CHAT, post
from tests.gateway.conftest import Running, until
from tests.gateway.control import snapshot
from tests.gateway.provider import REPLY, Provider, Request, http, whole

BODY = http(msgspec.json.encode(REPLY))


async def test_connections_are_reused(gateway: Running) -> None:
    for _ in range(5):
        assert (await gateway.ask(post())).status == 200
    assert (gateway.provider.connections, len(gateway.provider.requests)) == (1, 5)


async def test_a_connection_the_provider_wants_closed_is_not_reused(gateway: Running) -> None:
    gateway.provider.answers = [whole(extra="connection: close\r\n")]
    for _ in range(3):
        assert (await gateway.ask(post())).status == 200
    assert gateway.provider.connections == 3


async def test_a_connection_closed_while_idle_is_replaced_unseen(gateway: Running) -> None:
    await gateway.ask(post())
    gateway.provider.drop_connections()
    await asyncio.sleep(0.05)
    assert (await gateway.ask(post())).status == 200
    assert len(gateway.provider.requests) == 2


async def test_a_request_that_may_have_been_taken_up_is_not_sent_again(gateway: Running) -> None:
    """More on this in test_stale_connections.py."""

    async def close(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()

    gateway.provider.answers = [whole(), close, whole()]
    await gateway.ask(post())
    answer = await gateway.ask(post())
    assert (answer.status, answer.error["code"]) == (502, "provider_broken")
    assert "not known" in answer.error["message"]
    assert len(gateway.provider.requests) == 2


async def test_a_fresh_connection_that_breaks_is_not_tried_again(gateway: Running) -> None:
    async def close(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()

    gateway.provider.answers = [close]
    assert (await gateway.ask(post())).status == 502
    assert len(gateway.provider.requests) == 1


async def test_nothing_is_sent_twice_once_an_answer_has_begun(gateway: Running) -> None:
    async def begin_and_break(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(BODY[:20])
        await writer.drain()
        writer.close()

    gateway.provider.answers = [whole(), begin_and_break]
    await gateway.ask(post())
    assert (await gateway.ask(post())).status == 502
    assert len(gateway.provider.requests) == 2


async def test_bytes_after_an_answer_never_become_the_next_one(gateway: Running) -> None:
    async def two_answers(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(BODY + http(b'{"choices":[],"id":"poisoned"}'))

    gateway.provider.answers = [two_answers, whole()]
    assert (await gateway.ask(post())).json == REPLY
    assert (await gateway.ask(post())).json == REPLY
    assert gateway.provider.connections == 2


async def test_interim_answers_are_passed_over(gateway: Running) -> None:
    async def hints(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" + BODY)

    gateway.provider.answers = [hints]
    answers = [await gateway.ask(post()) for _ in range(2)]
    assert [answer.json for answer in answers] == [REPLY, REPLY]


@pytest.mark.parametrize("size", [1, 7, 100])
async def test_answers_in_pieces_and_chunks_are_read_whole(gateway: Running, size: int) -> None:
    body = msgspec.json.encode(REPLY)
    data = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    data += b"".join(b"%x\r\n%b\r\n" % (len(body[i : i + 9]), body[i : i + 9]) for i in range(0, len(body), 9))
    data += b"0\r\n\r\n"

    async def pieces(request: Request, writer: asyncio.StreamWriter) -> None:
        for start in range(0, len(data), size):
            writer.write(data[start : start + size])
            await writer.drain()

    gateway.provider.answers = [pieces]
    for _ in range(2):
        assert (await gateway.ask(post())).body == body
    assert gateway.provider.connections == 1


async def test_a_large_request_and_a_large_answer_pass(gateway: Running) -> None:
    reply = {**REPLY, "padding": "y" * 5_000_000}
    gateway.provider.answers = [whole(reply)]
    messages = [{"role": "user", "content": "x" * 5_000_000}]
    answer = await gateway.ask(post({**CHAT, "messages": messages}))
    assert answer.json == reply
    assert gateway.provider.requests[0].json["messages"] == messages


async def test_idle_connections_are_closed_and_old_ones_not_kept(
    gateway: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upstream_module, "IDLE_SECONDS", 0.2)
    await gateway.ask(post())
    await until(lambda: not gateway.provider.open)
    monkeypatch.setattr(upstream_module, "IDLE_SECONDS", 60)
    monkeypatch.setattr(upstream_module, "MAX_AGE_SECONDS", 0.2)
    await gateway.ask(post())
    await until(lambda: not gateway.provider.open)
    assert gateway.provider.connections == 2


async def test_connections_to_one_provider_are_bounded_and_calls_wait_their_turn(gateway: Running) -> None:
    upstream = gateway.worker.gateway.upstream
    upstream.bounds = msgspec.structs.replace(upstream.bounds, open_limit=2)

    async def slowly(request: Request, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.03)
        writer.write(BODY)

    gateway.provider.answers = [slowly]
    answers = await asyncio.gather(*(gateway.ask(post()) for _ in range(10)))
    assert [answer.status for answer in answers] == [200] * 10
    assert gateway.provider.connections == 2


async def test_waiting_calls_are_bounded_too(gateway: Running) -> None:
    upstream = gateway.worker.gateway.upstream
    upstream.bounds = msgspec.structs.replace(upstream.bounds, open_limit=1, wait_limit=1)

    async def slowly(request: Request, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.2)
        writer.write(BODY)

    gateway.provider.answers = [slowly]
    answers = await asyncio.gather(*(gateway.ask(post()) for _ in range(4)))
    assert sorted(answer.status for answer in answers) == [200, 200, 503, 503]


@pytest.mark.parametrize(
    ("name", "trusted", "status"), [("127.0.0.1", True, 200), ("127.0.0.1", False, 502), ("other.example", True, 502)]
)
async def test_tls_is_verified(gateway: Running, tmp_path: Path, name: str, trusted: bool, status: int) -> None:
    file, secret = certificate(tmp_path, name)
    served = server_context(file, secret)
    if trusted:
        gateway.worker.gateway.upstream.tls().load_verify_locations(file)
    async with Provider(tls=served) as provider:
        await gateway.configure(snapshot(provider.url, 2))
        answers = [await gateway.ask(post()) for _ in range(2)]
    assert [answer.status for answer in answers] == [status, status]
    if status == 502:
        assert answers[0].error["code"] == "provider_unreachable"
        assert "certificate" in answers[0].error["message"].lower()
        assert "PROVIDER_CA_FILE" in answers[0].error["message"]
        assert provider.requests == [], "no key was shown to a stranger"
        assert answers[0].headers["x-circuit-breaker-attempts"] == "1"


async def test_connections_beyond_the_limit_serve_the_next_burst_and_then_close(
    gateway: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    upstream = gateway.worker.gateway.upstream
    upstream.bounds = msgspec.structs.replace(upstream.bounds, idle_limit=2)
    monkeypatch.setattr(upstream_module, "SURPLUS_SECONDS", 60)
    asked, everybody = 0, asyncio.Event()

    async def together(request: Request, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        asked += 1
        if asked % 10 == 0:
            everybody.set()
        await everybody.wait()
        writer.write(BODY)

    gateway.provider.answers = [together]
    for _ in range(2):
        everybody.clear()
        await asyncio.gather(*(gateway.ask(post()) for _ in range(10)))
    assert gateway.provider.connections == 10
    monkeypatch.setattr(upstream_module, "SURPLUS_SECONDS", 0.1)
    await until(lambda: len(gateway.provider.open) == 2)
