"""Gemini's generateContent passed through as bytes: for Google's own SDKs, when Google itself answers.

What changes: the model's name and the way of streaming go back into the address, our own members are left out, and what
the provider's row renames or refuses is (`../request_fit.py`). The answer is not touched, but for the cost where the
client asked for it; of a stream only the events that end it or fail are read, and the last that counts. Where several
candidates were asked for, each event is: only so is known which of them has ended. Source:
https://ai.google.dev/api/generate-content
"""

import re

import msgspec

from billing.core.pricing import Usage
from llm.core import sse
from llm.core.dialects import google
from llm.core.dialects.google.wire import chunk_of
from llm.core.dialects.translation import Outgoing
from llm.core.error_shapes import google_event
from llm.core.errors import LlmError, ProviderBroken, ProviderError
from llm.core.operations import Attempt
from llm.core.operations.estimate import tokens_in
from llm.core.operations.gemini_usage import UsageMetadata, usage_of
from llm.core.operations.members import rewrite
from llm.core.operations.usage import with_cost
from llm.core.request_fit import fit

TELLING = re.compile(rb'"(?:finishReason|blockReason)"\s*:\s*"|"error"\s*:\s*\{')
COUNTED, CONTENT = b'"usageMetadata"', b'"parts"'


class Counted(msgspec.Struct, rename="camel"):
    """What is read of an event that counts."""

    usage_metadata: UsageMetadata | None = None


_counted = msgspec.json.Decoder(Counted)


def encode(attempt: Attempt) -> Outgoing:
    """The client's bytes, without what we put into them."""
    request, model, provider = attempt.request, attempt.deployment.model, attempt.deployment.provider
    changes = attempt.operation.changes(attempt.body, request)
    dropped: tuple[str, ...] = ()
    if provider.members:
        changes, dropped = fit(provider, attempt.body, changes)
    body = rewrite(attempt.body, request.model, attempt.deployment.model_json, changes)
    method = "streamGenerateContent?alt=sse" if request.stream else "generateContent"
    return Outgoing(f"/models/{model.upstream}:{method}", {}, body, dropped)


def decode(attempt: Attempt, body: bytes) -> tuple[bytes, Usage | None, tuple[str, ...]]:
    try:
        usage = attempt.operation.read_usage(body)
    except ProviderBroken:
        chunk = chunk_of(body)  # an error with status 200
        if chunk is not None and chunk.error is not None:
            raise decode_error(attempt, 0, body) from None
        raise
    return with_cost(body, usage, attempt, "usageMetadata") if attempt.request.wants_cost else body, usage, ()


def decode_error(attempt: Attempt, status: int, body: bytes) -> ProviderError:
    return google.decode_error(status, body, attempt.provider, attempt.secret)


def stream(attempt: Attempt) -> "Events":
    return Events(attempt)


class Events:
    """A `StreamDecoder`."""

    __slots__ = ("_attempt", "_bytes", "_counted", "_cutter", "_each", "_end", "_envelope", "_held", "_pieces", "done")

    def __init__(self, attempt: Attempt) -> None:
        choices = attempt.request.choices
        self._attempt = attempt
        self._cutter = sse.EventCutter()
        self._end = google.stream(attempt.id, attempt.provider, attempt.secret, choices)
        """Reads the events that are looked into."""
        self._each = choices > 1
        self._held = b""
        """From the event on that says why the answer ended, they wait until the call is on record."""
        self._counted = b""
        """The latest block in which something was counted."""
        self._pieces = self._bytes = self._envelope = 0
        self.done = False

    @property
    def finished(self) -> bool:
        return self._end.done

    @property
    def error(self) -> ProviderError | None:
        return self._end.error

    @property
    def estimated(self) -> bool:
        """Gemini counts as it goes: of an answer that was cut off, the request is known, the rest at least so far."""
        return not self.done and self._told() is not None

    @property
    def usage(self) -> Usage | None:
        known = self._told()
        if known is None or self.done:
            return known
        written = self.estimate_output() - known.reasoning - known.audio_output
        return msgspec.structs.replace(known, output=max(written, known.output))

    @property
    def ending(self) -> bytes:
        if not self._attempt.request.wants_cost:
            return self._held
        usage = self._told()
        return b"".join([self._priced(event, data, usage) for event, data in sse.events(self._held)])

    def feed(self, data: bytes) -> bytes:
        block = self._cutter.feed(data)
        return self._pass(block) if block else b""

    def finish(self) -> bytes:
        rest = self._cutter.rest()
        block = self._pass(rest.rstrip(b"\r\n") + b"\n\n") if rest and sse.data_of(rest) else b""
        self._end.finish()  # no more candidates come
        self.done = self._end.done
        return block

    def estimate_output(self) -> int:
        """Four bytes of what the events hold beside what the first has around its text; at least one for each."""
        content = self._bytes - self._pieces * self._envelope
        return max(self._pieces, tokens_in(content))

    def failure(self, error: LlmError) -> bytes:
        return google_event(error)

    def _pass(self, block: bytes) -> bytes:
        """What of a block goes to the client now."""
        if COUNTED in block:
            self._counted = block
        pieces = block.count(CONTENT)
        if pieces:
            self._envelope = self._envelope or _around_the_text(block)
            self._pieces += pieces
            self._bytes += len(block)
        telling = (b'Reason"' in block or b'"error"' in block) and TELLING.search(block) is not None
        if not (telling or self._each or self.done or self.error is not None):
            return block
        return b"".join([self._look_at(event, data) for event, data in sse.events(block)])

    def _look_at(self, event: bytes, data: bytes) -> bytes:
        """Note what one event says; what of it goes to the client now. An error the gateway says in its own words."""
        if self.error is None and (self._each or TELLING.search(data) is not None):
            self._end.feed(event)
        if self.error is not None:
            return b""
        self.done = self._end.done
        if self.done:
            self._held += event
            return b""
        return event

    def _told(self) -> Usage | None:
        """The latest count."""
        found = [data for data in sse.data_in(self._counted) if COUNTED in data]
        try:
            wire = _counted.decode(found[-1]).usage_metadata if found else None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None
        return None if wire is None else usage_of(wire)

    def _priced(self, event: bytes, data: bytes, usage: Usage | None) -> bytes:
        if COUNTED not in data:
            return event
        return b"data: " + with_cost(data, usage, self._attempt, "usageMetadata") + b"\n\n"


def _around_the_text(block: bytes) -> int:
    """Bytes of the first event that holds content, beside its text."""
    event, data = next(one for one in sse.events(block) if CONTENT in one[1])
    chunk = chunk_of(data)
    candidates = (chunk.candidates if chunk is not None else None) or ()
    texts = [part.text or "" for one in candidates if one.content is not None for part in one.content.parts]
    return len(event) - len("".join(texts).encode(errors="replace"))
