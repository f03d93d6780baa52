"""Deltas back into a whole reply: what a stream said, said at once.

`Assembly` takes the deltas of any dialect in order. It holds as much as the answer is long, at most `limit` bytes of
it. A choice without a finish reason was cut off: `reply` says `length` for it, as nothing says it was complete.
Next file: `dialects/translation.py`, what a dialect offers.
"""

import base64
from collections.abc import Iterable

import msgspec

from billing.core.pricing import Usage
from llm.core.conversation import Audio, Choice, Citation, Part, Refusal, Reply, Text, Thinking, TokenLogprob, ToolCall
from llm.core.deltas import (
    ArgumentsDelta,
    AudioDelta,
    CitationDelta,
    Delta,
    Finished,
    ImageDelta,
    LogprobsDelta,
    NativeDelta,
    RefusalDelta,
    Started,
    TextDelta,
    ThinkingDelta,
    ToolCallStarted,
    UsageDelta,
)
from llm.core.errors import ProviderBroken

MAX_BYTES = 32 * 1024 * 1024
"""Of one answer that is held: pictures and sounds come in base64."""
_encode = msgspec.json.Encoder().encode

Piece = (
    TextDelta
    | CitationDelta
    | RefusalDelta
    | ThinkingDelta
    | ImageDelta
    | AudioDelta
    | NativeDelta
    | ToolCallStarted
    | ArgumentsDelta
)


class _Pieces:
    """One part while it grows."""

    __slots__ = ("citations", "first", "redacted", "signature", "sounds", "texts")

    def __init__(self, first: Delta) -> None:
        self.first = first
        self.texts: list[str] = []
        self.citations: list[Citation] = []
        self.signature: str | None = None
        self.redacted: str | None = None
        self.sounds: list[Audio] = []

    def whole(self) -> Part:
        text = "".join(self.texts)
        first = self.first
        if isinstance(first, ToolCallStarted):
            arguments = text if first.custom else text or "{}"
            return ToolCall(first.id, first.name, arguments, first.custom, self.signature)
        if isinstance(first, ThinkingDelta):
            return Thinking(text, self.signature, self.redacted, first.id, first.origin)
        if isinstance(first, RefusalDelta):
            return Refusal(text)
        if isinstance(first, ImageDelta):
            return first.image
        if isinstance(first, NativeDelta):
            return first.native
        if isinstance(first, AudioDelta):
            return _sound(self.sounds)
        return Text(text, tuple(self.citations), signature=self.signature)


def _sound(pieces: list[Audio]) -> Audio:
    data = b"".join([base64.b64decode(piece.data) for piece in pieces if piece.data])
    transcript = "".join([piece.transcript for piece in pieces if piece.transcript])
    identity = next((piece.id for piece in pieces if piece.id), None)
    expires_at = next((piece.expires_at for piece in pieces if piece.expires_at), None)
    return Audio(base64.b64encode(data).decode() or None, pieces[0].format, identity, transcript or None, expires_at)


class Assembly:
    """See the header."""

    def __init__(self, limit: int = MAX_BYTES) -> None:
        self._limit = limit
        self._size = 0
        self._started = Started("", "")
        self._parts: dict[int, dict[int, _Pieces]] = {}
        self._ends: dict[int, Finished] = {}
        self._logprobs: dict[int, list[TokenLogprob]] = {}
        self._usage: Usage | None = None

    def add(self, deltas: Iterable[Delta]) -> None:
        """Raises ProviderBroken when the answer is longer than the limit."""
        for delta in deltas:
            self._size += _weight(delta)
            if self._size > self._limit:
                raise ProviderBroken(f"The provider's answer is longer than {self._limit} bytes.")
            if isinstance(delta, Started):
                self._started = delta
            elif isinstance(delta, UsageDelta):
                self._usage = delta.usage
            elif isinstance(delta, Finished):
                self._ends[delta.choice] = delta
            elif isinstance(delta, LogprobsDelta):
                self._logprobs.setdefault(delta.choice, []).extend(delta.logprobs)
            else:
                self._grow(delta)

    def _grow(self, delta: Piece) -> None:
        parts = self._parts.setdefault(delta.choice, {})
        pieces = parts.get(delta.part)
        if pieces is None:
            pieces = parts[delta.part] = _Pieces(delta)
        if isinstance(delta, CitationDelta):
            pieces.citations.append(delta.citation)
        elif isinstance(delta, TextDelta | RefusalDelta | ThinkingDelta | ArgumentsDelta):
            pieces.texts.append(delta.text)
        elif isinstance(delta, AudioDelta):
            pieces.sounds.append(delta.audio)
        if isinstance(delta, TextDelta | ThinkingDelta | ToolCallStarted) and delta.signature:
            pieces.signature = (pieces.signature or "") + delta.signature
        if isinstance(delta, ThinkingDelta) and delta.redacted:
            pieces.redacted = (pieces.redacted or "") + delta.redacted

    def part(self, choice: int, number: int) -> Part:
        """One part as far as it has come."""
        return self._parts[choice][number].whole()

    def numbers(self, choice: int) -> list[int]:
        """The numbers of a choice's parts, in their order."""
        return sorted(self._parts.get(choice, {}))

    def logprobs(self, choice: int) -> tuple[TokenLogprob, ...]:
        """Of a choice, as far as they have come."""
        return tuple(self._logprobs.get(choice, ()))

    def reply(self) -> Reply:
        indexes = sorted(self._parts.keys() | self._ends.keys())
        return Reply(
            self._started.id, self._started.model, tuple(self._choice(index) for index in indexes), self._usage
        )

    def _choice(self, index: int) -> Choice:
        parts = self._parts.get(index, {})
        end = self._ends.get(index, Finished(index, "length"))
        return Choice(
            index,
            tuple(parts[number].whole() for number in sorted(parts)),
            end.finish,
            end.stop_sequence,
            end.native,
            tuple(self._logprobs.get(index, ())),
            end.safety,
        )


def _weight(delta: Delta) -> int:
    """About the bytes it adds to the answer; what is no text is counted as JSON."""
    if isinstance(delta, TextDelta | RefusalDelta | ArgumentsDelta):
        return len(delta.text.encode())
    if isinstance(delta, ThinkingDelta):
        return len(delta.text.encode()) + len(delta.signature or "") + len(delta.redacted or "")
    return len(_encode(delta))


def assemble(deltas: Iterable[Delta]) -> Reply:
    """The reply that these deltas, all of a stream, amount to."""
    assembly = Assembly()
    assembly.add(deltas)
    return assembly.reply()
