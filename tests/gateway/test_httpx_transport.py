"""The other way to providers: forward proxies and HTTP/2. To a caller it looks like the direct way."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from llm.core.errors import ProviderBroken, ProviderTimeout, ProviderUnreachable
from llm.gateway.httpx_transport import HttpxPool
from llm.gateway.origin import Origin
from llm.gateway.provider_connection import Cancelled, Reply
from llm.gateway.proxies import Proxies, read_proxies
from llm.gateway.steps import conduct
from llm.gateway.upstream import Upstream
from tests.gateway.certificates import certificate, server_context
from tests.gateway.conftest import until
from tests.gateway.forward_proxy import ForwardProxy
from tests.gateway.http2_provider import Http2Provider
from tests.gateway.provider import Provider, Request, whole

HEAD = b"POST /v1/x HTTP/1.1\r\nhost: provider.test\r\nauthorization: Bearer k\r\ncontent-length: 2\r\n\r\n"
NAME = "provider.test"


@asynccontextmanager
async def upstream(
    ca_file: Path | None = None, *, proxy: str = "", http2: tuple[str, ...] = ()
) -> AsyncIterator[Upstream]:
    made = Upstream(ca_file=ca_file, proxies=Proxies(proxy, proxy), http2=http2)
    yield made
    made.close()
    await asyncio.sleep(0.01)


def begin(calls: Upstream, origin: Origin, *, streamed: bool = False) -> Reply:
    reply = Reply(streamed, 10_000_000 if streamed else 100_000)
    reply.deadline = calls.loop.time() + 10
    calls.begin(reply, origin, HEAD, b"hi")
    return reply


async def finished(reply: Reply) -> Reply:
    await until(lambda: reply.complete or reply.error is not None)
    return reply


def port(provider: Provider) -> int:
    return int(provider.url.rpartition(":")[2].removesuffix("/v1"))


async def test_a_plain_call_goes_through_the_proxy() -> None:
    async with Provider(whole(b"ok")) as provider, ForwardProxy() as proxy, upstream(proxy=proxy.url) as calls:
        reply = await finished(begin(calls, Origin(NAME, port(provider), False)))
        assert (reply.error, reply.status, reply.body, reply.sent) == (None, 200, b"ok", True)
        assert proxy.asked == [f"POST http://{NAME}:{port(provider)}/v1/x"]
        assert b"roxy-" in proxy.heads[0] and b"Basic dXNlcjpwYXNz" in proxy.heads[0]
        (request,) = provider.requests
        assert (request.headers["host"], request.headers["authorization"], request.body) == (NAME, "Bearer k", b"hi")


async def test_a_tls_call_goes_through_a_tunnel_and_the_providers_name_is_verified(tmp_path: Path) -> None:
    file, secret = certificate(tmp_path, NAME)
    async with (
        Provider(whole(b"ok"), tls=server_context(file, secret)) as provider,
        ForwardProxy() as proxy,
        upstream(file, proxy=proxy.url) as calls,
    ):
        reply = await finished(begin(calls, Origin(NAME, port(provider), True)))
        assert (reply.error, reply.body) == (None, b"ok")
        assert proxy.asked == [f"CONNECT {NAME}:{port(provider)}"]
        other = await finished(begin(calls, Origin("other.test", port(provider), True)))
        assert isinstance(other.error, ProviderUnreachable)
        assert "certificate" in other.error.message
        assert len(provider.requests) == 1, "no key was shown to a stranger"


async def test_a_proxy_that_refuses_is_an_unreachable_provider() -> None:
    async with (
        ForwardProxy(b"HTTP/1.1 407 No\r\ncontent-length: 0\r\n\r\n") as proxy,
        upstream(proxy=proxy.url) as calls,
    ):
        reply = await finished(begin(calls, Origin(NAME, 443, True)))
        assert isinstance(reply.error, ProviderUnreachable)
        assert not reply.sent
        assert "pass" not in reply.error.message


async def test_a_provider_that_breaks_off_behind_a_proxy_is_asked_once() -> None:
    async def close(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()

    async with Provider(close) as provider, ForwardProxy() as proxy, upstream(proxy=proxy.url) as calls:
        reply = await finished(begin(calls, Origin(NAME, port(provider), False)))
        assert isinstance(reply.error, ProviderBroken)
        assert (reply.sent, len(provider.requests)) == (True, 1)


@asynccontextmanager
async def http2(
    tmp_path: Path, parts: list[bytes], content_type: bytes = b"application/json"
) -> AsyncIterator[tuple[Http2Provider, Upstream, Origin]]:
    file, secret = certificate(tmp_path, "127.0.0.1")
    async with (
        Http2Provider(server_context(file, secret, "h2"), parts, content_type) as provider,
        upstream(file, http2=("127.0.0.1",)) as calls,
    ):
        yield provider, calls, Origin("127.0.0.1", provider.port, True)


async def test_connections_over_http2_are_reused(tmp_path: Path) -> None:
    async with http2(tmp_path, [b"he", b"llo"]) as (provider, calls, origin):
        replies = [await finished(begin(calls, origin)) for _ in range(5)]
        assert [(one.error, one.status, one.body) for one in replies] == [(None, 200, b"hello")] * 5
        assert provider.connections == 1
        fields, body = provider.requests[0]
        assert (fields[b":path"], fields[b":authority"], body) == (b"/v1/x", b"provider.test", b"hi")
        assert b"host" not in fields


async def test_a_paused_stream_over_http2_stops_the_provider(tmp_path: Path) -> None:
    async with http2(tmp_path, [b"x" * 16_384] * 2_000, b"text/event-stream") as (provider, calls, origin):
        reply = begin(calls, origin, streamed=True)
        await until(lambda: reply.status)
        taken: list[int] = []
        reply.pause()
        conduct(_relay(reply, taken))
        before = -1
        while provider.sent != before:
            before = provider.sent
            await asyncio.sleep(0.1)
        assert provider.sent < 2_000 * 16_384
        reply.resume()
        await until(lambda: sum(taken) == 2_000 * 16_384, seconds=20)


async def _relay(reply: Reply, taken: list[int]) -> None:
    await reply.relay(lambda part: taken.append(len(part)))


async def test_giving_up_over_http2_reaches_the_provider_and_disturbs_no_other_call(tmp_path: Path) -> None:
    async with http2(tmp_path, [b"ok"]) as (provider, calls, origin):
        provider.hanging = True
        reply = begin(calls, origin)
        await until(lambda: provider.requests)
        provider.hanging = False
        other = begin(calls, origin)
        reply.cancel()
        assert isinstance(reply.error, Cancelled)
        await until(lambda: provider.closed == 1)
        assert (await finished(other)).body == b"ok"
        assert (await finished(begin(calls, origin))).body == b"ok"
        assert not calls.connections


async def test_time_outs_and_large_answers_end_a_call_over_http2(tmp_path: Path) -> None:
    async with http2(tmp_path, [b"x" * 16_000] * 20) as (provider, calls, origin):
        large = await finished(begin(calls, origin))
        assert isinstance(large.error, ProviderBroken)
        assert "larger than" in large.error.message
        provider.hanging = True
        slow = begin(calls, origin)
        slow.deadline = calls.loop.time() + 0.2
        assert isinstance((await finished(slow)).error, ProviderTimeout)


async def test_that_a_request_leaves_is_told_once_before_it_has_arrived() -> None:
    async with Provider(whole(b"ok")) as provider, ForwardProxy() as proxy, upstream(proxy=proxy.url) as calls:
        reply = Reply(False, 100_000)
        told: list[int] = []
        reply.on_sent = lambda: told.append(len(provider.requests))
        calls.begin(reply, Origin(NAME, port(provider), False), HEAD, b"hi")
        await finished(reply)
        assert (reply.error, told) == (None, [0])


async def test_a_direct_origin_needs_no_httpx() -> None:
    async with Provider(whole(b"ok")) as provider, upstream() as calls:
        await finished(begin(calls, Origin("127.0.0.1", port(provider), False)))
        assert not any(isinstance(pool, HttpxPool) for pool in calls._pools.values())


@pytest.mark.parametrize(
    ("host", "port", "tls", "proxy"),
    [
        ("api.example", 443, True, "http://s:1"),
        ("api.example", 80, False, "http://p:1"),
        ("inner.example", 443, True, ""),
        ("a.inner.example", 443, True, ""),
        ("notinner.example", 443, True, "http://s:1"),
        ("10.1.2.3", 80, False, ""),
        ("11.1.2.3", 80, False, "http://p:1"),
        ("ported.example", 8080, False, ""),
        ("ported.example", 8081, False, "http://p:1"),
        ("localhost", 80, False, ""),
        ("127.0.0.1", 80, False, ""),
        ("::1", 80, False, ""),
    ],
)
def test_the_environment_says_which_way(host: str, port: int, tls: bool, proxy: str) -> None:
    exempt = "inner.example, 10.0.0.0/8, .ported.example:8080"
    proxies = read_proxies(
        {"HTTP_PROXY": "http://x:9", "http_proxy": "p:1", "ALL_PROXY": "http://s:1", "NO_PROXY": exempt}
    )
    assert proxies.towards(host, port, tls) == proxy.replace("p:1", "p:1")


def test_an_impossible_proxy_is_refused_without_showing_its_password() -> None:
    with pytest.raises(ValueError, match=r"^HTTPS_PROXY must be") as refused:
        read_proxies({"HTTPS_PROXY": "socks5://user:secret@host:1080"})
    assert "secret" not in str(refused.value)
    assert "secret" not in repr(read_proxies({"ALL_PROXY": "http://user:secret@host"}))


async def test_a_call_is_registered_before_it_leaves_and_not_at_all_where_nothing_does() -> None:
    told: list[int] = []

    async def call(calls: Upstream, provider: Provider) -> Reply:
        reply = Reply(False, 100_000)
        reply.deadline = calls.loop.time() + 10
        reply.on_sent = lambda: told.append(len(provider.requests))
        calls.begin(reply, Origin(NAME, port(provider), False), HEAD, b"hi")
        return await finished(reply)

    async with Provider(whole(b"ok")) as provider:
        async with ForwardProxy() as proxy, upstream(proxy=proxy.url) as calls:
            assert (await call(calls, provider)).status == 200
        assert told == [0], "once, before the provider had it"
        async with upstream(proxy="http://127.0.0.1:9") as calls:
            reply = await call(calls, provider)
        assert isinstance(reply.error, ProviderUnreachable)
        assert (told, reply.sent) == ([0], False)
