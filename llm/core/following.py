"""What the events of a stream say, the same for every wire: text, thinking, whole tool calls, its end, what failed.

`Following` takes the numbered events of one stream in order, from its beginning if it can be had, and says of each what
it means; an event that means nothing to a reader (a ping, a part of a tool call's arguments) is None. A tool call is
told when its choice has ended, whole. Not promised: pictures, sounds, citations; they stay in the events themselves.
Pure. Next file: `chat_socket.py`, frames made of it.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from billing.core.pricing import usd
from llm.core import sse
from llm.core.conversation import Finish
from llm.core.deltas import (
    ArgumentsDelta,
    Delta,
    Finished,
    RefusalDelta,
    Started,
    TextDelta,
    ThinkingDelta,
    ToolCallStarted,
)
from llm.core.dialects import anthropic, google
from llm.core.dialects.openai_chat import translator as openai_chat
from llm.core.dialects.openai_responses import translator as openai_responses
from llm.core.dialects.translation import DeltaDecoder
from llm.core.errors import InvalidRequest, LlmError, ProviderError
from llm.core.operations import chat, completions, contents, messages, responses
from llm.core.stream_wire import FORGOTTEN, Settled

LETTERS_PER_TOKEN = 4
THE_STREAM = "of the stream"
"""In place of a provider's name, which the events do not tell."""


class StreamError(msgspec.Struct, frozen=True):
    """An error as the stream says it, in OpenAI's members."""

    message: str
    type: str = "server_error"
    code: str | None = None
    param: str | None = None


class StreamFailed(LlmError):
    """A stream that could not be had, or that ended with an error; `code` is the wire's in capitals."""

    def __init__(self, error: StreamError, status: int = 502) -> None:
        super().__init__(error.message)
        self.error = error
        self.status = status
        self.kind, self.wire_code, self.param = error.type, error.code, error.param
        name = (error.code or "").upper()
        self.code = name if name.isidentifier() and name.isascii() else "STREAM_FAILED"  # type: ignore[misc]


class ToolCall(msgspec.Struct, frozen=True):
    choice: int
    id: str
    tool: str
    arguments: str
    """JSON as the model wrote it; of a custom tool, free text."""


class Said(msgspec.Struct, frozen=True):
    """What one event says. `texts` and `finish` are by choice; `tokens` is our count of the answer so far."""

    number: int
    texts: tuple[tuple[int, str], ...] = ()
    thinking: str | None = None
    calls: tuple[ToolCall, ...] = ()
    finish: tuple[tuple[int, Finish], ...] = ()
    error: StreamError | None = None
    tokens: int = 0
    model: str = ""
    """The model that answers, as the stream has named it so far."""


class End(msgspec.Struct, frozen=True):
    """The end of a stream, also for who has seen nothing of it but this."""

    number: int
    """Of the last event."""
    settled: Settled | None
    """What it came to; None: nothing was put on record."""
    finish: Finish | None
    """Why the first choice ended, if it did."""
    model: str

    @property
    def cancelled(self) -> bool:
        """Somebody ended it before its time: what there is of it is no failure."""
        return self.settled is not None and self.settled.outcome == "cancelled"

    @property
    def finish_reason(self) -> str | None:
        return "cancelled" if self.cancelled else self.finish

    @property
    def answered_by(self) -> str | None:
        """The model, as the stream names it, else as it was booked."""
        return self.model or (self.settled.model if self.settled is not None else None)

    @property
    def cost(self) -> float | None:
        """USD; None for what was not put on record or has no price."""
        return None if self.settled is None or self.settled.unpriced else float(usd(self.settled.cost_nano))


class TextDecoder:
    """A `DeltaDecoder` of legacy completions: the text and the finish reason of each choice."""

    usage = None
    done = False
    error: ProviderError | None = None

    def feed(self, data: bytes) -> list[Delta]:
        found: list[Delta] = []
        for one in sse.data_in(data):
            if one == b"[DONE]":
                self.done = True
                continue
            chunk = _legacy.decode(one)
            if chunk.model:
                found.append(Started(chunk.id, chunk.model))
            for choice in chunk.choices or ():
                if choice.text:
                    found.append(TextDelta(choice.index, 0, choice.text))
                if choice.finish_reason is not None:
                    found.append(Finished(choice.index, "length" if choice.finish_reason == "length" else "stop"))
        return found

    def finish(self) -> list[Delta]:
        return []


class _LegacyChoice(msgspec.Struct):
    index: int = 0
    text: str = ""
    finish_reason: str | None = None


class _LegacyChunk(msgspec.Struct):
    id: str = ""
    model: str = ""
    choices: list[_LegacyChoice] | None = None


_legacy = msgspec.json.Decoder(_LegacyChunk)

DECODERS: dict[str, Callable[[], DeltaDecoder]] = {
    chat.name: lambda: openai_chat.stream("", THE_STREAM, None),
    completions.name: TextDecoder,
    responses.name: lambda: openai_responses.stream("", THE_STREAM, None),
    messages.name: lambda: anthropic.stream("", THE_STREAM, None),
    contents.name: lambda: google.stream("", THE_STREAM, None),
}
"""By the operation that was asked for."""


class Following:
    """One stream."""

    def __init__(self, operation: str, first: int = 1) -> None:
        """`first`: the number of the first event that will be given. Raises StreamFailed for what is no stream of
        words."""
        made = DECODERS.get(operation)
        if made is None:
            raise StreamFailed(StreamError(f"A stream of {operation or 'an unknown kind'} cannot be followed here."))
        self._decoder = made()
        self._whole = first <= 1
        self._calls: dict[tuple[int, int], list[str]] = {}
        self._named: dict[tuple[int, int], ToolCallStarted] = {}
        self._letters = self._pieces = 0
        self.model = ""
        self.finish: Finish | None = None
        self.number = first - 1
        """Of the last event."""

    def read(self, number: int, event: bytes) -> Said | None:
        """What an event means. Raises StreamFailed for one that cannot be understood."""
        self.number = number
        data = sse.data_of(event)
        error = error_in(data)
        if error is not None:
            return Said(number, error=error, tokens=self.tokens, model=self.model)
        try:
            deltas = self._decoder.feed(event)
        except (ProviderError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as failure:
            raise self._lost(number, failure) from None
        said = self._gather(number, deltas)
        return said if said.texts or said.calls or said.finish or said.thinking is not None else None

    def end(self, settled: Settled | None) -> End:
        return End(self.number, settled, self.finish, self.model)

    @property
    def tokens(self) -> int:
        """Of the answer so far, by our own count: four letters to a token, and at least one for each piece."""
        return max(self._pieces, (self._letters + LETTERS_PER_TOKEN - 1) // LETTERS_PER_TOKEN)

    def _lost(self, number: int, failure: Exception) -> StreamFailed:
        if not self._whole:
            told = "The beginning of the stream is no longer held, and this event cannot be understood without it."
            return StreamFailed(StreamError(told, "invalid_request_error", FORGOTTEN, "after"), 410)
        return StreamFailed(StreamError(f"Event {number} cannot be understood: {failure}", code="provider_broken"))

    def _gather(self, number: int, deltas: list[Delta]) -> Said:
        texts: dict[int, str] = {}
        thinking: str | None = None
        calls: list[ToolCall] = []
        finish: list[tuple[int, Finish]] = []
        for delta in deltas:
            if isinstance(delta, TextDelta | RefusalDelta):
                if delta.text:
                    texts[delta.choice] = texts.get(delta.choice, "") + delta.text
                self._count(delta.text)
            elif isinstance(delta, ThinkingDelta):
                thinking = (thinking or "") + delta.text
                self._count(delta.text)
            elif isinstance(delta, ToolCallStarted):
                self._named[delta.choice, delta.index] = delta
                self._calls[delta.choice, delta.index] = []
            elif isinstance(delta, ArgumentsDelta):
                self._calls.setdefault((delta.choice, delta.index), []).append(delta.text)
                self._count(delta.text)
            elif isinstance(delta, Started):
                self.model = delta.model or self.model
            elif isinstance(delta, Finished):
                calls += self._whole_calls(delta.choice)
                finish.append((delta.choice, delta.finish))
                self.finish = delta.finish if delta.choice == 0 else self.finish
        return Said(
            number, tuple(texts.items()), thinking, tuple(calls), tuple(finish), tokens=self.tokens, model=self.model
        )

    def _whole_calls(self, choice: int) -> list[ToolCall]:
        found = []
        for place in sorted(place for place in self._named if place[0] == choice):
            named = self._named.pop(place)
            arguments = "".join(self._calls.pop(place))
            found.append(ToolCall(choice, named.id, named.name, arguments if named.custom else arguments or "{}"))
        return found

    def _count(self, text: str) -> None:
        if text:
            self._pieces += 1
            self._letters += len(text)


def error_in(data: bytes) -> StreamError | None:
    """The error that an event's data is, on any wire; None when it is none."""
    if b'"error"' not in data and b'"response.failed"' not in data:
        return None
    try:
        document = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None  # the decoder says what is wrong with it
    return error_of(document) if isinstance(document, dict) else None


def error_of(document: dict[str, Any]) -> StreamError | None:
    """The same of a decoded JSON object; also of a whole answer that is an error."""
    found: Any = document.get("error")
    if document.get("type") == "response.failed":
        found = (document.get("response") or {}).get("error") or {"message": "The response failed."}
    elif document.get("type") == "error" and not isinstance(found, dict):
        found = document
    if isinstance(found, str):
        found = {"message": found}
    if not isinstance(found, dict):
        return None
    code = found.get("code")
    return StreamError(
        _text(found.get("message")) or "The stream ended with an error that says no more.",
        _text(found.get("type")) or _text(found.get("status")) or "server_error",
        code if isinstance(code, str) else None,
        _text(found.get("param")),
    )


def forgotten(after: int, first: int) -> StreamFailed:
    """Events behind `after` are wanted, and `first` is the oldest held."""
    told = (
        f"Events {after + 1} to {first - 1} of the stream are no longer held. "
        f"Resume with after={first - 1}, or send the request again."
    )
    return StreamFailed(StreamError(told, "invalid_request_error", FORGOTTEN, "after"), 410)


def beyond(after: int, last: int) -> StreamFailed:
    """Events behind `after` are wanted of a stream that has ended before."""
    told = f"`after` is {after}, but the stream has only come to event {last}."
    return StreamFailed(StreamError(told, "invalid_request_error", InvalidRequest.code.lower(), "after"), 400)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
