"""The journal: every finished call is in a file before its answer's last byte leaves, and stays until it is booked.

One process owns `JOURNAL_DIR/<name>/` (a file lock). Records are JSON lines in segment files named by their first
number; numbers are gapless and go on after a restart, so a line's place is its number. Records of one turn of the
event loop are written with one call, `write_pending`, which each door calls before it sends: so a record appended
before an answer is given to the door is in the file before the answer leaves. `kill -9` loses nothing; a power
failure loses at most `FSYNC_SECONDS`. A torn last line is cut off. Segments whose records are all acknowledged are
deleted. At `limit_bytes`, and while the disk refuses writes, `accepting` is False and the pipeline refuses new calls
(503); records of calls already under way are still written, or kept in memory until the disk takes them. Calls a dead
predecessor had in the air are recorded as lost at the start (`register.py`). Next file: `uplink.py`, which reads here.
"""

import asyncio
import logging
import os
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from billing.core.usage import CallRecord
from llm.gateway.in_flight import lost, unrecorded
from llm.gateway.journal_files import create, lines_of, lock, read_mark, recover
from llm.gateway.register import NO_SLOT, SLOTS, Register

log = logging.getLogger(__name__)

SEGMENT_BYTES = 16 * 1024 * 1024
LIMIT_BYTES = 2 * 1024 * 1024 * 1024
FSYNC_SECONDS = 1.0
RETRY_SECONDS = 0.5
REFUSED = "refused.jsonl"
_encoder = msgspec.json.Encoder()


class Journal:
    """Belongs to one event loop. `next_number` is the number the next record must carry."""

    def __init__(
        self, folder: Path, *, segment_bytes: int = SEGMENT_BYTES, limit_bytes: int = LIMIT_BYTES, slots: int = SLOTS
    ) -> None:
        """Take over the folder. Raises JournalLocked, OSError."""
        self.folder = folder
        self.loop = asyncio.get_running_loop()
        self.refused = lines_of(folder / REFUSED)
        """Records set aside because they can never be booked."""
        self.failing = False
        """The last write was refused by the disk."""
        self.accepting = True
        """Whether a new call may begin."""
        self._segment_bytes = segment_bytes
        self._limit_bytes = limit_bytes
        self._lock = lock(folder)
        try:
            self._take_over(folder, slots)
        except BaseException:
            os.close(self._lock)  # an adopter lives on, and the owner must be able to try
            raise

    def _take_over(self, folder: Path, slots: int) -> None:
        self.segments, self.next_number = recover(folder)
        self.written = self.next_number - 1
        """The highest number that is in the file."""
        self.acknowledged = min(read_mark(folder, self.segments[0].first - 1), self.written)
        self._file = os.open(self.segments[-1].path, os.O_WRONLY | os.O_APPEND)
        self._size = sum(segment.size for segment in self.segments)
        self.accepting = self._size < self._limit_bytes
        self._pending: list[bytes] = []
        self._slots: list[int] = []
        """Of the register: to be released when what is pending is written."""
        self._unsynced = False
        self.on_written: asyncio.Event = asyncio.Event()
        """Set after every write; the uplink waits for it."""
        self._retry: asyncio.TimerHandle | None = None
        """Set while the disk refuses writes: the next attempt."""
        self._syncing: asyncio.Future[None] | None = None
        self.register = Register(folder / "in-flight", slots)
        self._record_lost()
        self._timer = self.loop.call_later(FSYNC_SECONDS, self._tick)

    @property
    def lag(self) -> int:
        """Records not yet acknowledged."""
        return self.next_number - 1 - self.acknowledged

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return self._size

    def append(self, record: CallRecord, slot: int = NO_SLOT) -> None:
        """Take a record; it is written at the end of this turn, or before the next answer leaves.

        Once it is in the file, `slot` of the register is released.
        """
        if record.number != self.next_number:
            raise ValueError(f"The next record is number {self.next_number}, not {record.number}.")
        line = _encoder.encode(record)
        self.next_number += 1  # only now: a number without a line would be a hole for good
        if not self._pending:
            self.loop.call_soon(self.write_pending)
        self._pending.append(line)
        if slot >= 0:
            self._slots.append(slot)

    def set_aside(self, number: int, line: bytes) -> None:
        """Keep a record that can never be booked in `refused.jsonl`, for a person, and go on behind it."""
        self._keep_for_a_person(line)
        self.acknowledge(number)

    def _keep_for_a_person(self, line: bytes) -> None:
        with (self.folder / REFUSED).open("ab") as file:
            file.write(line + b"\n")
            file.flush()
            os.fsync(file.fileno())
        self.refused += 1

    def acknowledge(self, through: int) -> None:
        """Everything up to and including `through` is booked: segments that hold nothing else go."""
        self.acknowledged = max(self.acknowledged, min(through, self.written))
        while len(self.segments) > 1 and self.segments[1].first - 1 <= self.acknowledged:
            segment = self.segments.pop(0)
            segment.path.unlink(missing_ok=True)
            self._size -= segment.size
        self.accepting = not self.failing and self._size < self._limit_bytes

    def empty(self) -> None:
        """All is acknowledged and the worker is no more: keep only an empty segment, whose name keeps the count."""
        if self.segments[-1].size:
            self._begin_segment()
        self.acknowledge(self.written)
        (self.folder / "in-flight").unlink(missing_ok=True)

    async def close(self, before_unlocking: Callable[[], None] | None = None) -> None:
        """Write and sync what is left, and let go of the folder."""
        self._timer.cancel()
        if self._retry is not None:
            self._retry.cancel()
        self._write_again()
        if self._syncing is not None:
            await asyncio.wait([self._syncing])
        os.fsync(self._file)
        self._write_mark()
        self.register.close()
        os.close(self._file)
        if before_unlocking is not None:
            before_unlocking()
        os.close(self._lock)

    def write_pending(self) -> None:
        """Write what this turn of the loop has brought. What the disk refuses stays in memory and is tried again."""
        if not self._pending or self._retry is not None:
            return
        try:
            self._write()
            self.failing = False
        except OSError as error:
            if not self.failing:
                log.error("The journal in %s cannot be written (%s): new calls are refused.", self.folder, error)
            self.failing = True
            self._retry = self.loop.call_later(RETRY_SECONDS, self._write_again)
        self.accepting = not self.failing and self._size < self._limit_bytes
        self.on_written.set()

    def _write_again(self) -> None:
        self._retry = None
        self.write_pending()

    def _write(self) -> None:
        if self.segments[-1].size >= self._segment_bytes:
            self._begin_segment()
        segment = self.segments[-1]
        data = b"\n".join(self._pending) + b"\n"
        done = 0
        try:
            while done < len(data):
                done += os.write(self._file, memoryview(data)[done:])
        except OSError:
            os.ftruncate(self._file, segment.size)  # no half line stays; the lines are still pending
            raise
        self.written += len(self._pending)
        self._pending.clear()
        for slot in self._slots:
            self.register.release(slot)
        self._slots.clear()
        segment.size += done
        self._size += done
        self._unsynced = True

    def _record_lost(self) -> None:
        left = self.register.left
        if not left:
            return
        missing = dict(unrecorded(left, self.segments[-1].path.read_bytes().splitlines()))
        now = time.time_ns()
        unreadable = 0
        for slot, entry in left:
            if slot not in missing:
                self.register.release(slot)
                continue
            try:
                self.append(lost(entry, self.next_number, now), slot)
            except (msgspec.MsgspecError, ValueError, OverflowError) as error:  # it must not stop every later start
                unreadable += 1
                self._keep_for_a_person(msgspec.json.encode(entry))
                self.register.release(slot)
                log.error(
                    "Call %s, in the air at a crash, cannot be recorded (%s): set aside in %s.",
                    entry.id,
                    error,
                    REFUSED,
                )
        recorded = len(missing) - unreadable
        log.warning("A predecessor died with %d calls in the air; they are recorded as lost, by estimate.", recorded)
        self.register.left = []

    def _begin_segment(self) -> None:
        segment = create(self.folder, self.written + 1)
        os.fsync(self._file)
        os.close(self._file)
        self._file = os.open(segment.path, os.O_WRONLY | os.O_APPEND)
        self.segments.append(segment)

    def _tick(self) -> None:
        """Sync in a thread: a slow disk must not stop the loop."""
        if self._unsynced and self._syncing is None:
            self._unsynced = False
            self._syncing = self.loop.run_in_executor(None, self._sync, os.dup(self._file))
            self._syncing.add_done_callback(self._synced)
        self._timer = self.loop.call_later(FSYNC_SECONDS, self._tick)

    def _sync(self, file: int) -> None:
        try:
            os.fsync(file)
        finally:
            os.close(file)
        self._write_mark()

    def _synced(self, done: "asyncio.Future[None]") -> None:
        self._syncing = None
        if done.exception() is not None:
            log.error("The journal in %s could not be synced: %s", self.folder, done.exception())
            self._unsynced = True

    def _write_mark(self) -> None:
        """Remember roughly how far we are: too low a mark only sends records again, which are booked once."""
        mark = self.folder / "acknowledged.new"
        mark.write_text(str(self.acknowledged))
        mark.replace(self.folder / "acknowledged")
