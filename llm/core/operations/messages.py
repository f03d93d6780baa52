"""Anthropic's messages: `POST /v1/messages`, whole and streamed. Source: https://docs.anthropic.com/en/api/messages

A stream is typed events from message_start to message_stop, with pings between. Usage stands in the first and in
message_delta, which replaces what the first said; a stream that is cut before counts its output by estimate. The last
event is held back until the call is on record. Errors have Anthropic's shape.
"""

import re

import msgspec
from msgspec import Raw

from billing.core.pricing import Usage
from llm.core import error_shapes, sse
from llm.core.errors import InvalidRequest, LlmError, ProviderBroken, ProviderError
from llm.core.operations import members
from llm.core.operations.anthropic_usage import WireUsage, usage_of
from llm.core.operations.estimate import tokens_in, tokens_written
from llm.core.operations.operation import Attempt, Changes, DecodeError, Positive, Request
from llm.core.operations.passing import PassedEvents
from llm.core.operations.usage import with_cost

name = "messages"
path = "/messages"
embeds = False
metered = True
error_body = error_shapes.anthropic_body
error_event = error_shapes.anthropic_event
STOP = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
TELLING = re.compile(rb'"type"\s*:\s*"(?:message_(?:start|delta|stop)|error)"')


class Metadata(msgspec.Struct):
    user_id: str | None = None


class MessagesRequest(Request, kw_only=True):
    """The members the gateway acts on."""

    max_tokens: Positive
    messages: list[dict[str, Raw]]
    metadata: Metadata | None = None

    @property
    def wants_usage(self) -> bool:
        return True

    @property
    def output_limit(self) -> int | None:
        return self.max_tokens


class Reply(msgspec.Struct):
    """What is read of a whole answer."""

    content: list[Raw]
    usage: WireUsage | None = None


class Begun(msgspec.Struct):
    """What is read of the `message` of a first event."""

    usage: WireUsage | None = None


class Event(msgspec.Struct):
    """What is read of a telling event."""

    type: str = ""
    message: Begun | None = None
    usage: WireUsage | None = None


_decoder = msgspec.json.Decoder(MessagesRequest)
_reply = msgspec.json.Decoder(Reply)
_event = msgspec.json.Decoder(Event)


def read(body: bytes) -> MessagesRequest:
    request = members.decode(_decoder, body)
    if not request.messages:
        raise InvalidRequest("`messages` must hold at least one message.", "messages")
    if request.user is None and request.metadata is not None:
        request.user = request.metadata.user_id
    return request


def changes(body: bytes, request: Request) -> Changes:
    return members.own_members(request)


def read_usage(body: bytes) -> Usage | None:
    try:
        return usage_of(_reply.decode(body).usage)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise ProviderBroken("The provider answered 200 with something that is no message.") from None


def estimate_output(body: bytes) -> int:
    """See `Operation`."""
    return tokens_written(msgspec.json.decode(body)["content"])


def stream(attempt: Attempt, decode_error: DecodeError) -> "Events":
    return Events(attempt, decode_error)


class Events(PassedEvents):
    """A `StreamDecoder`."""

    __slots__ = (
        "_attempt",
        "_decode_error",
        "_delta_bytes",
        "_deltas",
        "_envelope",
        "_told",
        "done",
        "ending",
        "error",
        "finished",
    )

    def __init__(self, attempt: Attempt, decode_error: DecodeError) -> None:
        super().__init__()
        self._attempt = attempt
        self._decode_error = decode_error
        self._deltas = self._delta_bytes = self._envelope = 0
        self._told = WireUsage()
        self.done = self.finished = False
        self.error: ProviderError | None = None
        self.ending = STOP

    @property
    def estimated(self) -> bool:
        known = usage_of(self._told)
        return known is not None and not self.finished

    @property
    def usage(self) -> Usage | None:
        known = usage_of(self._told)
        if known is None or not self.estimated:
            return known
        return msgspec.structs.replace(known, output=max(self.estimate_output() - known.reasoning, known.output))

    def estimate_output(self) -> int:
        """Four bytes of the deltas to a token, and at least one for each."""
        return max(self._deltas, tokens_in(self._delta_bytes - self._deltas * self._envelope))

    def failure(self, error: LlmError) -> bytes:
        return error_shapes.anthropic_event(error)

    def _pass(self, block: bytes) -> bytes:
        if self.done or self.error is not None:
            return b""
        if (b"message_" in block or b"error" in block) and TELLING.search(block) is not None:
            block = b"".join([self._look_at(event, data) for event, data in sse.events(block)])
        deltas = block.count(b'"content_block_delta"')
        if deltas:
            self._envelope = self._envelope or block.find(b"\n\n")
            self._deltas += deltas
            self._delta_bytes += len(block)
        return block

    def _look_at(self, event: bytes, data: bytes) -> bytes:
        """Note what one event says; what of it goes to the client now."""
        if self.done or self.error is not None:
            return b""
        if TELLING.search(data) is None:
            return event
        try:
            told = _event.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return event
        if told.type == "message_start" and told.message is not None:
            self._count(told.message.usage)
        elif told.type == "message_delta":
            self.finished = True
            self._count(told.usage)
            if self._attempt.request.wants_cost and told.usage is not None:
                return b"event: message_delta\ndata: " + with_cost(data, self.usage, self._attempt) + b"\n\n"
        elif told.type == "message_stop":
            self.done = True
            self.ending = event
            return b""
        elif told.type == "error":
            self.error = self._decode_error(self._attempt, 0, data)
            return b""  # the gateway says it in its own words
        return event

    def _count(self, wire: WireUsage | None) -> None:
        """Later figures replace earlier ones, one by one."""
        for name in WireUsage.__struct_fields__ if wire is not None else ():
            value = getattr(wire, name)
            if value is not None:
                setattr(self._told, name, value)
