"""Reads the journal's lines in order for the uplink, as bytes: they go into a frame without being decoded again.

Holds a place (segment and offset) and reads on from there; `rewind` finds the line after a number, by counting lines.
Nothing is kept in memory but one chunk, however far behind the control plane is.
"""

import os

from llm.gateway.journal import Journal

CHUNK_BYTES = 512 * 1024


class JournalReader:
    """A place in the journal."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._number = 0
        """The last line handed out."""
        self._file = -1
        self._first = 0
        self._offset = 0

    def rewind(self, number: int) -> None:
        """The next line is the one after `number`, or the oldest there is."""
        segments = [one for one in self._journal.segments if one.first <= number + 1]
        segment = segments[-1] if segments else self._journal.segments[0]
        self._open(segment.first)
        self._number = segment.first - 1
        while self._number < number:
            lines = self._lines(number - self._number)
            if not lines:
                return

    def read(self, most: int) -> tuple[list[bytes], int]:
        """Up to `most` lines that are written and not handed out yet, and the number of the last one."""
        lines = self._lines(most)
        if not lines and self._number < self._journal.written:
            following = [one.first for one in self._journal.segments if one.first > self._first]
            if following:
                self._open(following[0])
                self._number = following[0] - 1
                lines = self._lines(most)
        return lines, self._number

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _open(self, first: int) -> None:
        self.close()
        path = next(one.path for one in self._journal.segments if one.first == first)
        self._file = os.open(path, os.O_RDONLY)
        self._first = first
        self._offset = 0

    def _lines(self, most: int) -> list[bytes]:
        chunk = os.pread(self._file, CHUNK_BYTES, self._offset)
        lines = chunk.split(b"\n", most)[:-1] if chunk else []
        lines = lines[:most]
        self._offset += sum(map(len, lines)) + len(lines)
        self._number += len(lines)
        return lines
