"""What arrived at the sandbox, so that a test can compare what reached the upstream byte by byte.

Bounded twice: the newest requests stay, up to a number and up to a sum of body bytes; older ones are forgotten, the
count goes on. Credentials are not kept. Served under `/sandbox/requests` (see `docs/how-to/sandbox.md`).
"""

import base64
from collections import deque
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

import msgspec

MAX_REQUESTS = 1000
MAX_BODY_BYTES = 64 * 1024 * 1024
SECRET_HEADERS = frozenset({b"authorization", b"x-api-key", b"api-key", b"x-goog-api-key", b"cookie"})


@dataclass(frozen=True)
class Arrived:
    """One request, as it came."""

    number: int
    method: str
    path: str
    headers: list[tuple[bytes, bytes]]
    body: bytes


class Record:
    """The newest requests. Numbers start at 1 and only grow."""

    def __init__(self) -> None:
        self.count = 0
        self._kept: deque[Arrived] = deque()
        self._bytes = 0

    def add(self, method: str, path: str, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
        self.count += 1
        self._kept.append(Arrived(self.count, method, path, headers, body))
        self._bytes += len(body)
        while len(self._kept) > MAX_REQUESTS or self._bytes > MAX_BODY_BYTES:
            self._bytes -= len(self._kept.popleft().body)

    def clear(self) -> None:
        """Forget everything, the count too."""
        self.__init__()  # type: ignore[misc]

    def listing(self, query: str) -> bytes:
        """JSON: `count`, and the kept requests with a number above `after`, at most `limit` (query parameters)."""
        asked = parse_qs(query)
        after, limit = _number(asked, "after", 0), _number(asked, "limit", 100)
        found = [_shown(request) for request in self._kept if request.number > after][:limit]
        return msgspec.json.encode({"count": self.count, "requests": found})


def _number(asked: dict[str, list[str]], name: str, default: int) -> int:
    value = asked.get(name, [""])[0]
    return int(value) if value.isascii() and value.isdigit() and len(value) < 10 else default


def _shown(request: Arrived) -> dict[str, Any]:
    return {
        "number": request.number,
        "method": request.method,
        "path": request.path,
        "headers": [[name.decode("latin-1"), _safe(name, value)] for name, value in request.headers],
        "body": request.body.decode("utf-8", "replace"),
        "body_base64": base64.b64encode(request.body).decode(),
    }


def _safe(name: bytes, value: bytes) -> str:
    """The value, or for a credential only its scheme (`Bearer ***`)."""
    if name not in SECRET_HEADERS:
        return value.decode("latin-1")
    scheme, space, _ = value.decode("latin-1").partition(" ")
    return f"{scheme} ***" if space else "***"
