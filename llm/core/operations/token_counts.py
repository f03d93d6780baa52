"""Counting a message's tokens before it is sent: `POST /v1/messages/count_tokens`, never streamed, free of charge.

Source: https://docs.anthropic.com/en/api/messages-count-tokens. Anthropic counts for its own models; for any other the
gateway answers itself, by `../dialects/counting.py`. Either way nothing is generated, so the call leaves no record.
"""

import msgspec
from msgspec import Raw

from billing.core.pricing import Usage
from llm.core import error_shapes
from llm.core.errors import InvalidRequest, ProviderBroken
from llm.core.operations import members
from llm.core.operations.operation import Attempt, Changes, DecodeError, Request, StreamDecoder

name = "token counts"
path = "/messages/count_tokens"
embeds = False
metered = False
error_body = error_shapes.anthropic_body
error_event = error_shapes.anthropic_event


class CountRequest(Request, kw_only=True):
    """The members the gateway acts on."""

    messages: list[dict[str, Raw]]


class Reply(msgspec.Struct):
    input_tokens: int


_decoder = msgspec.json.Decoder(CountRequest)
_reply = msgspec.json.Decoder(Reply)


def read(body: bytes) -> CountRequest:
    request = members.decode(_decoder, body)
    if not request.messages:
        raise InvalidRequest("`messages` must hold at least one message.", "messages")
    if request.stream:
        raise InvalidRequest("`stream`: a count is one number, it is not streamed.", "stream")
    return request


def changes(body: bytes, request: Request) -> Changes:
    return members.own_members(request)


def read_usage(body: bytes) -> Usage:
    """A count uses nothing. Raises ProviderBroken for what is no count."""
    try:
        _reply.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise ProviderBroken("The provider answered 200 with something that is no count of tokens.") from None
    return Usage()


def estimate_output(body: bytes) -> int:
    return 0


def stream(attempt: Attempt, decode_error: DecodeError) -> StreamDecoder:
    raise AssertionError("`read` lets no request for a stream pass.")
