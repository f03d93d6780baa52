"""Responses: `POST /v1/responses`, whole and streamed. Source: https://platform.openai.com/docs/api-reference/responses

A stream is typed events. It ends with `response.completed`, `.incomplete`, `.failed`, `.cancelled` or `error`; there
is no `[DONE]`, and usage stands in the last event's `response`. That last event is held back until the call is on
record. `background` is refused: what it costs could only be learned later, from a request this gateway does not have.
"""

import re

import msgspec
from msgspec import Raw

from billing.core.pricing import Usage
from llm.core import errors, sse
from llm.core.errors import InvalidRequest, LlmError, ProviderBroken, ProviderError
from llm.core.operations import members
from llm.core.operations.estimate import tokens_in, tokens_written
from llm.core.operations.members import given, read_members, write_members
from llm.core.operations.operation import Attempt, Changes, DecodeError, Positive, Request
from llm.core.operations.passing import PassedEvents
from llm.core.operations.usage import responses_in_buckets, with_cost

name = "responses"
path = "/responses"
embeds = False
metered = True
error_body = errors.body
error_event = errors.event
LAST = re.compile(rb'"type"\s*:\s*"(?:response\.(?:completed|incomplete|failed|cancelled)|error)"|\[DONE\]')
NUMBER = re.compile(rb'"sequence_number"\s*:\s*(\d+)')
WHOLE = frozenset({"response.completed", "response.incomplete", "response.cancelled"})


class ResponsesRequest(Request, kw_only=True):
    """The members the gateway acts on."""

    max_output_tokens: Positive | None = None
    background: bool | None = None

    @property
    def output_limit(self) -> int | None:
        return self.max_output_tokens


class Reply(msgspec.Struct):
    """What is read of a whole answer, and of the `response` of a last event."""

    output: Raw
    usage: Raw = Raw()
    error: Raw = Raw()


class Event(msgspec.Struct):
    """What is read of a last event."""

    type: str = ""
    response: Raw = Raw()


_decoder = msgspec.json.Decoder(ResponsesRequest)
_reply = msgspec.json.Decoder(Reply)
_event = msgspec.json.Decoder(Event)
_encode = msgspec.json.Encoder().encode


def read(body: bytes) -> ResponsesRequest:
    request = members.decode(_decoder, body)
    if request.background:
        raise InvalidRequest(
            "`background` is not offered here: such a response is fetched later with GET /v1/responses/{id}, which "
            "this gateway does not have. Leave it out, and use `stream` for long answers.",
            "background",
        )
    return request


def changes(body: bytes, request: Request) -> Changes:
    return members.own_members(request)


def read_usage(body: bytes) -> Usage | None:
    try:
        reply = _reply.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise ProviderBroken("The provider answered 200 with something that is no response.") from None
    return responses_in_buckets(reply.usage)


def estimate_output(body: bytes) -> int:
    """See `Operation`."""
    return tokens_written(msgspec.json.decode(_reply.decode(body).output))


def stream(attempt: Attempt, decode_error: DecodeError) -> "Events":
    return Events(attempt, decode_error)


class Events(PassedEvents):
    """A `StreamDecoder`."""

    estimated = False
    __slots__ = (
        "_attempt",
        "_decode_error",
        "_delta_bytes",
        "_deltas",
        "_envelope",
        "_estimate",
        "_latest",
        "done",
        "ending",
        "error",
        "finished",
        "usage",
    )

    def __init__(self, attempt: Attempt, decode_error: DecodeError) -> None:
        super().__init__()
        self._attempt = attempt
        self._decode_error = decode_error
        self._deltas = self._delta_bytes = self._envelope = 0
        self._estimate: int | None = None
        self._latest = b""
        """The block sent last: it holds the highest sequence number."""
        self.usage: Usage | None = None
        self.done = False
        self.finished = False
        self.error: ProviderError | None = None
        self.ending = b""

    def estimate_output(self) -> int:
        """Of a whole answer by its output, else by the deltas: four bytes to a token, and at least one for each."""
        if self._estimate is not None:
            return self._estimate
        return max(self._deltas, tokens_in(self._delta_bytes - self._deltas * self._envelope))

    def failure(self, error: LlmError) -> bytes:
        if error is self.error and self.ending:
            return self.ending
        numbers = NUMBER.findall(self._latest)
        fields = {
            "type": "error",
            "code": error.wire_code,
            "message": error.message,
            "param": error.param,
            "sequence_number": int(numbers[-1]) + 1 if numbers else 0,
        }
        return b"event: error\ndata: " + _encode(fields) + b"\n\n"

    def _pass(self, block: bytes) -> bytes:
        if self.done or self.error is not None:
            return b""
        if LAST.search(block) is not None:
            block = b"".join([self._look_at(event, data) for event, data in sse.events(block)])
        if block:
            self._latest = block
            deltas = block.count(b'.delta"')
            if deltas:
                self._envelope = self._envelope or len(block) // (block.count(b"\n\n") + block.count(b"\n\r\n"))
                self._deltas += deltas
                self._delta_bytes += len(block)
        return block

    def _look_at(self, event: bytes, data: bytes) -> bytes:
        """Note what one event says; what of it goes to the client now."""
        if self.done or self.error is not None or data == b"[DONE]":
            return b""
        if LAST.search(data) is None:
            return event
        try:
            last = _event.decode(data)
            reply = _reply.decode(last.response) if given(last.response) else None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return event
        if reply is not None and (last.type in WHOLE or last.type == "response.failed"):
            self._end(event, data, last, reply)
        elif last.type == "error":
            self.error = self._decode_error(self._attempt, 502, data)
        else:
            return event
        return b""

    def _end(self, event: bytes, data: bytes, last: Event, reply: Reply) -> None:
        self.usage = responses_in_buckets(reply.usage)
        if self.usage is None:
            self._estimate = tokens_written(msgspec.json.decode(reply.output))
        if last.type == "response.failed":
            self.error = self._decode_error(self._attempt, 502, bytes(last.response))
            secret = (self._attempt.secret or "").encode()
            self.ending = event.replace(secret, b"***") if secret else event
            return
        self.done = True
        self.ending = event
        if self._attempt.request.wants_cost:
            priced = with_cost(last.response, self.usage, self._attempt)
            told = write_members({**read_members(data), "response": Raw(priced)})
            self.ending = f"event: {last.type}\n".encode() + b"data: " + told + b"\n\n"
