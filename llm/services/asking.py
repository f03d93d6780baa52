"""Asks a provider for its list of models: the cheapest call there is, never a paid one. Touches no table.

Bounded in time, bytes, pages and keys tried. What went wrong is said in our own words: a provider's may repeat the key.
Redirects are not followed, so no key is carried to another host. Next file: `discovery.py`, what becomes of the answer.
"""

import ssl
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import msgspec
from django.conf import settings

from llm.core import vault
from llm.core.listing import MOST_MODELS, ListedModel, ListRequest, list_request, read_listing
from llm.gateway.certificates import provider_context

SECONDS = 10.0
"""For one answer, its last byte included."""
MOST_BYTES = 8_000_000
MOST_PAGES = 5
MOST_KEYS = 5
"""Of one provider, until one is accepted."""
AT_ONCE = 8
LISTS_NOTHING = (404, 405, 501)
"""It answers, but has no list: healthy, with nothing to discover."""


class Target(msgspec.Struct, frozen=True):
    """Whom to ask. Its repr hides the keys."""

    slug: str
    provider_type: str
    base_url: str
    auth: str
    secrets: tuple[str, ...]
    api_version: str = ""

    def __repr__(self) -> str:
        return f"Target({self.slug!r}, {self.base_url!r}, keys={len(self.secrets)})"


class Listed(msgspec.Struct, frozen=True):
    """What came of it. `models` is None where there is no list to go by."""

    ok: bool
    problem: str = ""
    models: tuple[ListedModel, ...] | None = None
    latency_ms: float = 0.0


class _Refused(Exception):
    """One problem, in our words."""

    def __init__(self, problem: str, status: int = 0) -> None:
        super().__init__(problem)
        self.status = status


def ask_all(targets: Sequence[Target], seconds: float = SECONDS) -> list[Listed]:
    """All of them at once, a few at a time; never raises for what a provider does."""
    if len(targets) < 2:
        return [ask(target, seconds) for target in targets]
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="ask-provider") as threads:
        return list(threads.map(lambda target: ask(target, seconds), targets))


def ask(target: Target, seconds: float = SECONDS) -> Listed:
    """One provider, with its first key that is accepted."""
    refused = Listed(False, "there is no key to ask with")
    secrets = target.secrets[:MOST_KEYS] if target.auth != "none" else (None,)
    for secret in secrets:
        began = time.monotonic()
        try:
            models = _all_pages(target, secret, began + seconds)
        except _Refused as failure:
            took = (time.monotonic() - began) * 1000
            if failure.status in LISTS_NOTHING:
                return Listed(True, f"lists no models (HTTP {failure.status})", None, took)
            refused = Listed(False, str(failure), None, took)
            if failure.status not in (401, 403):
                return refused
        else:
            return Listed(True, "", models, (time.monotonic() - began) * 1000)
    return refused


def _all_pages(target: Target, secret: str | None, deadline: float) -> tuple[ListedModel, ...]:
    models: dict[str, ListedModel] = {}
    page = ""
    host = urlsplit(target.base_url).hostname or ""
    own = host in ("localhost", "127.0.0.1", "::1")
    with httpx.Client(trust_env=not own, verify=_certificates(), follow_redirects=False) as client:
        for _ in range(MOST_PAGES):
            request = list_request(target.provider_type, target.base_url, target.auth, secret, page, target.api_version)
            body = _get(client, request, secret, deadline)
            try:
                listing = read_listing(target.provider_type, body)
            except (ValueError, RecursionError):
                raise _Refused("answered with something that is no list of models") from None
            models |= {model.id: model for model in listing.models}
            page = listing.next_page
            if not page or len(models) >= MOST_MODELS:
                break
    return tuple(models.values())[:MOST_MODELS]


def _get(client: httpx.Client, request: ListRequest, secret: str | None, deadline: float) -> bytes:
    """The body of one page. Raises _Refused."""
    try:
        left = max(deadline - time.monotonic(), 0.01)
        with client.stream("GET", request.url, headers=request.headers, timeout=left) as reply:
            if reply.status_code != 200:
                raise _refusal(reply.status_code, secret)
            body = bytearray()
            for piece in reply.iter_bytes():
                body += piece
                if len(body) > MOST_BYTES:
                    raise _Refused(f"sent more than {MOST_BYTES} bytes")
                if time.monotonic() > deadline:
                    raise _Refused("did not finish its answer in time")
    except httpx.TimeoutException:
        raise _Refused("did not answer in time") from None
    except (httpx.HTTPError, httpx.InvalidURL, ssl.SSLError, OSError, ValueError) as failure:
        raise _Refused(f"no connection ({type(failure).__name__})") from None
    return bytes(body)


def _refusal(status: int, secret: str | None) -> _Refused:
    if status in (401, 403):
        shown = f"the key {vault.masked(vault.fingerprint(secret))}" if secret else "a call without a key"
        return _Refused(f"{shown} was refused (HTTP {status})", status)
    return _Refused("redirects elsewhere" if 300 <= status < 400 else f"HTTP {status}", status)


@cache
def _certificates() -> ssl.SSLContext:
    """As the gateway trusts them; read once."""
    return provider_context(Path(settings.PROVIDER_CA_FILE) if settings.PROVIDER_CA_FILE else None)
