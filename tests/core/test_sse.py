"""Event streams cut anywhere come together again."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm.core import sse
from llm.core.errors import ProviderBroken
from llm.core.sse import EventCutter, events

LINES = st.lists(
    st.sampled_from([b"data: {}", b"data:x", b": comment", b"event: e", b"id: 1", b""]), min_size=1, max_size=4
)


@given(
    written=st.lists(LINES, max_size=8),
    end=st.sampled_from([b"\n", b"\r\n"]),
    cuts=st.lists(st.integers(0, 400), max_size=10),
)
def test_whole_events_come_out_however_they_arrive(written: list[list[bytes]], end: bytes, cuts: list[int]) -> None:
    data = b"".join(end.join(lines) + end + end for lines in written)
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    cutter = EventCutter()
    blocks = [cutter.feed(data[a:b]) for a, b in itertools.pairwise(edges)]
    rest = cutter.rest()
    assert b"".join(blocks) + rest == data
    assert rest.strip(b"\r\n") == b""  # a blank line too many, cut off from its event, waits for the next
    assert all(block == b"" or block.endswith((b"\n\n", b"\n\r\n")) for block in blocks)


@given(st.binary(max_size=200), st.integers(0, 200))
def test_no_byte_is_lost_or_invented(data: bytes, cut: int) -> None:
    cutter = EventCutter()
    assert cutter.feed(data[:cut]) + cutter.feed(data[cut:]) + cutter.rest() == data


def test_events_are_told_apart_with_their_data() -> None:
    block = b"data: one\n\n: comment\n\nevent: e\r\ndata: two\r\ndata:three\r\n\r\n"
    assert list(events(block)) == [
        (b"data: one\n\n", b"one"),
        (b": comment\n\n", b""),
        (b"event: e\r\ndata: two\r\ndata:three\r\n\r\n", b"two\nthree"),
    ]


def test_an_event_without_end_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "MAX_EVENT_BYTES", 100)
    cutter = EventCutter()
    with pytest.raises(ProviderBroken):
        for _ in range(20):
            cutter.feed(b"data: xxxxxxxx")


ODD_LINES = st.lists(
    st.sampled_from([b"data: {}", b"data:x", b": comment", b"event: e", b"id: 1", b"id", b"data: id:"]), max_size=3
)


@given(
    written=st.lists(st.tuples(ODD_LINES, st.sampled_from([b"\n", b"\r\n"])), max_size=8),
    cuts=st.lists(st.integers(0, 400), max_size=10),
    after=st.integers(0, 9),
)
def test_numbers_do_not_depend_on_how_the_bytes_arrive(
    written: list[tuple[list[bytes], bytes]], cuts: list[int], after: int
) -> None:
    """Not even among comments and spare blank lines, which have no number."""
    data = b"".join(end.join(lines) + end + end for lines, end in written)
    real = sum(any(not line.startswith(b":") for line in lines) for lines, _ in written)
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    cutter = EventCutter()
    blocks = [block for block in (cutter.feed(data[a:b]) for a, b in itertools.pairwise(edges)) if block]
    assert sum(map(sse.count, blocks)) == real
    number, out = 0, b""
    for block in blocks:
        part, counted = sse.numbered(block, number, after)
        assert counted == number + sse.count(block)
        number, out = counted, out + part
    ids = [line for line in out.splitlines() if line.startswith(b"id")]
    assert ids == [b"id: %d" % n for n in range(after + 1, real + 1)], "each once, in order, ours only"
    assert sse.numbered(data, 0, after) == (out, real)


def test_a_numbered_event_is_the_event_behind_its_number() -> None:
    block = b": hello\n\ndata: one\n\nevent: e\r\nid: 7\r\ndata: two id\r\n\r\n"
    assert sse.numbered(block, 4) == (b"id: 5\ndata: one\n\nid: 6\nevent: e\r\ndata: two id\r\n\r\n", 6)
    assert sse.numbered(block, 4, after=5) == (b"id: 6\nevent: e\r\ndata: two id\r\n\r\n", 6)
