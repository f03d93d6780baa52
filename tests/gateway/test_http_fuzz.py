"""One reading: whatever the bytes and however they are cut, the reader gives the same requests, and none that h11 - an
independent, strict reader - reads otherwise."""

import itertools
from collections import deque
from typing import Any

import h11
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm.gateway.exchange import Exchange
from llm.gateway.request_reader import KnownHeads, Refusal, RequestReader
from tests.gateway.serving import SMALL
from tests.gateway.test_http import REQUESTS, SEEN

Seen = list[tuple[str, bytes, bytes]]
TOKENS = (
    b"\r\n", b"\n", b"\r", b" ", b"\t", b":", b"0", b"3", b"\x00", b"\xff", b";", b"+", b"-", b"\r\n\r\n",
    b"Content-Length: 3\r\n", b"Content-Length: 30\r\n", b"Transfer-Encoding: chunked\r\n", b"transfer-encoding:\tchunked\r\n",
    b"Connection: close\r\n", b"Upgrade: h2c\r\nConnection: upgrade\r\n", b"Expect: 100-continue\r\n", b"Host: y\r\n",
    b"HTTP/1.0", b"GET /z HTTP/1.1\r\nHost: x\r\n\r\n", b"0\r\n\r\n", b"3\r\nabc\r\n",
)  # fmt: skip
SIMPLE = st.sampled_from([
    b"GET /b?q=1 HTTP/1.1\r\nHost: x\r\nX-A: 1\r\n\r\n",
    b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello",
    b"POST /c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3;e=1\r\nabc\r\n2\r\nde\r\n0\r\nT: t\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
])  # fmt: skip


KNOWN = KnownHeads()
"""Shared by many readings, as in a server: a head read before must be read the same again."""


def read(parts: list[bytes], known: KnownHeads | None = None) -> tuple[Seen, int | None]:
    """What our reader makes of it, and the status it refuses the rest with."""
    ready: deque[Exchange | Refusal] = deque()
    reader = RequestReader(SMALL, None, ready, known)  # type: ignore[arg-type]
    status = None
    try:
        for part in parts:
            reader.feed(part)
    except Refusal as refusal:
        status = refusal.status
    seen = [(one.method, one.path, one.body) for one in ready if isinstance(one, Exchange)]
    closed = next((n for n, one in enumerate(ready) if isinstance(one, Exchange) and not one.keep_alive), None)
    return (seen, status) if closed is None else (seen[: closed + 1], None)


def oracle(data: bytes) -> tuple[Seen, bool]:
    """What h11 makes of it, and whether it found an error."""
    connection = h11.Connection(h11.SERVER)
    connection.receive_data(data)
    seen: Seen = []
    method, path, body = "", b"", b""
    try:
        while True:
            event: Any = connection.next_event()
            if isinstance(event, h11.Request):
                method, path, body = event.method.decode(), event.target.partition(b"?")[0], b""
            elif isinstance(event, h11.Data):
                body += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                seen.append((method, path, body))
                connection.send(h11.Response(status_code=200, headers=[("content-length", "0")]))
                connection.send(h11.EndOfMessage())
                if connection.our_state is not h11.DONE:
                    return seen, False
                connection.start_next_cycle()
            else:
                return seen, False
    except h11.RemoteProtocolError:
        return seen, True


def cut(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted({one % (len(data) + 1) for one in cuts}), len(data)]
    return [data[a:b] for a, b in itertools.pairwise(edges) if a < b]


def test_every_single_cut_gives_the_same_requests() -> None:
    assert read([REQUESTS]) == (SEEN, None)
    for at in range(1, len(REQUESTS)):
        assert read([REQUESTS[:at], REQUESTS[at:]]) == (SEEN, None), at
    assert read([REQUESTS[n : n + 1] for n in range(len(REQUESTS))]) == (SEEN, None)


@settings(max_examples=300, deadline=None)
@given(requests=st.lists(SIMPLE, min_size=1, max_size=6), cuts=st.lists(st.integers(0, 2_000), max_size=8))
def test_valid_pipelines_are_read_as_the_oracle_reads_them(requests: list[bytes], cuts: list[int]) -> None:
    data = b"".join(requests)
    expected, broken = oracle(data)
    assert not broken
    assert read(cut(data, cuts)) == (expected, None)
    assert read(requests, KNOWN) == (expected, None), "one by one, by heads that are known"
    assert len(expected) == len(requests)


@settings(max_examples=1_500, deadline=None)
@given(
    requests=st.lists(SIMPLE, min_size=1, max_size=3),
    changes=st.lists(
        st.tuples(st.integers(0, 600), st.sampled_from(TOKENS), st.integers(0, 4)), min_size=1, max_size=4
    ),
    cuts=st.lists(st.integers(0, 700), max_size=6),
)
def test_mutations_are_read_in_one_way_or_refused(
    requests: list[bytes], changes: list[tuple[int, bytes, int]], cuts: list[int]
) -> None:
    data = b"".join(requests)
    for at, token, removed in changes:
        at %= len(data) + 1
        data = data[:at] + token + data[at + removed :]
    whole = read([data])
    parts = read(cut(data, cuts))
    assert parts == whole, "cutting changed the reading"
    head, *others = requests
    changed = data[: len(head)], data[len(head) :]
    assert read([*others, *changed], KNOWN) == read([b"".join(others) + data]), "a known head changed the reading"
    ours, theirs = whole[0], oracle(data)[0]
    for mine, other in zip(ours, theirs, strict=False):
        assert mine == (other[0], _path(other[1]), other[2]), "two readings"


def _path(target: bytes) -> bytes:
    return b"/" + target.split(b"/", 3)[3] if target[:7].lower() == b"http://" and target.count(b"/") > 2 else target


def test_a_refusal_behind_a_declined_upgrade_is_a_refusal() -> None:
    """Found by the mutations above: it came out as a defect."""
    offer = b"GET /a HTTP/1.1\r\nHost: x\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n"
    assert read([offer + b"GET /b HTTP/1.1\r\n\r\n"]) == ([("GET", b"/a", b"")], 400)


@pytest.mark.parametrize("size", [1, 7])
def test_what_follows_a_refusal_is_never_read(size: int) -> None:
    data = b"GET /a HTTP/1.1\r\nHost: x\r\n\r\nGET /b HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n" + REQUESTS
    seen, status = read([data[n : n + size] for n in range(0, len(data), size)])
    assert (seen, status) == ([("GET", b"/a", b"")], 400)
