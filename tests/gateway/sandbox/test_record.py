"""Bounds: the record of requests and the cache of replies keep the newest and forget the rest."""

import json

import pytest

from llm.gateway.exchange import Exchange, Headers
from llm.sandbox import record, server
from llm.sandbox.record import Record
from llm.sandbox.server import Sandbox


class Sink:
    """A door that keeps the bodies it is given."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []

    def send_whole(self, exchange: Exchange, status: int, headers: Headers, body: bytes) -> None:
        self.bodies.append(body)

    def send_head(self, exchange: Exchange, status: int, headers: Headers) -> None: ...

    def send_part(self, exchange: Exchange, data: bytes) -> None: ...

    def send_end(self, exchange: Exchange) -> None: ...

    def cut(self, exchange: Exchange) -> None: ...


def numbers(kept: Record, query: str = "limit=9999") -> list[int]:
    return [request["number"] for request in json.loads(kept.listing(query))["requests"]]


def test_the_record_keeps_the_newest_requests() -> None:
    kept = Record()
    for _ in range(record.MAX_REQUESTS + 5):
        kept.add("GET", "/", [], b"")
    assert kept.count == record.MAX_REQUESTS + 5
    assert numbers(kept) == list(range(6, record.MAX_REQUESTS + 6))


def test_the_record_keeps_no_more_bytes_than_its_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record, "MAX_BODY_BYTES", 100)
    kept = Record()
    for _ in range(5):
        kept.add("POST", "/", [], b"x" * 40)
    assert numbers(kept) == [4, 5]
    kept.add("POST", "/", [], b"x" * 101)
    assert numbers(kept) == []
    assert kept.count == 6


@pytest.mark.parametrize("query", ["after=x", "after=-1", "after=99999999999999", "limit=", "%ff"])
def test_odd_paging_is_taken_as_none(query: str) -> None:
    kept = Record()
    kept.add("GET", "/", [], b"")
    assert numbers(kept, query) == [1]


def test_the_cache_stays_within_its_bound_and_answers_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "CACHED_REPLIES", 3)
    sandbox, sink = Sandbox(), Sink()
    for number in [1, 2, 3, 4, 5, 5, 1]:
        body = b'{"model":"sandbox","messages":[{"role":"user","content":"%d"}]}' % number
        sandbox.handle(Exchange(sink, "POST", b"/v1/chat/completions", b"", [], body))
    assert len(sandbox._cache) == 3
    said = [json.loads(body)["choices"][0]["message"]["content"][-1] for body in sink.bodies]
    assert said == list("1234551")


def test_large_requests_and_replies_are_not_cached() -> None:
    sandbox, sink = Sandbox(), Sink()
    for body in (
        b'{"model":"sandbox","messages":[{"role":"user","content":"%s"}]}' % (b"x" * server.CACHED_BYTES),
        b'{"model":"sandbox?huge=100000","messages":[{"role":"user"}]}',
    ):
        sandbox.handle(Exchange(sink, "POST", b"/v1/chat/completions", b"", [], body))
    assert len(sink.bodies) == 2
    assert sandbox._cache == {}
