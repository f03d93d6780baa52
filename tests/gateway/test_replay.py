"""What is kept of streams: its bounds, what goes first, and places in a stream."""

import asyncio

import pytest

from llm.core.errors import InvalidRequest
from llm.gateway.replay import BLOCK_COST, STREAM_COST, Cursor, Forgotten, Replay, ReplayStore


def event(n: int, size: int = 0) -> bytes:
    return b"data: %d%b\n\n" % (n, b"." * size)


def filled(store: ReplayStore, name: bytes, events: int, size: int = 0) -> Replay:
    replay = store.open(name)
    for n in range(1, events + 1):
        replay.add(event(n, size))
    return replay


def held(store: ReplayStore) -> int:
    """What is really there, added up anew."""
    replays = store.live | {replay for _, replay in store._finished}
    return sum(STREAM_COST + sum(len(block) + BLOCK_COST for block in one.blocks) for one in replays)


async def test_a_stream_beyond_its_bound_forgets_its_oldest_events() -> None:
    store = ReplayStore(1_000, 100_000, 60)
    replay = filled(store, b"a", 50, size=50)
    assert replay.size <= 1_000
    assert store.size == held(store)
    assert replay.last() == 50
    with pytest.raises(Forgotten, match=f"Events 1 to {replay.first - 1} of stream a are no longer held"):
        Cursor(replay, 0)
    ids = [line for line in Cursor(replay, replay.first - 1).take().splitlines() if line.startswith(b"id")]
    assert ids == [b"id: %d" % n for n in range(replay.first, 51)]


async def test_an_event_larger_than_the_bound_is_counted_and_not_held() -> None:
    store = ReplayStore(1_000, 100_000, 60)
    replay = filled(store, b"a", 1, size=5_000)
    assert (replay.size, replay.first, store.size) == (0, 2, STREAM_COST)


async def test_the_streams_that_finished_first_go_first() -> None:
    store = ReplayStore(10_000, 3 * STREAM_COST + 6_000, 60)
    replays = [filled(store, b"%d" % n, 1, size=2_500) for n in range(2)]
    replays[1].end(event(2))
    replays[0].end(event(2))
    filled(store, b"2", 1, size=2_500)
    assert store.find(b"1") is None, "it was the first to finish, though the second to begin"
    assert store.find(b"0") is replays[0]
    assert store.size == held(store) <= store.total_bytes


async def test_many_live_streams_share_the_total() -> None:
    store = ReplayStore(1_000_000, 400_000, 60)
    hog = filled(store, b"hog", 300, size=1_000)
    others = [filled(store, b"%d" % n, 30, size=100) for n in range(50)]
    assert store.size == held(store) <= 400_000
    assert hog.first > 1, "the largest gave way"
    assert all(other.first == 1 for other in others)
    assert hog.last() == 300


async def test_a_finished_stream_is_forgotten_after_its_time_unless_somebody_reads() -> None:
    store = ReplayStore(1_000, 100_000, 0.05, 0.01)
    kept, gone = filled(store, b"kept", 1), filled(store, b"gone", 1)
    reader = asyncio.Event()
    kept.readers.append(reader.set)
    kept.end(event(2))
    gone.end(event(2))
    while store.find(b"gone") is not None:
        await asyncio.sleep(0.01)
    assert store.find(b"kept") is kept
    kept.readers.clear()
    while store.find(b"kept") is not None:
        await asyncio.sleep(0.01)
    assert store.size == 0
    assert store._timer is None or not store._finished


async def test_of_two_streams_with_one_id_the_newer_is_found() -> None:
    store = ReplayStore(1_000, 100_000, 60)
    older, newer = filled(store, b"a", 1), filled(store, b"a", 2)
    assert store.find(b"a") is newer
    older.end(event(2))
    store.total_bytes = 0
    store.make_room()
    assert store.find(b"a") is newer, "the older one's end does not take the newer one away"


async def test_a_cursor_begins_anywhere_even_inside_a_block() -> None:
    store = ReplayStore(10_000, 100_000, 60)
    replay = store.open(b"a")
    replay.add(event(1) + event(2) + b": comment\n\n" + event(3))
    replay.add(event(4))
    for after in range(5):
        expected = b"".join(b"id: %d\n%b" % (n, event(n)) for n in range(after + 1, 5))
        assert Cursor(replay, after).take() == expected
    with pytest.raises(InvalidRequest, match="has only come to event 4"):
        Cursor(replay, 5)


async def test_a_cursor_that_falls_behind_is_told_where_to_go_on() -> None:
    store = ReplayStore(1_000, 100_000, 60)
    replay = filled(store, b"a", 2)
    cursor = Cursor(replay, 0)
    cursor.take()
    for n in range(3, 60):
        replay.add(event(n, 50))
    with pytest.raises(Forgotten, match=f"Events 3 to {replay.first - 1} .* after={replay.first - 1}"):
        cursor.take()
