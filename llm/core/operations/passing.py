"""What the decoders of streams that pass as bytes have in common: whole events go on as they came, in blocks.

Each operation says what it notes of a block and holds back of it (`_pass`). An event whose blank line never came is
finished with one. Next file: `choices.py`.
"""

from abc import ABC, abstractmethod

from llm.core import sse


class PassedEvents(ABC):
    """The half of a `StreamDecoder` that knows nothing of any wire."""

    __slots__ = ("_cutter",)

    def __init__(self) -> None:
        self._cutter = sse.EventCutter()

    def feed(self, data: bytes) -> bytes:
        """Raises ProviderBroken."""
        block = self._cutter.feed(data)
        return self._pass(block) if block else b""

    def finish(self) -> bytes:
        rest = self._cutter.rest()
        if not rest or not sse.data_of(rest):
            return b""
        return self._pass(rest.rstrip(b"\r\n") + b"\n\n")

    @abstractmethod
    def _pass(self, block: bytes) -> bytes:
        """What of a block of whole events goes to the client now."""
