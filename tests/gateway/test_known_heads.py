"""A head read before is taken as read: the request that results must be the one llhttp would have made."""

from collections import deque
from typing import Any

import pytest

from llm.gateway.exchange import Exchange
from llm.gateway.request_reader import KnownHeads, Refusal, RequestReader
from llm.gateway.server import Limits

HEAD = b"POST /v1/x?a=1 HTTP/1.1\r\nHost: a\r\nX-One: 1\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\n"


class Counting(RequestReader):
    """Counts what was parsed rather than known."""

    parsed = 0

    def on_headers_complete(self) -> None:
        self.parsed += 1
        super().on_headers_complete()


def reader(known: KnownHeads | None = None) -> tuple[Counting, deque[Exchange | Refusal]]:
    ready: deque[Exchange | Refusal] = deque()
    return Counting(Limits(), None, ready, known), ready  # type: ignore[arg-type]


def shown(exchange: Exchange | Refusal) -> tuple[Any, ...]:
    assert isinstance(exchange, Exchange)
    return (exchange.method, exchange.path, exchange.query, exchange.headers, exchange.fields, exchange.body)


def test_the_second_request_with_equal_head_is_not_parsed_and_equals_what_parsing_gives() -> None:
    one, ready = reader()
    one.feed(HEAD + b"ab")
    one.feed(HEAD + b"cd")
    other, parsed = reader()
    other.feed(HEAD + b"cd")
    assert one.parsed == 1
    assert shown(ready[1]) == shown(parsed[0])
    assert one.count == 2
    assert one.held == 4
    assert not one.in_message


def test_connections_share_what_is_known() -> None:
    known = KnownHeads()
    reader(known)[0].feed(HEAD + b"ab")
    second, ready = reader(known)
    second.feed(HEAD + b"cd")
    assert second.parsed == 0
    assert shown(ready[0])[5] == b"cd"


@pytest.mark.parametrize(
    "pieces",
    [
        (HEAD + b"c", b"d"),
        (HEAD, b"cd"),
        (HEAD[:10], HEAD[10:] + b"cd"),
        (HEAD + b"cd" + HEAD, b"ef"),
        (b"\r\n" + HEAD + b"cd",),
    ],
)
def test_a_request_that_comes_otherwise_is_parsed_as_ever(pieces: tuple[bytes, ...]) -> None:
    one, ready = reader()
    one.feed(HEAD + b"ab")
    for piece in pieces:
        one.feed(piece)
    assert one.parsed > 1
    assert shown(ready[1])[5] == b"cd"


@pytest.mark.parametrize(
    "head",
    [
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0",
        b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 0",
        b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: h2c",
        b"GET / HTTP/1.1\r\nHost: a\r\nX-Twice: 1\r\nX-Twice: 2",
        b"GET / HTTP/1.0\r\nConnection: keep-alive",
        b"GET / HTTP/1.1\r\nHost: a\r\nX-Long: " + b"x" * KnownHeads.LONGEST,
    ],
)
def test_only_plain_heads_are_kept(head: bytes) -> None:
    known = KnownHeads()
    one, ready = reader(known)
    one.feed(head + b"\r\n\r\n")
    assert len(ready) == 1
    assert known.found == {}


def test_after_the_last_request_of_a_connection_nothing_is_taken_as_known() -> None:
    known = KnownHeads()
    reader(known)[0].feed(HEAD + b"ab")
    one, _ = reader(known)
    one.feed(HEAD.replace(b"keep-alive", b"close") + b"ab")
    with pytest.raises(Refusal):
        one.feed(HEAD + b"cd")


def test_what_is_known_is_bounded() -> None:
    known = KnownHeads()
    one, _ = reader(known)
    for number in range(KnownHeads.MOST + 5):
        one.feed(b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % number)
    assert len(known.found) == 5
