"""Embeddings: `POST /v1/embeddings`. Never streamed; usage is prompt tokens only.

Source: https://platform.openai.com/docs/api-reference/embeddings
"""

import msgspec
from msgspec import Raw

from billing.core.pricing import Usage
from llm.core import errors
from llm.core.errors import InvalidRequest, ProviderBroken
from llm.core.operations import members
from llm.core.operations.operation import Attempt, Changes, DecodeError, Request, StreamDecoder
from llm.core.operations.usage import in_buckets

name = "embeddings"
path = "/embeddings"
embeds = True
metered = True
error_body = errors.body
error_event = errors.event


class EmbeddingRequest(Request, kw_only=True):
    """The members the gateway acts on."""

    input: str | list[str | int | list[int]]


class Reply(msgspec.Struct):
    """What is read of a reply."""

    data: Raw
    usage: Raw = Raw()


_decoder = msgspec.json.Decoder(EmbeddingRequest)
_reply = msgspec.json.Decoder(Reply)


def read(body: bytes) -> EmbeddingRequest:
    request = members.decode(_decoder, body)
    if request.stream:
        raise InvalidRequest("Embeddings are not streamed: leave `stream` out.", "stream")
    if not request.input:
        raise InvalidRequest("`input` must not be empty.", "input")
    return request


def changes(body: bytes, request: Request) -> Changes:
    return members.own_members(request)


def read_usage(body: bytes) -> Usage | None:
    try:
        reply = _reply.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise ProviderBroken("The provider answered 200 with something that is no embedding.") from None
    return in_buckets(reply.usage)


def estimate_output(body: bytes) -> int:
    """Nothing is generated."""
    return 0


def stream(attempt: Attempt, decode_error: DecodeError) -> StreamDecoder:
    raise AssertionError("`read` lets no request for a stream pass.")
