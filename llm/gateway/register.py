"""Which calls are at a provider right now, in a file that outlives `kill -9`: what a dead worker had in the air.

A call enters its slot before its first byte leaves for the provider, and leaves it once its record is in the journal
file. So whatever the file still holds at the next start was sent and never recorded: the journal books it as `lost`, by
our estimate and under the id it had. The file is memory-mapped (no system call per call) and its blocks are reserved,
because a full disk would otherwise kill the process. Not promised: a power failure may lose what the system had not
written yet (usually 30 s). A call that finds no slot goes on without one: `SLOTS` is as many as can be under way.
Next file: `in_flight.py`, what a slot holds.
"""

import logging
import mmap
import os
from pathlib import Path

import msgspec

from llm.gateway.in_flight import Entry

log = logging.getLogger(__name__)

SLOT_BYTES = 1024
SLOTS = 20_000
LENGTH = 2
"""Bytes of a slot that say how long its entry is; 0: free. Written after the entry, so that a torn one is not seen."""
FREE = b"\x00" * LENGTH
NO_SLOT = -1

_encoder = msgspec.json.Encoder()
_entry = msgspec.json.Decoder(Entry)


class Register:
    """See the header. Belongs to one process: whoever holds the journal's lock."""

    def __init__(self, path: Path, slots: int = SLOTS) -> None:
        self.left: list[tuple[int, Entry]] = []
        """What a predecessor had in the air, with its slots: taken until they are released."""
        self._free: list[int] = []
        self._fresh = self._count = 0
        """Slots from `_fresh` to `_count` have never been used: they are taken last, so few pages are touched."""
        self._map: mmap.mmap | None = None
        try:
            self._open(path, slots)
        except OSError as error:
            log.error("%s cannot be kept (%s): a crash would lose the calls in the air.", path, error)

    def enter(self, entry: Entry, slot: int = NO_SLOT) -> int:
        """Put a call in `slot`, or in a free one; returns where it is, NO_SLOT if nowhere."""
        held = self._map
        if held is None:
            return slot
        data = _encoder.encode(entry)
        if len(data) > SLOT_BYTES - LENGTH:  # very long names: what identifies and prices the call stays
            data = _encoder.encode(
                msgspec.structs.replace(entry, requested_model="", user=None, project=None, origin=None)
            )
            if len(data) > SLOT_BYTES - LENGTH:
                return slot
        if slot >= 0:
            held[slot * SLOT_BYTES : slot * SLOT_BYTES + LENGTH] = FREE
        else:
            if self._free:
                slot = self._free.pop()
            elif self._fresh < self._count:
                slot = self._fresh
                self._fresh += 1
            else:
                return NO_SLOT
        at = slot * SLOT_BYTES
        held[at + LENGTH : at + LENGTH + len(data)] = data
        held[at : at + LENGTH] = len(data).to_bytes(LENGTH, "little")
        return slot

    def release(self, slot: int) -> None:
        """The call is on record, or was never sent."""
        if slot >= 0 and self._map is not None:
            at = slot * SLOT_BYTES
            self._map[at : at + LENGTH] = FREE
            self._free.append(slot)

    def close(self) -> None:
        if self._map is not None:
            self._map.close()
            self._map = None

    def _open(self, path: Path, slots: int) -> None:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            size = os.fstat(file).st_size
            wanted = max(slots * SLOT_BYTES, size)
            if size < wanted:
                os.posix_fallocate(file, 0, wanted)
            self._map = mmap.mmap(file, wanted)
        finally:
            os.close(file)
        self._count = wanted // SLOT_BYTES
        if size:
            self._look_back(size // SLOT_BYTES)

    def _look_back(self, slots: int) -> None:
        held = self._map
        assert held is not None
        for slot in range(slots):
            at = slot * SLOT_BYTES
            length = int.from_bytes(held[at : at + LENGTH], "little")
            if not length:
                continue
            self._fresh = slot + 1
            try:
                self.left.append((slot, _entry.decode(held[at + LENGTH : at + LENGTH + length])))
            except (msgspec.DecodeError, UnicodeDecodeError):
                log.error("A slot of %d bytes in the register of calls cannot be read; it is passed over.", length)
        taken = {slot for slot, _ in self.left}
        self._free = [slot for slot in range(self._fresh) if slot not in taken]
