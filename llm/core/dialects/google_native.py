"""Gemini's generateContent passed through as bytes: for Google's own SDKs, when Google itself answers.

What changes: the model's name and the way of streaming go back into the address, and our own members are left out. The
answer is not touched; its translator reads along, for usage, errors and the end. Source:
https://ai.google.dev/api/generate-content
"""

from billing.core.pricing import Usage
from llm.core import sse
from llm.core.deltas import ArgumentsDelta, RefusalDelta, TextDelta, ThinkingDelta
from llm.core.dialects import google, google_contents
from llm.core.dialects.translation import Outgoing
from llm.core.errors import LlmError, ProviderError, redact
from llm.core.operations import Attempt
from llm.core.operations.estimate import tokens_in
from llm.core.operations.members import rewrite


def encode(attempt: Attempt) -> Outgoing:
    """The client's bytes, without what we put into them."""
    request, model = attempt.request, attempt.deployment.model
    changes = attempt.operation.changes(attempt.body, request)
    body = rewrite(attempt.body, request.model, attempt.deployment.model_json, changes)
    method = "streamGenerateContent?alt=sse" if request.stream else "generateContent"
    return Outgoing(f"/models/{model.upstream}:{method}", {}, body)


def decode(attempt: Attempt, body: bytes) -> tuple[bytes, Usage | None, tuple[str, ...]]:
    try:
        return body, attempt.operation.read_usage(body), ()
    except ProviderError as error:
        error.message = redact(error.message, attempt.secret)
        raise


def decode_error(attempt: Attempt, status: int, body: bytes) -> ProviderError:
    return google.decode_error(status, body, attempt.provider, attempt.secret)


def stream(attempt: Attempt) -> "Events":
    return Events(attempt)


class Events:
    """A `StreamDecoder`."""

    def __init__(self, attempt: Attempt) -> None:
        self._cutter = sse.EventCutter()
        self._deltas = google.stream(attempt.id, attempt.provider, attempt.secret, attempt.request.choices)
        self._pieces = self._letters = 0
        self.ending = b""
        self.done = False

    @property
    def finished(self) -> bool:
        return self._deltas.done

    @property
    def error(self) -> ProviderError | None:
        return self._deltas.error

    @property
    def usage(self) -> Usage | None:
        return self._deltas.usage if self.done else None

    estimated = False

    def feed(self, data: bytes) -> bytes:
        block = self._cutter.feed(data)
        return self._pass(block) if block else b""

    def finish(self) -> bytes:
        rest = self._cutter.rest()
        block = self._pass(rest.rstrip(b"\r\n") + b"\n\n") if rest and sse.data_of(rest) else b""
        self._deltas.finish()  # no more candidates come
        self.done = self._deltas.done
        return block

    def estimate_output(self) -> int:
        """Four letters of content to a token, and at least a token for each piece."""
        return max(self._pieces, tokens_in(self._letters))

    def failure(self, error: LlmError) -> bytes:
        return google_contents.error_event(error)

    def _pass(self, block: bytes) -> bytes:
        """Event by event; from the one that says why the answer ended on, they are held back."""
        out = b""
        for event, _ in sse.events(block):
            if self.error is not None:
                break
            for delta in self._deltas.feed(event):
                if isinstance(delta, TextDelta | ArgumentsDelta | ThinkingDelta | RefusalDelta):
                    self._pieces += 1
                    self._letters += len(delta.text)
            if self.error is not None:
                break  # the gateway says it in its own words
            self.done = self._deltas.done
            if self.done:
                self.ending += event
            else:
                out += event
        return out
