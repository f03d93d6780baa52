"""A reply and the order in which it is sent: a head and `steps()`: bytes to send, pauses, and the point where the
connection is cut or left hanging. Made in `replies.py`, carried out by `server.py`.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from llm.sandbox.conversation import Conversation
from llm.sandbox.faults import HEALTHY, Behaviour


@dataclass(frozen=True)
class Wait:
    """Send nothing for this long."""

    seconds: float


@dataclass(frozen=True)
class Hang:
    """Send nothing any more and keep the connection open until the client leaves."""


@dataclass(frozen=True)
class Cut:
    """Close the connection at once."""


Step = bytes | Wait | Hang | Cut


@dataclass
class Reply:
    """What to answer. `parts` are the events of a stream, or one whole body."""

    status: int
    parts: tuple[bytes, ...]
    streamed: bool = False
    content_type: str = "application/json"
    behaviour: Behaviour = HEALTHY
    remember: tuple[str, Conversation] | None = None
    """Whoever sends it shall keep this (`memory.py`)."""
    cacheable: bool = True
    """The same request would get the same reply again."""

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """All but framing (Content-Length or chunked), which belongs to the server."""
        found = [("content-type", self.content_type), ("x-sandbox", "not a language model")]
        if self.status >= 400 and self.behaviour.retry_after is not None:
            found.append(("retry-after", f"{self.behaviour.retry_after:g}"))
        return tuple(found)

    @property
    def length(self) -> int:
        """Bytes of the whole body."""
        return sum(map(len, self.parts))

    @property
    def plain(self) -> bool:
        """Nothing to wait for and nothing to break: it can be sent in one go."""
        told = self.behaviour
        return told is HEALTHY or not (
            told.delay or told.rate or told.split or told.drip or told.cut is not None or told.hang is not None
        )

    def before(self) -> Iterator[Step]:
        """What happens before the first byte of the head."""
        if self.behaviour.delay:
            yield Wait(self.behaviour.delay)
        if self.behaviour.cut == "before":
            yield Cut()
        if self.behaviour.hang == "before":
            yield Hang()

    def steps(self) -> Iterator[Step]:
        """What happens after the head. A made-up one at a time: a huge reply in single bytes costs no memory."""
        told = self.behaviour
        places = [(place, end) for place, end in ((told.cut, Cut()), (told.hang, Hang())) if isinstance(place, int)]
        stop, end = min(places, key=lambda pair: pair[0]) if places else (None, None)
        parts = self.parts if self.streamed else tuple(part[:stop] for part in self.parts)
        for index, part in enumerate(parts):
            if self.streamed and index == stop:
                break
            if told.rate and self.streamed and index:
                yield Wait(1 / told.rate)
            yield from self._in_parts(part)
        if end is not None:
            yield end

    def _in_parts(self, part: bytes) -> Iterator[Step]:
        size = self.behaviour.split or (1 if self.behaviour.drip else len(part) or 1)
        for start in range(0, len(part), size):
            if self.behaviour.drip:
                yield Wait(self.behaviour.drip)
            yield part[start : start + size]
