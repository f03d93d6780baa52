"""The half that the decoders of event streams have in common: bytes in, cut anywhere, and one event after another read.

Each wire adds what an event says (`_read`). Promised here: nothing is read after the wire's own end or an error in
band, and an event of another shape than the wire's is `ProviderBroken`, whatever is wrong with it. Next file:
`openai_errors.py`.
"""

from abc import ABC, abstractmethod

import msgspec

from billing.core.pricing import Usage
from llm.core import sse
from llm.core.deltas import Delta
from llm.core.dialects.translation import broken
from llm.core.errors import ProviderError

WRONG = (msgspec.DecodeError, UnicodeDecodeError, RecursionError, AttributeError, KeyError, TypeError, ValueError)
"""What comes of members of another shape than a wire's."""


class EventDecoder(ABC):
    """See `translation.DeltaDecoder`."""

    __slots__ = ("_cutter", "_provider", "_secret", "done", "error", "usage")

    def __init__(self, provider: str, secret: str | None) -> None:
        self._cutter = sse.EventCutter()
        self._provider = provider
        self._secret = secret
        self.usage: Usage | None = None
        self.done = False
        self.error: ProviderError | None = None

    def feed(self, data: bytes) -> list[Delta]:
        """Raises ProviderBroken."""
        return self._events(self._cutter.feed(data))

    def finish(self) -> list[Delta]:
        """Raises ProviderBroken."""
        return self._events(self._cutter.rest())

    def take(self, data: bytes, found: list[Delta]) -> None:
        """One event, or a whole answer on a wire where both look alike. Raises ProviderBroken."""
        try:
            self._read(data, found)
        except WRONG:
            raise broken(self._provider, data) from None

    @abstractmethod
    def _read(self, data: bytes, found: list[Delta]) -> None:
        """What one event says, into `found`. May raise any of WRONG."""

    def _events(self, block: bytes) -> list[Delta]:
        found: list[Delta] = []
        for data in sse.data_in(block):
            if self.done or self.error is not None:
                break
            self.take(data, found)
        return found
