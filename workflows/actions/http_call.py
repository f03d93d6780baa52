"""One HTTP request with JSON in and out, to an address that was checked: used by functions and by outgoing webhooks.

The host's name is looked up once, every address it has must be public (unless private ones are allowed), and the
connection goes to the address that was checked, so a name that changes its mind leads nowhere else. Redirects are not
followed and no proxy is used, for the same reason. The answer's size and the whole exchange's time are bounded.
Next: `functions.py`, `webhooks.py`.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx

from workflows.core.errors import EffectFailed

CONNECT_SECONDS = 10.0
TRY_AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Statuses after which the same request may succeed later (RFC 9110, RFC 8470, RFC 6585)."""
LONGEST_WAIT = 3_600.0


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes | None
    seconds: float
    private_address: bool
    most_bytes: int
    """Of the answer's body; 0: it is not read."""


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes


class Refused(EffectFailed):
    """The other side answered, and not with 2xx."""

    def __init__(self, message: str, status: int, retryable: bool, retry_after: float | None) -> None:
        super().__init__(message, retryable, retry_after)
        self.status = status


class NotPublic(EffectFailed):
    """The host has an address that may not be called."""


class TookTooLong(EffectFailed):
    """The time limit passed; the other side may or may not have done the work."""


def call(request: Request) -> Answer:
    """Send it and read the whole answer, which has a 2xx status.

    Raises TookTooLong, NotPublic, Refused (retryable for the statuses in TRY_AGAIN, with the wait the answer asks for),
    or EffectFailed: retryable if nobody took the connection.
    """
    url = httpx.URL(request.url)
    address = _checked_address(url, request.private_address)
    try:
        return asyncio.run(_within(request, url, address))
    except httpx.ConnectTimeout:
        raise EffectFailed(f"{url.host} did not take the connection in time.", retryable=True) from None
    except (TimeoutError, httpx.TimeoutException):
        raise TookTooLong(f"{url.host} did not answer within {request.seconds:g} s.") from None
    except httpx.HTTPError as error:
        raise EffectFailed(f"The call to {url.host} failed: {type(error).__name__}.", retryable=True) from None


async def _within(request: Request, url: httpx.URL, address: str) -> Answer:
    """The whole exchange in `request.seconds`: an answer that comes byte by byte resets no clock."""
    headers = {**request.headers, "host": url.netloc.decode(), "accept-encoding": "identity"}
    timeout = httpx.Timeout(request.seconds, connect=min(CONNECT_SECONDS, request.seconds))
    async with (
        asyncio.timeout(request.seconds),
        httpx.AsyncClient(trust_env=False, follow_redirects=False, timeout=timeout) as client,
        client.stream(
            request.method,
            url.copy_with(host=address),
            headers=headers,
            content=request.body,
            extensions={"sni_hostname": url.host},
        ) as response,
    ):
        return Answer(response.status_code, await _read(response, url.host, request.most_bytes))


def _checked_address(url: httpx.URL, private: bool) -> str:
    """One address of the host; raises EffectFailed if any of them may not be called."""
    try:
        found = socket.getaddrinfo(url.host, url.port or 443, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise EffectFailed(f"The name {url.host!r} leads to no address.", retryable=True) from None
    addresses = list(dict.fromkeys(str(each[4][0]) for each in found))
    for address in addresses:
        if not private and not _public(address):
            raise NotPublic(
                f"{url.host!r} has the address {address}, which is not public; it is called only if private addresses "
                "are allowed for it (`private_address: true`)."
            )
    return addresses[0]


def _public(address: str) -> bool:
    """An address every machine of the internet agrees about; also of one hidden in an IPv6 address (RFC 4291, 3056)."""
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        inner = found.ipv4_mapped or found.sixtofour or (found.teredo[1] if found.teredo else None)
        if inner is not None:
            return _public(str(inner))
        if found in ipaddress.ip_network("64:ff9b::/96"):
            return _public(str(ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)))
    return found.is_global and not found.is_multicast and not found.is_reserved


async def _read(response: httpx.Response, host: str, most_bytes: int) -> bytes:
    if response.is_redirect:
        raise EffectFailed(f"{host} answered {response.status_code}, a redirect; redirects are not followed.")
    if not response.is_success:
        raise Refused(
            f"{host} answered with status {response.status_code}.",
            response.status_code,
            retryable=response.status_code in TRY_AGAIN,
            retry_after=_wait(response.headers.get("retry-after")),
        )
    if most_bytes == 0:
        return b""
    if response.headers.get("content-encoding", "identity") != "identity":
        raise EffectFailed(f"{host} answered in a compressed form, which was not asked for.")
    body = b""
    async for piece in response.aiter_raw():
        body += piece
        if len(body) > most_bytes:
            raise EffectFailed(f"{host} answered with more than {most_bytes} bytes.")
    return body


def _wait(given: str | None) -> float | None:
    """Seconds of a Retry-After header (RFC 9110, section 10.2.3), at most LONGEST_WAIT; None if there is none."""
    if not given:
        return None
    if given.isascii() and given.isdigit():
        return min(float(given[:9]), LONGEST_WAIT)
    try:
        at = parsedate_to_datetime(given)
    except ValueError:
        return None
    left = (at if at.tzinfo else at.replace(tzinfo=UTC)) - datetime.now(UTC)
    return min(max(left.total_seconds(), 0.0), LONGEST_WAIT)
