"""Images given by address: fetched for wires that take bytes, from public addresses only, bounded in every way."""

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from llm.core.errors import InvalidRequest
from llm.gateway import images
from llm.gateway.images import ImageFetcher, is_public
from llm.gateway.settings import Settings
from tests.gateway.client import post
from tests.gateway.conftest import Running
from tests.gateway.wires import ANTHROPIC, GOOGLE, OLLAMA, TRANSLATED, Wire, configuration

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 20
HOST = "pictures.test"
Handler = Callable[[bytes, asyncio.StreamWriter], Awaitable[None]]


def answer(body: bytes = PNG, status: str = "200 OK", kind: str = "image/png", extra: str = "") -> bytes:
    head = f"HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {len(body)}\r\n{extra}\r\n"
    return head.encode() + body


class Host:
    """A host of images on a real socket; `said` are the heads of the requests it got."""

    def __init__(self, *answers: bytes) -> None:
        self.answers = list(answers)
        self.said: list[bytes] = []
        self.port = 0
        self.resolved: list[str] = []
        self.addresses = {HOST: ["127.0.0.1"]}

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}/a.png?x=1"

    async def resolve(self, host: str, port: int) -> list[str]:
        self.resolved.append(host)
        return self.addresses.get(host) or await images.resolve(host, port)

    def fetcher(self, seconds: float = 10.0, **settings: Any) -> ImageFetcher:
        wanted = Settings(**{"remote_image_hosts": (HOST,), **settings})
        return ImageFetcher(wanted, ssl.create_default_context, self.resolve, seconds)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.said.append(await reader.readuntil(b"\r\n\r\n"))
        given = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        writer.write(given)
        if given:
            writer.close()


@asynccontextmanager
async def hosting(*answers: bytes) -> AsyncIterator[Host]:
    host = Host(*(answers or (answer(),)))
    server = await asyncio.start_server(host.serve, "127.0.0.1", 0)
    host.port = server.sockets[0].getsockname()[1]
    yield host
    server.close()


async def refused(fetcher: ImageFetcher, *urls: str) -> str:
    with pytest.raises(InvalidRequest) as caught:
        await fetcher.fetch(urls)
    assert (caught.value.status, caught.value.wire_code, caught.value.param) == (400, "invalid_image_url", "messages")
    return caught.value.message


async def test_an_image_is_fetched_from_the_address_that_was_checked() -> None:
    async with hosting() as host:
        found = await host.fetcher().fetch((host.url,))
    assert found == {host.url: ("image/png", base64.b64encode(PNG).decode())}
    assert host.resolved == [HOST], "asked once: a second answer of DNS could be another"
    assert host.said[0].startswith(b"GET /a.png?x=1 HTTP/1.1\r\n")
    assert f"host: {HOST}:{host.port}".encode() in host.said[0].lower()


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fe80::1",
        "fe80::1%eth0",
        "fc00::1",
        "ff02::1",
        "::ffff:8.8.8.8",
        "::ffff:127.0.0.1",
        "::127.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b:1::7f00:1",
        "2002:7f00:1::",
        "2001:0:7f00:1::",
        "not-an-address",
    ],
)
async def test_an_address_that_is_not_public_is_refused(address: str) -> None:
    assert not is_public(address)
    async with hosting() as host:
        host.addresses["evil.test"] = ["8.8.8.8", address]  # one of several is enough
        message = await refused(host.fetcher(), f"http://evil.test:{host.port}/a.png")
    assert "not at a public address" in message
    assert address not in message
    assert host.said == []


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "2606:4700:4700::1111"])
def test_public_addresses_are_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("host_name", ["127.0.0.1", "[::1]", "localhost", "2130706433", "0x7f.1", "[::ffff:127.0.0.1]"])
async def test_the_machine_itself_is_refused_however_it_is_written(host_name: str) -> None:
    async with hosting() as host:
        await refused(host.fetcher(), f"http://{host_name}:{host.port}/a.png")
    assert host.said == []


@pytest.mark.parametrize(
    "url",
    [
        "ftp://pictures.test/a",
        "file:///etc/passwd",
        "http://",
        "http://u:p@pictures.test/",
        "http://[::1",
        "http://x:99999/",
    ],
)
async def test_odd_urls_are_refused(url: str) -> None:
    async with hosting() as host:
        await refused(host.fetcher(), url)


async def test_a_redirect_is_checked_anew() -> None:
    async with hosting(b"") as host:
        moved = f"location: http://evil.test:{host.port}/b.png\r\n"
        host.answers = [answer(b"", "302 Found", extra=moved), answer()]
        host.addresses["evil.test"] = ["127.0.0.1"]
        assert "not at a public address" in await refused(host.fetcher(), host.url)
    assert len(host.said) == 1


async def test_a_redirect_is_followed_but_not_for_ever() -> None:
    moved = answer(b"", "302 Found", extra="location: /b.png\r\n")
    async with hosting(moved, answer()) as host:
        assert (await host.fetcher().fetch((host.url,)))[host.url][0] == "image/png"
    async with hosting(moved) as host:
        assert "redirects more than" in await refused(host.fetcher(), host.url)
    assert len(host.said) == images.MAX_REDIRECTS + 1


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (answer(b"<html>", kind="text/html"), "none of"),
        (answer(b"<svg>", kind="image/svg+xml"), "none of"),
        (answer(b"<html>"), "no image/png"),
        (answer(b"", "404 Not Found"), "answered 404"),
        (answer(PNG + b"x" * 300), "larger than 200 bytes"),
        (b"HTTP/1.1 200 OK\r\ncontent-type: image/png\r\n\r\n" + PNG + b"x" * 300, "larger than 200 bytes"),
        (b"HTTP/1.1 200 OK\r\ncontent-type: image/png\r\ncontent-length: 99\r\n\r\n" + PNG, "broke off"),
        (b"nonsense\r\n\r\n", "broke off"),
    ],
)
async def test_what_is_no_image_or_too_large_is_refused(
    given: bytes, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(images, "MAX_BYTES", 200)
    async with hosting(given) as host:
        assert words in await refused(host.fetcher(), host.url)


async def test_a_silent_host_is_given_up() -> None:
    async with hosting(b"") as host:
        assert "longer than 0.2 seconds" in await refused(host.fetcher(0.2), host.url)


async def test_too_many_and_switched_off() -> None:
    async with hosting() as host:
        urls = [f"{host.url}&n={number}" for number in range(images.MAX_IMAGES + 1)]
        assert "at most" in await refused(host.fetcher(), *urls)
        assert "REMOTE_IMAGES" in await refused(host.fetcher(remote_images=False), host.url)
    assert host.said == []


def asking(wire: Wire, url: str) -> dict[str, Any]:
    parts = [{"type": "text", "text": "What is it?"}, {"type": "image_url", "image_url": {"url": url}}]
    return {"model": f"m-{wire.name}", "messages": [{"role": "user", "content": parts}]}


@pytest.mark.parametrize("wire", TRANSLATED, ids=lambda wire: wire.name)
async def test_each_wire_gets_an_image_as_it_takes_it(gateway: Running, wire: Wire) -> None:
    await gateway.configure(configuration(gateway.provider.url.removesuffix("/v1"), TRANSLATED))
    gateway.provider.answers = [wire.says()]
    packed = base64.b64encode(PNG).decode()
    async with hosting() as host:
        gateway.worker.gateway.images = host.fetcher()
        reply = await gateway.ask(post(asking(wire, host.url)))
    assert reply.status == 200, reply.body
    sent = gateway.provider.requests[0].json
    if wire is ANTHROPIC:  # it fetches images itself
        assert sent["messages"][0]["content"][1]["source"] == {"type": "url", "url": host.url}
        assert host.said == []
    elif wire is GOOGLE:
        assert sent["contents"][0]["parts"][1] == {"inlineData": {"mimeType": "image/png", "data": packed}}
    elif wire is OLLAMA:
        assert sent["messages"][0]["images"] == [packed]
    else:  # OpenAI fetches them itself, too
        assert sent["input"][0]["content"][1] == {"type": "input_image", "image_url": host.url}


async def test_a_refused_image_is_the_clients_400(gateway: Running) -> None:
    await gateway.configure(configuration(gateway.provider.url.removesuffix("/v1"), TRANSLATED))
    reply = await gateway.ask(post(asking(OLLAMA, gateway.provider.url)))
    assert (reply.status, reply.error["code"]) == (400, "invalid_image_url")
    assert gateway.provider.requests == []
    assert msgspec.json.decode(reply.body)["error"]["param"] == "messages"


async def test_a_refusal_after_images_were_fetched_names_the_clients_own_message(gateway: Running) -> None:
    await gateway.configure(configuration(gateway.provider.url.removesuffix("/v1"), TRANSLATED))
    async with hosting() as host:
        gateway.worker.gateway.images = host.fetcher()
        image = {"type": "image", "source": {"type": "url", "url": host.url}}
        call = {"type": "tool_use", "id": "t1", "name": "look", "input": ["no", "object"]}
        asked = [{"role": "user", "content": [image]}, {"role": "assistant", "content": [call]}]
        body = {"model": "m-ollama", "max_tokens": 5, "system": "Be brief.", "messages": asked}
        reply = await gateway.ask(post(body, "/v1/messages"))
    assert reply.status == 400
    assert "`messages[1].content`" in reply.json["error"]["message"]
