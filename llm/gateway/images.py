"""Images given by address, fetched for providers that take bytes only. Clients name the addresses: none is trusted.

Promised: only http and https, only public addresses. A name is resolved once, every address it has is checked, and the
connection goes to a checked one, so that a second answer of DNS cannot lead elsewhere; each redirect is checked anew.
Bounded: images of a request, bytes of each and of all, redirects, seconds in all, fetches at once (others wait, within
their time). What comes must be an image by its type and its first bytes. Hosts in REMOTE_IMAGE_HOSTS may have any
address; REMOTE_IMAGES=false refuses all. Never through a proxy, which would resolve names by itself. All that goes
wrong is a 400 that names the address and says nothing of what answered there.
"""

import asyncio
import base64
import ipaddress
import socket
import ssl
from collections.abc import Awaitable, Callable
from urllib.parse import SplitResult, urljoin, urlsplit

import httpx

from llm.core.errors import InvalidRequest
from llm.gateway.settings import Settings

MAX_IMAGES = 16
MAX_BYTES = 10 * 1024 * 1024
MAX_BYTES_IN_ALL = 20 * 1024 * 1024
MAX_REDIRECTS = 3
MAX_AT_ONCE = 16
SECONDS = 10.0
NOT_GLOBAL = tuple(map(ipaddress.IPv6Network, ("::/96", "64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32")))
"""IPv6 that leads to an IPv4 address written inside: IPv4-compatible, NAT64, 6to4, Teredo."""
SIGNS = {
    "image/jpeg": (b"\xff\xd8\xff",),
    "image/png": (b"\x89PNG\r\n\x1a\n",),
    "image/gif": (b"GIF87a", b"GIF89a"),
    "image/webp": (b"RIFF",),
}
"""Types taken, and what their bytes begin with."""

Resolve = Callable[[str, int], Awaitable[list[str]]]
Images = dict[str, tuple[str, str]]
"""By address: media type and base64."""


class ImageRefused(InvalidRequest):
    code = "IMAGE_REFUSED"

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(f"The image at {url[:200]} cannot be fetched: {reason}.", "messages", "invalid_image_url")


async def resolve(host: str, port: int) -> list[str]:
    """All addresses of a name, by the system. Raises OSError."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]


def is_public(address: str) -> bool:
    """Whether an address belongs to the public internet, and to nobody's own network."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(found, ipaddress.IPv6Address) and (
        found.scope_id is not None or found.ipv4_mapped is not None or any(found in network for network in NOT_GLOBAL)
    ):
        return False
    own = found.is_private or found.is_loopback or found.is_link_local or found.is_unspecified
    return found.is_global and not (own or found.is_multicast or found.is_reserved)


class ImageFetcher:
    """One worker's. `resolver` and `seconds` are for tests."""

    def __init__(
        self,
        settings: Settings,
        tls: Callable[[], ssl.SSLContext],
        resolver: Resolve = resolve,
        seconds: float = SECONDS,
    ) -> None:
        self._allowed = settings.remote_images
        self._hosts = frozenset(host.lower() for host in settings.remote_image_hosts)
        self._tls = tls
        self._context: ssl.SSLContext | None = None
        self._resolve = resolver
        self._seconds = seconds
        self._turns = asyncio.Semaphore(MAX_AT_ONCE)

    async def fetch(self, urls: tuple[str, ...]) -> Images:
        """Raises ImageRefused."""
        if not self._allowed:
            raise ImageRefused(urls[0], "this gateway fetches none (REMOTE_IMAGES); send its bytes as a data: URL")
        if len(urls) > MAX_IMAGES:
            raise ImageRefused(urls[MAX_IMAGES], f"at most {MAX_IMAGES} are fetched for one request")
        found: Images = {}
        room = MAX_BYTES_IN_ALL
        url = urls[0]
        try:
            async with asyncio.timeout(self._seconds), self._turns:
                for url in urls:
                    media_type, data = await self._follow(url, min(room, MAX_BYTES))
                    room -= len(data)
                    found[url] = media_type, base64.b64encode(data).decode()
        except TimeoutError:
            raise ImageRefused(url, f"it took longer than {self._seconds:g} seconds") from None
        return found

    async def _follow(self, url: str, limit: int) -> tuple[str, bytes]:
        """The image at `url`, or where it redirects to."""
        place = url
        for _ in range(MAX_REDIRECTS + 1):
            parts, address = await self._checked(url, place)
            moved, media_type, data = await self._get(url, parts, address, limit)
            if moved is None:
                return media_type, data
            place = urljoin(place, moved)
        raise ImageRefused(url, f"it redirects more than {MAX_REDIRECTS} times")

    async def _checked(self, url: str, place: str) -> tuple[SplitResult, str]:
        """A place's parts and the address to connect to."""
        try:
            parts = urlsplit(place)
            host, port = parts.hostname, parts.port
        except ValueError:
            host, port = None, None
        if host is None or parts.scheme not in ("http", "https") or parts.username is not None:
            raise ImageRefused(url, "it must be an http or https URL without a user name")
        try:
            addresses = await self._resolve(host, port or (443 if parts.scheme == "https" else 80))
        except (OSError, UnicodeError):
            addresses = []
        if not addresses:
            raise ImageRefused(url, "its host is not found")
        if host.lower() not in self._hosts and not all(map(is_public, addresses)):
            raise ImageRefused(url, "its host is not at a public address (REMOTE_IMAGE_HOSTS names exceptions)")
        return parts, addresses[0]

    async def _get(self, url: str, parts: SplitResult, address: str, limit: int) -> tuple[str | None, str, bytes]:
        """Where it has moved to, or None; the type and bytes of the image."""
        host = f"[{address}]" if ":" in address else address
        pinned = parts._replace(netloc=host if parts.port is None else f"{host}:{parts.port}", fragment="").geturl()
        headers = {"host": parts.netloc, "accept": ", ".join(SIGNS), "accept-encoding": "identity"}
        try:
            async with (
                httpx.AsyncClient(verify=self._context_of(), trust_env=False, timeout=self._seconds) as client,
                client.stream("GET", pinned, headers=headers, extensions={"sni_hostname": parts.hostname}) as reply,
            ):
                if reply.is_redirect:
                    return reply.headers.get("location", ""), "", b""
                if reply.status_code != 200:
                    raise ImageRefused(url, f"its host answered {reply.status_code}")
                media_type = reply.headers.get("content-type", "").partition(";")[0].strip().lower()
                if media_type not in SIGNS:
                    raise ImageRefused(url, f"it is none of {', '.join(SIGNS)}")
                said = reply.headers.get("content-length", "")
                if said.isdigit() and int(said) > limit:
                    raise ImageRefused(url, f"it is larger than {limit} bytes")
                data = bytearray()
                async for part in reply.aiter_raw():
                    data += part
                    if len(data) > limit:
                        raise ImageRefused(url, f"it is larger than {limit} bytes")
        except (httpx.HTTPError, httpx.InvalidURL, ssl.SSLError, OSError):
            raise ImageRefused(url, "its host cannot be reached, or broke off") from None
        if not data.startswith(SIGNS[media_type]) or (media_type == "image/webp" and data[8:12] != b"WEBP"):
            raise ImageRefused(url, f"it is no {media_type}")
        return None, media_type, bytes(data)

    def _context_of(self) -> ssl.SSLContext:
        if self._context is None:
            self._context = self._tls()
        return self._context
