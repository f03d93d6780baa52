"""Gemini's generateContent: `POST /v1beta/models/{model}:generateContent`, and `:streamGenerateContent?alt=sse`.

Google's newer SDKs ask below `/v1`. Source: https://ai.google.dev/api/generate-content. Model and streaming stand in
the address: `addressed` puts them into the body, where everything after the door looks for them. A stream is whole
responses; it has no end mark, so the one with the finish reason is held back until the call is on record. A JSON array
instead of events is not offered: streams are kept and resumed as events here.
"""

import re
from urllib.parse import unquote

import msgspec
from msgspec import Raw

from billing.core.pricing import Usage
from llm.core import error_shapes
from llm.core.errors import InvalidRequest, NotFound, ProviderBroken
from llm.core.operations import members
from llm.core.operations.estimate import tokens_written
from llm.core.operations.gemini_usage import UsageMetadata, usage_of
from llm.core.operations.members import given
from llm.core.operations.operation import Attempt, Changes, DecodeError, Positive, Request, StreamDecoder

name = "content generation"
path = "/models/{model}:generateContent"
embeds = False
metered = True
error_body = error_shapes.google_body
error_event = error_shapes.google_event
PREFIX = b"/v1beta/models/"
ADDRESS = re.compile(rb"/v1(?:beta)?/models/(.+):(generateContent|streamGenerateContent)")
VERBS = (b":generateContent", b":streamGenerateContent")


class Settings(msgspec.Struct, rename="camel"):
    max_output_tokens: Positive | None = None
    candidate_count: Positive | None = None


class ContentsRequest(Request, kw_only=True):
    """The members the gateway acts on."""

    contents: list[dict[str, Raw]]
    camel: Settings | None = msgspec.field(name="generationConfig", default=None)
    snake: Settings | None = msgspec.field(name="generation_config", default=None)

    @property
    def wants_usage(self) -> bool:
        return True

    @property
    def output_limit(self) -> int | None:
        settings = self.camel or self.snake
        return settings.max_output_tokens if settings is not None else None

    @property
    def choices(self) -> int:
        settings = self.camel or self.snake
        return (settings.candidate_count if settings is not None else None) or 1


class PromptFeedback(msgspec.Struct, rename="camel"):
    block_reason: str | None = None


class Reply(msgspec.Struct, rename="camel"):
    """What is read of a whole answer."""

    candidates: list[Raw] | None = None
    prompt_feedback: PromptFeedback | None = None
    usage_metadata: UsageMetadata | None = None
    error: Raw = Raw()


_decoder = msgspec.json.Decoder(ContentsRequest)
_reply = msgspec.json.Decoder(Reply)


def concerned(path: bytes) -> bool:
    """Whether a path is Gemini's."""
    return path.startswith(PREFIX) or (path.startswith(b"/v1/models/") and path.endswith(VERBS))


def addressed(path: bytes, query: bytes, body: bytes) -> bytes:
    """The body with the address' model and wish to stream. Raises NotFound, InvalidRequest."""
    found = ADDRESS.fullmatch(path)
    if found is None:
        raise NotFound("Of Gemini's API there are :generateContent and :streamGenerateContent?alt=sse here.")
    streamed = found.group(2) == b"streamGenerateContent"
    if streamed and b"alt=sse" not in query.split(b"&"):
        raise InvalidRequest("Streams are server-sent events here: add `?alt=sse`, as Google's SDKs do.", "alt")
    model = msgspec.json.encode(unquote(found.group(1).decode("utf-8", "replace")))
    inside = body.strip()
    if not inside.startswith(b"{") or not inside.endswith(b"}"):
        return body  # `read` says what is wrong with it
    inside = inside[:-1].rstrip()
    comma = b"" if inside == b"{" else b","
    return inside + comma + b'"model":' + model + (b',"stream":true}' if streamed else b"}")


def read(body: bytes) -> ContentsRequest:
    request = members.decode(_decoder, body)
    if not request.contents:
        raise InvalidRequest("`contents` must hold at least one content.", "contents")
    return request


def changes(body: bytes, request: Request) -> Changes:
    return {**members.own_members(request), "model": None, "stream": None}


def read_usage(body: bytes) -> Usage | None:
    try:
        reply = _reply.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise ProviderBroken("The provider answered 200 with something that is no response.") from None
    if given(reply.error):
        raise ProviderBroken("The provider answered 200 with an error.")
    blocked = reply.prompt_feedback is not None and reply.prompt_feedback.block_reason is not None
    if not reply.candidates and not blocked:
        raise ProviderBroken("The provider answered 200 with a response that holds nothing.")
    return None if reply.usage_metadata is None else usage_of(reply.usage_metadata)


def estimate_output(body: bytes) -> int:
    """See `Operation`. Of a prompt that was blocked nothing was generated."""
    return tokens_written(msgspec.json.decode(body).get("candidates") or ())


def stream(attempt: Attempt, decode_error: DecodeError) -> StreamDecoder:
    raise AssertionError("Bridges and `dialects/google_native.py` have decoders of their own.")
