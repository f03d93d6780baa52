"""What streams have sent, kept for a while: so that whoever lost a stream, or came late, reads on without a gap.

Each stream has a `Replay`: the blocks of events that went out, in order. `add` costs an append; events are counted only
when somebody asks. A `Cursor` reads one stream from any event on, live ones to their end; several may read at once,
and none of them slows the stream. Bounds: `stream_bytes` per stream, beyond which it forgets its oldest events;
`total_bytes` for all, beyond which the streams that finished first go, then the longest of the others forget their
oldest; a finished stream goes after `keep_seconds`. Of one owner's streams with the same request id the newest is
found. Nothing here survives the process. Next file: `resume.py`, the HTTP side of reading.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable

from llm.core import sse
from llm.core.errors import InvalidRequest
from llm.core.stream_wire import FORGOTTEN, Settled

BLOCK_COST = 56
"""Bytes of memory a block takes beyond its own."""
STREAM_COST = 1_500
"""Bytes of memory a stream takes without its blocks; the total counts them, so it bounds the number of streams too."""
FOREVER = float("inf")
TAKE_BYTES = 65_536
"""About how much a cursor gives at a time."""


class Forgotten(InvalidRequest):
    """Events that are no longer held were asked for; `held_after` is where one can begin now."""

    code = "STREAM_FORGOTTEN"
    status = 410

    def __init__(self, request_id: str, after: int, held_after: int) -> None:
        super().__init__(
            f"Events {after + 1} to {held_after} of stream {request_id} are no longer held. "
            f"Resume with after={held_after}, or send the request again.",
            "after",
            FORGOTTEN,
        )


class Replay:
    """One stream's events. `first` is the number of the first event still held, `dropped` how many blocks are not."""

    __slots__ = (
        "blocks",
        "cancel",
        "dropped",
        "ended",
        "first",
        "forgotten",
        "heard",
        "operation",
        "owner",
        "readers",
        "request_id",
        "settled",
        "size",
        "started_at",
        "store",
        "tick",
    )

    def __init__(self, store: "ReplayStore", request_id: bytes, owner: str | None) -> None:
        self.store = store
        self.request_id = request_id
        self.owner = owner
        """Whose stream it is: the id of the API key that started it."""
        self.blocks: deque[bytes] = deque()
        self.size = 0
        self.first = 1
        self.dropped = 0
        self.ended = self.forgotten = False
        self.started_at = time.time_ns()
        self.heard = store.loop.time()
        """When the last event came, in loop time."""
        self.readers: list[Callable[[], None]] = []
        """Called when there is more to read; whoever reads puts itself in and takes itself out."""
        self.tick: Callable[[float], None] | None = None
        """Called about once a second with the loop's time while the stream is live."""
        self.operation = ""
        """What was asked for: its name says on which wire the events are."""
        self.cancel: Callable[[], None] | None = None
        """Ends the stream before its time."""
        self.settled: Settled | None = None
        """What it came to, once it is on record."""

    def add(self, block: bytes) -> None:
        """Keep a block of whole events that goes out."""
        store = self.store
        self.blocks.append(block)
        size = len(block) + BLOCK_COST
        self.size += size
        store.size += size
        if self.readers:
            self.wake()
        if self.size > store.stream_bytes:
            self.shrink(store.stream_bytes)
        if store.size > store.total_bytes:
            store.make_room()

    def end(self, block: bytes) -> None:
        """Keep the last block; from now on the stream only waits to be forgotten."""
        if self.ended:
            return
        self.ended = True
        self.tick = self.cancel = None
        if block:
            self.add(block)
        self.wake()
        self.store.finished(self)

    def wake(self) -> None:
        """Tell the readers."""
        for reader in list(self.readers):
            reader()

    def shrink(self, size: int) -> None:
        """Forget the oldest blocks until at most `size` bytes are held."""
        blocks, freed = self.blocks, 0
        while blocks and self.size - freed > size:
            block = blocks.popleft()
            self.first += sse.count(block)
            self.dropped += 1
            freed += len(block) + BLOCK_COST
        self.size -= freed
        self.store.size -= freed

    def clear(self) -> None:
        """Forget everything, where nobody is left who would ask how far it had come."""
        self.store.size -= self.size
        self.dropped += len(self.blocks)
        self.blocks.clear()
        self.size = 0

    def last(self) -> int:
        """The number of the last event so far."""
        return self.first - 1 + sum(map(sse.count, self.blocks))


class Cursor:
    """A place in a stream, moving forward. `number` is the last event given, or passed over."""

    __slots__ = ("_block", "_counted", "number", "replay")

    def __init__(self, replay: Replay, after: int) -> None:
        """Begin behind event `after`. Raises Forgotten, InvalidRequest when the stream is not there yet."""
        if after < replay.first - 1:
            raise Forgotten(replay.request_id.decode("ascii"), after, replay.first - 1)
        self.replay = replay
        self.number = after
        self._block = replay.dropped
        """Which block comes next, counted from the start of the stream."""
        self._counted = replay.first - 1
        """Events before that block."""
        for block in replay.blocks:
            counted = self._counted + sse.count(block)
            if counted > after:
                break
            self._counted = counted
            self._block += 1
        if after > self._counted and not self._more():
            raise InvalidRequest(f"`after` is {after}, but the stream has only come to event {self._counted}.", "after")

    @property
    def at_end(self) -> bool:
        """Whether everything there will ever be has been given."""
        return self.replay.ended and not self.replay.forgotten and not self._more()

    def take(self) -> bytes:
        """What came since, as numbered events: about TAKE_BYTES of it, b"" if there is nothing. Raises Forgotten."""
        replay = self.replay
        if self._block < replay.dropped:
            if self.number < replay.first - 1:
                raise Forgotten(replay.request_id.decode("ascii"), self.number, replay.first - 1)
            self._block, self._counted = replay.dropped, replay.first - 1
        parts: list[bytes] = []
        size = 0
        place = self._block - replay.dropped
        while place < len(replay.blocks) and size < TAKE_BYTES:
            part, self._counted = sse.numbered(replay.blocks[place], self._counted, self.number)
            parts.append(part)
            size += len(part)
            place += 1
            self.number = max(self.number, self._counted)
        self._block = replay.dropped + place
        return b"".join(parts)

    def _more(self) -> bool:
        return self._block < self.replay.dropped + len(self.replay.blocks)


class ReplayStore:
    """All replays of one worker."""

    def __init__(self, stream_bytes: int, total_bytes: int, keep_seconds: float, tick_seconds: float = 1.0) -> None:
        self.loop = asyncio.get_running_loop()
        self.stream_bytes = stream_bytes
        self.total_bytes = total_bytes
        self.keep_seconds = keep_seconds
        self.size = 0
        self.unattended = 0
        """Live streams whose client has gone and may come back."""
        self.closing = False
        """No client can come back any more."""
        self.live: set[Replay] = set()
        self._by_id: dict[tuple[str | None, bytes], Replay] = {}
        """By owner and request id: nobody's choice of an id hides another's stream."""
        self._finished: deque[tuple[float, Replay]] = deque()
        """With the time each one may be forgotten."""
        self._tick_seconds = tick_seconds
        self._timer: asyncio.TimerHandle | None = None

    def open(self, request_id: bytes, owner: str | None = None) -> Replay:
        """A stream begins. An older one of that owner with the same id is no longer found."""
        replay = self._by_id[owner, request_id] = Replay(self, request_id, owner)
        self.live.add(replay)
        self.size += STREAM_COST
        if self._timer is None:
            self._timer = self.loop.call_later(self._tick_seconds, self._tick)
        return replay

    def find(self, request_id: bytes, reader: str | None = None) -> Replay | None:
        """The newest of that id among the reader's own and those that belong to nobody."""
        nobodys = self._by_id.get((None, request_id))
        own = self._by_id.get((reader, request_id))
        if own is None or (nobodys is not None and nobodys.started_at > own.started_at):
            return nobodys
        return own

    def finished(self, replay: Replay) -> None:
        """Keep an ended stream for the stated time."""
        self.live.discard(replay)
        self._finished.append((self.loop.time() + self.keep_seconds, replay))
        if self.keep_seconds <= 0:
            self._expire(self.loop.time())

    def make_room(self) -> None:
        """Forget until `total_bytes` are kept to: finished streams, oldest first, then of the live ones the largest.

        A live one goes down to three quarters of a fair share, so that there is room for a while.
        """
        while self.size > self.total_bytes and self._finished:
            self._forget(self._finished.popleft()[1])
        while self.size > self.total_bytes and self.live:
            fair = self.total_bytes // len(self.live)
            largest = max(self.live, key=lambda replay: replay.size)
            if not largest.size:
                return
            largest.shrink(fair * 3 // 4)

    def close(self) -> None:
        """The worker ends: streams that wait for their client to come back are told that it will not."""
        self.closing = True
        for replay in list(self.live):
            if replay.tick is not None:
                replay.tick(FOREVER)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _tick(self) -> None:
        now = self.loop.time()
        for replay in list(self.live):
            if replay.tick is not None:
                replay.tick(now)
        self._expire(now)
        again = bool(self.live or self._finished)
        self._timer = self.loop.call_later(self._tick_seconds, self._tick) if again else None

    def _expire(self, now: float) -> None:
        """Forget what has been kept long enough; one that is being read waits another while."""
        while self._finished and self._finished[0][0] <= now:
            _, replay = self._finished.popleft()
            if replay.readers and self.keep_seconds > 0:
                self._finished.append((now + self.keep_seconds, replay))
            else:
                self._forget(replay)

    def _forget(self, replay: Replay) -> None:
        replay.forgotten = True
        replay.shrink(0) if replay.readers else replay.clear()
        self.size -= STREAM_COST
        name = (replay.owner, replay.request_id)
        if self._by_id.get(name) is replay:
            del self._by_id[name]
        replay.wake()
