"""Gemini's two ways to stream, told apart by the first byte: server-sent events (`alt=sse`) or one JSON array.

Neither has an end mark of its own: an answer is done when as many candidates as were asked for have their finish
reason, or, at the connection's end, each that was seen. Calls come whole.
Next file: `../ollama/__init__.py`.
"""

import re

from billing.core.pricing import Usage
from llm.core import sse
from llm.core.deltas import Delta
from llm.core.dialects.event_decoder import WRONG
from llm.core.dialects.google.decoding import Pieces, decode_error
from llm.core.dialects.google.wire import chunk_of
from llm.core.dialects.translation import broken
from llm.core.errors import ProviderError

MARKS = re.compile(rb'["\\{}]')


class ArrayCutter:
    """The objects of a JSON array as they become complete. At most `sse.MAX_EVENT_BYTES` of one wait."""

    __slots__ = ("_at", "_depth", "_held", "_in_text", "_start")

    def __init__(self) -> None:
        self._held = b""
        self._at = 0
        self._start = -1
        self._depth = 0
        self._in_text = False

    def feed(self, data: bytes) -> list[bytes]:
        """Raises ProviderBroken for one that is too long."""
        self._held += data
        found: list[bytes] = []
        while (mark := MARKS.search(self._held, self._at)) is not None:
            sign = mark.group()
            if self._in_text and sign == b"\\":
                if mark.end() == len(self._held):
                    break  # what it escapes has not come yet
                self._at = mark.end() + 1
                continue
            self._at = mark.end()
            if sign == b'"':
                self._in_text = not self._in_text
            elif not self._in_text:
                self._brace(sign, mark.start(), found)
        if self._start < 0:
            self._held, self._at = self._held[self._at :], 0
        elif self._start > 0:
            self._held, self._at, self._start = self._held[self._start :], self._at - self._start, 0
        if len(self._held) > sse.MAX_EVENT_BYTES:
            raise sse.too_large()
        return found

    def _brace(self, sign: bytes, place: int, found: list[bytes]) -> None:
        if sign == b"{":
            if self._depth == 0:
                self._start = place
            self._depth += 1
        elif sign == b"}" and self._depth:
            self._depth -= 1
            if self._depth == 0:
                found.append(self._held[self._start : place + 1])
                self._start = -1


class ContentDecoder:
    """See `translation.DeltaDecoder`."""

    __slots__ = ("_array", "_choices", "_cutter", "_pieces", "_provider", "_secret", "done", "error")

    def __init__(self, seed: str, provider: str, secret: str | None, choices: int = 1) -> None:
        self._choices = choices
        self._pieces = Pieces(seed)
        self._cutter: sse.EventCutter | None = None
        self._array: ArrayCutter | None = None
        self._provider = provider
        self._secret = secret
        self.done = False
        self.error: ProviderError | None = None

    @property
    def usage(self) -> Usage | None:
        return self._pieces.usage

    def feed(self, data: bytes) -> list[Delta]:
        if self._cutter is None and self._array is None:
            data = data.lstrip()
            if not data:
                return []
            if data.startswith((b"[", b"{")):
                self._array = ArrayCutter()
            else:
                self._cutter = sse.EventCutter()
        if self._array is not None:
            return self._read(self._array.feed(data))
        assert self._cutter is not None
        return self._read(list(sse.data_in(self._cutter.feed(data))))

    def finish(self) -> list[Delta]:
        found = [] if self._cutter is None else self._read(list(sse.data_in(self._cutter.rest())))
        self.done = self._pieces.complete and self.error is None  # Gemini may give fewer than were asked for
        return found

    def _read(self, events: list[bytes]) -> list[Delta]:
        found: list[Delta] = []
        for data in events:
            if self.error is not None:
                break
            chunk = chunk_of(data)
            if chunk is None:
                raise broken(self._provider, data)
            if chunk.error is not None:
                self.error = decode_error(0, data, self._provider, self._secret)
                break
            try:
                found.extend(self._pieces.read(chunk))
            except WRONG:
                raise broken(self._provider, data) from None
        self.done = self._pieces.has_all(self._choices) and self.error is None
        return found
