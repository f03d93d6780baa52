"""The terminal, shared by many processes: whole lines, each with the name of who wrote it, from one thread.

Children must never wait for a terminal that was paused or a pipe nobody reads: lines go through a bounded queue, and
what does not fit is counted and dropped. A closed terminal ends the writing, not the product.
"""

import asyncio
import contextlib
import queue
import threading
from typing import TextIO

MAX_WAITING = 10_000
"""Lines; more are dropped, and the drop is said as soon as there is room."""
MAX_LINE = 64 * 1024
"""Bytes; a longer line is shown in pieces."""
COLOURS = ("36", "33", "35", "32", "34", "96", "93")


class Console:
    """`say` for the supervisor's own lines, `copy` for a child's output."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._colour = stream.isatty()
        self._lines: queue.Queue[str | None] = queue.Queue(MAX_WAITING)
        self._dropped = 0
        self._names: dict[str, str] = {}
        self._thread = threading.Thread(target=self._write, name="console", daemon=True)
        self._thread.start()

    def say(self, text: str) -> None:
        for line in text.split("\n"):
            self._put(line)

    async def copy(self, name: str, source: asyncio.StreamReader) -> None:
        """Show every line of `source` until it ends."""
        rest = b""
        while chunk := await source.read(MAX_LINE):
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                self._put(self._prefix(name) + line.decode(errors="replace"))
            if len(rest) >= MAX_LINE:
                self._put(self._prefix(name) + rest.decode(errors="replace"))
                rest = b""
        if rest:
            self._put(self._prefix(name) + rest.decode(errors="replace"))

    def close(self, seconds: float = 2.0) -> None:
        """Write what waits, for so long at most."""
        with contextlib.suppress(queue.Full):
            self._lines.put(None, timeout=seconds)
        self._thread.join(seconds)

    def _prefix(self, name: str) -> str:
        if name not in self._names:
            shown = f"{name:<9}"
            colour = COLOURS[len(self._names) % len(COLOURS)]
            self._names[name] = f"\x1b[{colour}m{shown}\x1b[0m | " if self._colour else f"{shown} | "
        return self._names[name]

    def _put(self, line: str) -> None:
        try:
            if self._dropped:
                self._lines.put_nowait(f"({self._dropped} lines were dropped: the terminal was too slow)")
                self._dropped = 0
            self._lines.put_nowait(line)
        except queue.Full:
            self._dropped += 1

    def _write(self) -> None:
        gone = False
        while (line := self._lines.get()) is not None:
            if gone:
                continue  # read on all the same, so that the queue never fills
            try:
                self._stream.write(line + "\n")
                if self._lines.empty():
                    self._stream.flush()
            except (OSError, ValueError):
                gone = True
