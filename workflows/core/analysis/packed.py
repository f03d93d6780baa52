"""Markings as one integer each, so that firing is one addition and enabledness one addition and one comparison.

Every place has a field of WIDTH bits, the highest of which is a guard: adding `2**(WIDTH-1) - n` to a count sets it
exactly when the count is n or more. No count reaches the guard by itself: a search of at most L markings adds at most
L times the largest output, which `fields_for` leaves room for. Next: `reachability.py`.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from workflows.core.analysis.plain import Marking, PlainNet, Row


@dataclass(frozen=True, slots=True)
class PackedRow:
    """Enabled in m iff (m + need_add) & need_mask == need_mask and not (m + block_add) & block_mask."""

    need_add: int
    need_mask: int
    block_add: int
    block_mask: int
    change: int
    """Added by a firing; for a row with resets: only what it takes, before the emptying."""
    keep: int
    """What a reset leaves; -1 (everything) where there is none."""
    gives: int
    """Added after the emptying; 0 without resets."""

    def test(self, number: int) -> "Test":
        return number, self.need_add, self.need_mask, self.block_add, self.block_mask


Test = tuple[int, int, int, int, int]
"""A row's number, and the four numbers that decide whether it is enabled, in the order of PackedRow."""


@dataclass(frozen=True, slots=True)
class Fields:
    """How many bits a place has: 32 or 64."""

    width: int
    places: int

    def pack(self, marking: Marking) -> int:
        return sum(count << (at * self.width) for at, count in enumerate(marking))

    def unpack(self, packed: int) -> Marking:
        raw = packed.to_bytes(self.places * self.width // 8, "little")
        return struct.unpack(f"<{self.places}{'I' if self.width == 32 else 'Q'}", raw)

    def row(self, row: Row) -> PackedRow:
        guard = 1 << (self.width - 1)
        takes, gives = self._sum(row.takes), self._sum(row.gives)
        emptied = sum(((1 << self.width) - 1) << (at * self.width) for at in row.resets)
        return PackedRow(
            need_add=sum((guard - count) << (at * self.width) for at, count in row.needs),
            need_mask=sum(guard << (at * self.width) for at, _ in row.needs),
            block_add=sum((guard - count) << (at * self.width) for at, count in row.blocks),
            block_mask=sum(guard << (at * self.width) for at, _ in row.blocks),
            change=-takes if row.resets else gives - takes,
            keep=~emptied if row.resets else -1,
            gives=gives if row.resets else 0,
        )

    def _sum(self, pairs: tuple[tuple[int, int], ...]) -> int:
        return sum(count << (at * self.width) for at, count in pairs)


def fields_for(net: PlainNet, limit: int) -> Fields:
    """Fields wide enough for every count that `limit` markings can come to, and for every bound asked about."""
    asked = [count for row in net.rows for _, count in (*row.needs, *row.blocks)]
    given = max((count for row in net.rows for _, count in row.gives), default=0)
    highest = max([*net.initial, *asked, 0]) + given * (limit + 1)
    return Fields(32 if highest < 2**31 else 64, len(net.places))


def touched_by(net: PlainNet) -> list[tuple[int, ...]]:
    """For each row, the rows whose enabledness a firing of it can change."""
    watching: dict[int, set[int]] = {}
    for number, row in enumerate(net.rows):
        for at, _ in (*row.needs, *row.blocks):
            watching.setdefault(at, set()).add(number)
    changed = [{at for at, _ in row.change} | set(row.resets) for row in net.rows]
    return [tuple(sorted(set().union(*(watching.get(at, ()) for at in places)))) for places in changed]


def enabled_of(tests: Sequence[Test], marking: int) -> list[int]:
    """The numbers of the rows that pass their test."""
    return [
        number
        for number, need_add, need_mask, block_add, block_mask in tests
        if (marking + need_add) & need_mask == need_mask and not (block_mask and (marking + block_add) & block_mask)
    ]


def enabled_after(before: list[int], touched: frozenset[int], tests: Sequence[Test], marking: int) -> list[int]:
    """The rows enabled now: those that the firing did not touch, and of the touched those that pass their test."""
    left = [number for number in before if number not in touched]
    left += enabled_of(tests, marking)
    left.sort()
    return left
