"""Server-sent events as bytes: cut a byte stream at event boundaries without looking into the events.

`EventCutter.feed` returns the whole events it has, as one block, however the bytes arrived; an unfinished event
waits, at most `MAX_EVENT_BYTES` of it. `events` reads them one by one, `count` counts them, `numbered` gives them ids.
An event's number is its count from the start of the stream, the first being 1, however the bytes were cut; comments and
spare blank lines are no events. Line ends may be LF or CRLF (a lone CR, which the standard also allows, no provider
sends). Source: https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

import re
from collections.abc import Iterator

from llm.core.errors import ProviderBroken

MAX_EVENT_BYTES = 8 * 1024 * 1024
BOUNDARY = re.compile(rb"\n\r?\n")
DONE = b"data: [DONE]\n\n"
KEEP_ALIVE = b": keep-alive\n\n"
KEEP_ALIVE_LINE = b": keep-alive\n"
"""The same for numbered streams, where a blank line would end an event: this one becomes part of the next."""
CONTENT_TYPE = b"text/event-stream"


class EventCutter:
    """Holds the unfinished last event of a stream."""

    __slots__ = ("_held", "_size", "_tail")

    def __init__(self) -> None:
        self._held: list[bytes] = []
        self._size = 0
        self._tail = b""
        """The last bytes held: a blank line may begin in them."""

    def feed(self, data: bytes) -> bytes:
        """All events that are complete now, or b"". Raises ProviderBroken for one that is too long."""
        end = _last_boundary(self._tail + data) - len(self._tail) if self._tail else _last_boundary(data)
        if end <= 0:
            self._hold(data)
            return b""
        block = data[:end]
        if self._held:
            block = b"".join(self._held) + block
            self._held.clear()
            self._size = 0
            self._tail = b""
        if end < len(data):
            self._hold(data[end:])
        return block

    def rest(self) -> bytes:
        """What is left when the stream has ended: an event whose blank line never came, or b""."""
        left = b"".join(self._held)
        self._held.clear()
        self._tail = b""
        return left

    def _hold(self, data: bytes) -> None:
        self._held.append(data)
        self._size += len(data)
        self._tail = (self._tail + data)[-3:]
        if self._size > MAX_EVENT_BYTES:
            raise too_large()


def too_large() -> ProviderBroken:
    """What streams longer events is no event stream, or a hostile one."""
    return ProviderBroken(f"An event of more than {MAX_EVENT_BYTES} bytes.")


def events(block: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Each event of a block of whole events: its bytes as they came, and its `data` (b"" for a comment)."""
    start = 0
    for boundary in BOUNDARY.finditer(block):
        event = block[start : boundary.end()]
        start = boundary.end()
        yield event, data_of(event)


def data_in(block: bytes) -> Iterator[bytes]:
    """The `data` of each event of a block, without comments; the last event may lack its blank line."""
    end = 0
    for boundary in BOUNDARY.finditer(block):
        data = data_of(block[end : boundary.start()])
        end = boundary.end()
        if data:
            yield data
    if end < len(block):
        data = data_of(block[end:])
        if data:
            yield data


def count(block: bytes) -> int:
    """How many events a block of whole events holds."""
    if block[:1] in (b":", b"\n") or b"\n:" in block or b"\n\n\n" in block or b"\r" in block:
        return sum(_is_event(event) for event, _ in events(block))
    return block.count(b"\n\n")


def numbered(block: bytes, before: int, after: int = 0) -> tuple[bytes, int]:
    """The events of a block, each with its number as its `id`, but for those up to number `after`.

    `before` is how many events came before the block; how many have come with it is returned beside the bytes.
    Comments are left out: after an `id` some clients (OpenAI's Python SDK) take the end of a comment for an event.
    """
    parts: list[bytes] = []
    number = before
    for event, _ in events(block):
        if _is_event(event):
            number += 1
            if number > after:
                parts.append(b"id: %d\n%b" % (number, _without_id(event)))
    return b"".join(parts), number


def data_of(event: bytes) -> bytes:
    """The `data` lines of one event, joined as the standard says."""
    lines = [line[5:].removeprefix(b" ") for line in event.splitlines() if line.startswith(b"data:")]
    return b"\n".join(lines)


def _is_event(event: bytes) -> bool:
    return any(line and line[:1] != b":" for line in event.splitlines())


def _without_id(event: bytes) -> bytes:
    """The event without a provider's own `id`, which would win over ours, and without blank lines in front."""
    event = event.lstrip(b"\r\n")
    if b"id" not in event or not any(_names_id(line) for line in event.splitlines()):
        return event
    return b"".join([line for line in event.splitlines(keepends=True) if not _names_id(line)])


def _names_id(line: bytes) -> bool:
    return line.strip(b"\r\n") == b"id" or line.startswith(b"id:")


def _last_boundary(data: bytes) -> int:
    """The index after the last blank line, or 0."""
    plain = data.rfind(b"\n\n")
    dressed = data.rfind(b"\n\r\n") if b"\r" in data else -1  # most streams have none, and one byte is soon looked for
    return max(plain + 2 if plain >= 0 else 0, dressed + 3 if dressed >= 0 else 0)
