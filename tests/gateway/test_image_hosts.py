"""Hosts of images that lead elsewhere, lie, dawdle or never end: HTTPS, rebinding names, redirects, size and time.

127.0.0.2 counts as a public address here, 127.0.0.1 as what it is, and names are resolved by the test: so both sides of
a rebinding are real sockets. Next to `test_images.py`, which has the addresses themselves.
"""

import asyncio
import base64
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from llm.core.errors import InvalidRequest
from llm.gateway import images
from llm.gateway.images import ImageFetcher
from llm.gateway.settings import Settings
from tests.gateway.certificates import certificate, server_context
from tests.gateway.client import post
from tests.gateway.conftest import Running
from tests.gateway.test_images import PNG, answer
from tests.gateway.wires import GOOGLE, OLLAMA, TRANSLATED, Wire, configuration

PUBLIC, PRIVATE = "127.0.0.2", "127.0.0.1"
NAME = "pictures.test"
Serve = Callable[[asyncio.StreamWriter], Awaitable[None]]


@pytest.fixture(autouse=True)
def one_more_public_address(monkeypatch: pytest.MonkeyPatch) -> None:
    is_public = images.is_public
    monkeypatch.setattr(images, "is_public", lambda address: address == PUBLIC or is_public(address))


class Names:
    """A resolver whose answers change: one after the other, the last for ever."""

    def __init__(self, **answers: list[str]) -> None:
        self.answers = {f"{name}.test": list(given) for name, given in answers.items()}
        self.asked: list[str] = []

    async def resolve(self, host: str, port: int) -> list[str]:
        self.asked.append(host)
        given = self.answers.get(host)
        if given is None:
            return await images.resolve(host, port)
        return [given.pop(0) if len(given) > 1 else given[0]]

    def fetcher(self, seconds: float = 5.0, tls: Callable[[], ssl.SSLContext] | None = None) -> ImageFetcher:
        return ImageFetcher(Settings(), tls or ssl.create_default_context, self.resolve, seconds)


class Host:
    """One port at both addresses; `came` says at which of them each request arrived."""

    def __init__(self, serve: Serve) -> None:
        self.serve = serve
        self.came: list[str] = []
        self.paths: list[bytes] = []
        self.port = 0

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.came.append(writer.get_extra_info("sockname")[0])
        self.paths.append((await reader.readuntil(b"\r\n\r\n")).split(b" ")[1])
        try:
            await self.serve(writer)
        except (ConnectionError, asyncio.CancelledError):
            pass  # the fetcher has left, as some tests want
        finally:
            writer.close()


@asynccontextmanager
async def hosting(serve: Serve, tls: ssl.SSLContext | None = None) -> AsyncIterator[Host]:
    host = Host(serve)
    first = await asyncio.start_server(host.handle, PUBLIC, 0, ssl=tls)
    host.port = first.sockets[0].getsockname()[1]
    second = await asyncio.start_server(host.handle, PRIVATE, host.port, ssl=tls)
    yield host
    first.close()
    second.close()


def saying(*answers: bytes) -> Serve:
    left = list(answers)

    async def serve(writer: asyncio.StreamWriter) -> None:
        writer.write(left.pop(0) if len(left) > 1 else left[0])
        await writer.drain()

    return serve


async def refused(fetcher: ImageFetcher, url: str) -> str:
    with pytest.raises(InvalidRequest) as caught:
        await fetcher.fetch((url,))
    assert (caught.value.status, caught.value.wire_code) == (400, "invalid_image_url")
    return caught.value.message


# HTTPS


async def test_an_image_comes_over_https_from_the_host_that_was_named(tmp_path: Path) -> None:
    file, secret = certificate(tmp_path, NAME)
    context, names = server_context(file, secret), Names(pictures=[PUBLIC])
    told: list[str | None] = []
    context.sni_callback = lambda _, name, __: told.append(name)
    async with hosting(saying(answer()), context) as host:
        url = f"https://{NAME}:{host.port}/a.png"
        found = await names.fetcher(tls=lambda: ssl.create_default_context(cafile=str(file))).fetch((url,))
    assert found == {url: ("image/png", base64.b64encode(PNG).decode())}
    assert (host.came, told) == ([PUBLIC], [NAME])


@pytest.mark.parametrize(("for_name", "trusted"), [("other.test", True), (NAME, False)])
async def test_a_certificate_of_another_or_of_nobody_is_refused(tmp_path: Path, for_name: str, trusted: bool) -> None:
    file, secret = certificate(tmp_path, for_name)
    tls = (lambda: ssl.create_default_context(cafile=str(file))) if trusted else ssl.create_default_context
    async with hosting(saying(answer()), server_context(file, secret)) as host:
        words = await refused(Names(pictures=[PUBLIC]).fetcher(tls=tls), f"https://{NAME}:{host.port}/a.png")
    assert "cannot be reached" in words
    assert host.paths == [], "nothing was asked"


# Names that lead elsewhere the second time


async def test_a_name_that_is_rebound_after_the_check_is_not_asked_again() -> None:
    names = Names(pictures=[PUBLIC, PRIVATE])
    async with hosting(saying(answer())) as host:
        await names.fetcher().fetch((f"http://{NAME}:{host.port}/a.png",))
    assert (names.asked, host.came) == ([NAME], [PUBLIC])


async def test_a_name_that_is_rebound_before_a_redirect_to_itself_is_refused() -> None:
    names = Names(pictures=[PUBLIC, PRIVATE])
    async with hosting(saying(answer(b"", "307 Temporary Redirect", extra="location: /secret\r\n"))) as host:
        words = await refused(names.fetcher(), f"http://{NAME}:{host.port}/a.png")
    assert "not at a public address" in words
    assert (host.came, host.paths) == ([PUBLIC], [b"/a.png"])


async def test_a_name_that_is_rebound_between_two_images_is_refused() -> None:
    names = Names(pictures=[PUBLIC, PRIVATE])
    async with hosting(saying(answer())) as host:
        with pytest.raises(InvalidRequest):
            await names.fetcher().fetch((f"http://{NAME}:{host.port}/a.png", f"http://{NAME}:{host.port}/b.png"))
    assert host.came == [PUBLIC]


# Redirects to what is private, however it is written


@pytest.mark.parametrize(
    "there",
    [
        "http://127.0.0.1:{port}/",
        "http://localhost:{port}/",
        "http://2130706433:{port}/",
        "http://0177.0.0.1:{port}/",
        "http://0x7f000001:{port}/",
        "http://127.1:{port}/",
        "http://[::1]:{port}/",
        "http://[::ffff:127.0.0.1]:{port}/",
        "http://[::ffff:7f00:1]:{port}/",
        "http://0.0.0.0:{port}/",
        "http://169.254.169.254/latest/meta-data/",
        "http://inner.test:{port}/",
        "//127.0.0.1:{port}/",
        "https://10.0.0.1/",
        "file:///etc/passwd",
        "ftp://127.0.0.1/",
        "gopher://127.0.0.1:{port}/",
        "http://user@127.0.0.1:{port}/",
    ],
)
async def test_a_redirect_into_the_house_is_refused(there: str) -> None:
    names = Names(pictures=[PUBLIC], inner=[PRIVATE])

    async def serve(writer: asyncio.StreamWriter) -> None:
        writer.write(answer(b"", "302 Found", extra=f"location: {there.format(port=host.port)}\r\n"))

    async with hosting(serve) as host:
        words = await refused(names.fetcher(), f"http://{NAME}:{host.port}/a.png")
    reasons = ("not at a public address", "must be an http or https URL", "cannot be reached")
    assert any(reason in words for reason in reasons)
    assert host.came == [PUBLIC], "nobody inside was asked"


# Size and time


async def test_a_body_in_drips_ends_with_the_time() -> None:
    async def drip(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: image/png\r\n\r\n" + PNG)
        while not writer.is_closing():
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.02)

    await gives_up_in_time(drip)


async def test_a_head_in_drips_ends_with_the_time() -> None:
    async def drip(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n")
        while not writer.is_closing():
            writer.write(b"x-more: 1\r\n")
            await writer.drain()
            await asyncio.sleep(0.02)

    await gives_up_in_time(drip)


async def gives_up_in_time(serve: Serve) -> None:
    async with hosting(serve) as host:
        began = time.monotonic()
        words = await refused(Names(pictures=[PUBLIC]).fetcher(0.4), f"http://{NAME}:{host.port}/a.png")
    assert "longer than 0.4 seconds" in words
    assert time.monotonic() - began < 3


async def test_a_body_without_end_is_left_at_the_bound() -> None:
    written = 0

    async def pour(writer: asyncio.StreamWriter) -> None:
        nonlocal written
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: image/png\r\n\r\n" + PNG)
        while True:
            writer.write(b"x" * 65536)
            await writer.drain()
            written += 65536

    async with hosting(pour) as host:
        words = await refused(Names(pictures=[PUBLIC]).fetcher(20), f"http://{NAME}:{host.port}/a.png")
    assert f"larger than {images.MAX_BYTES} bytes" in words
    assert written < images.MAX_BYTES + 16 * 1024 * 1024, "what lay in the sockets, and no more"


async def test_a_length_beyond_the_bound_is_believed_at_once() -> None:
    async def boast(writer: asyncio.StreamWriter) -> None:
        head = f"HTTP/1.1 200 OK\r\ncontent-type: image/png\r\ncontent-length: {images.MAX_BYTES + 1}\r\n\r\n"
        writer.write(head.encode())
        await asyncio.sleep(5)

    async with hosting(boast) as host:
        words = await refused(Names(pictures=[PUBLIC]).fetcher(4), f"http://{NAME}:{host.port}/a.png")
    assert "larger than" in words


async def test_a_small_body_that_unpacks_to_a_huge_one_is_no_image() -> None:
    import gzip

    packed = gzip.compress(PNG + b"\0" * 50_000_000)
    async with hosting(saying(answer(packed, extra="content-encoding: gzip\r\n"))) as host:
        words = await refused(Names(pictures=[PUBLIC]).fetcher(), f"http://{NAME}:{host.port}/a.png")
    assert "it is no image/png" in words


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (PNG, "text/html"),
        (PNG, ""),
        (PNG, "image/jpeg"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "image/svg+xml"),
        (b"RIFF\0\0\0\0WAVEfmt ", "image/webp"),
        (b"", "image/png"),
    ],
)
async def test_what_is_not_the_image_it_says_is_refused(body: bytes, kind: str) -> None:
    async with hosting(saying(answer(body, kind=kind))) as host:
        words = await refused(Names(pictures=[PUBLIC]).fetcher(), f"http://{NAME}:{host.port}/a.png")
    assert "it is no" in words


async def test_a_webp_image_is_one() -> None:
    body = b"RIFF\x1a\0\0\0WEBPVP8L"
    async with hosting(saying(answer(body, kind="image/webp"))) as host:
        url = f"http://{NAME}:{host.port}/a.webp"
        assert (await Names(pictures=[PUBLIC]).fetcher().fetch((url,)))[url][0] == "image/webp"


# Through the gateway, by both ingresses


def asked(wire: Wire, operation: str, url: str) -> tuple[str, dict[str, Any]]:
    model = f"m-{wire.name}"
    if operation == "chat":
        parts: list[Any] = [{"type": "image_url", "image_url": {"url": url}}]
        return "/v1/chat/completions", {"model": model, "messages": [{"role": "user", "content": parts}]}
    parts = [{"type": "image", "source": {"type": "url", "url": url}}]
    return "/v1/messages", {"model": model, "max_tokens": 9, "messages": [{"role": "user", "content": parts}]}


@pytest.mark.parametrize("operation", ["chat", "messages"])
@pytest.mark.parametrize("wire", [GOOGLE, OLLAMA], ids=lambda wire: wire.name)
async def test_a_client_gets_a_400_and_no_provider_is_asked(gateway: Running, wire: Wire, operation: str) -> None:
    await gateway.configure(configuration(gateway.provider.url.removesuffix("/v1"), TRANSLATED))
    names = Names(pictures=[PUBLIC], inner=[PRIVATE])
    gateway.worker.gateway.images = names.fetcher()
    async with hosting(saying(answer(b"", "302 Found", extra="location: http://inner.test/\r\n"))) as host:
        path, body = asked(wire, operation, f"http://{NAME}:{host.port}/a.png")
        reply = await gateway.ask(post(body, path))
    assert reply.status == 400
    assert reply.error["type"] == "invalid_request_error"
    assert "not at a public address" in reply.error["message"]
    assert (reply.json.get("type") == "error") == (operation == "messages"), "in the client's own shape"
    assert (gateway.provider.requests, host.came) == ([], [PUBLIC])


@pytest.mark.parametrize("operation", ["chat", "messages"])
async def test_a_fetched_image_reaches_the_provider_by_either_ingress(gateway: Running, operation: str) -> None:
    await gateway.configure(configuration(gateway.provider.url.removesuffix("/v1"), TRANSLATED))
    gateway.provider.answers = [GOOGLE.says()]
    gateway.worker.gateway.images = Names(pictures=[PUBLIC]).fetcher()
    async with hosting(saying(answer())) as host:
        path, body = asked(GOOGLE, operation, f"http://{NAME}:{host.port}/a.png")
        assert (await gateway.ask(post(body, path))).status == 200
    (part,) = gateway.provider.requests[0].json["contents"][0]["parts"]
    assert part == {"inlineData": {"mimeType": "image/png", "data": base64.b64encode(PNG).decode()}}
