"""Chat completions: `POST /v1/chat/completions`. Source: https://platform.openai.com/docs/api-reference/chat

Next file: `choices.py`, replies and streams of choices.
"""

import msgspec
from msgspec import UNSET, Raw, UnsetType

from llm.core import errors
from llm.core.errors import InvalidRequest
from llm.core.operations import choices, members
from llm.core.operations.operation import Attempt, Changes, DecodeError, Positive, Request, StreamOptions

name = "chat completions"
path = "/chat/completions"
embeds = False
metered = True
error_body = errors.body
error_event = errors.event


class Message(msgspec.Struct):
    """One message, checked for what every provider needs."""

    role: str
    content: str | list[dict[str, Raw]] | UnsetType | None = UNSET


class ChatRequest(Request, kw_only=True):
    """The members the gateway acts on."""

    messages: list[Message]
    stream_options: StreamOptions | None = None
    max_tokens: Positive | None = None
    max_completion_tokens: Positive | None = None
    n: Positive | None = None
    tools: list[dict[str, Raw]] | None = None

    @property
    def wants_usage(self) -> bool:
        return (self.stream_options is not None and bool(self.stream_options.include_usage)) or self.wants_cost

    @property
    def output_limit(self) -> int | None:
        return self.max_tokens if self.max_completion_tokens is None else self.max_completion_tokens

    @property
    def choices(self) -> int:
        return self.n or 1


_decoder = msgspec.json.Decoder(ChatRequest)


def read(body: bytes) -> ChatRequest:
    request = members.decode(_decoder, body)
    if not request.messages:
        raise InvalidRequest("`messages` must hold at least one message.", "messages")
    if request.stream_options is not None:
        members.check_stream_options(request)
    return request


def changes(body: bytes, request: Request) -> Changes:
    found = members.own_members(request)
    if not request.stream:
        return found
    assert isinstance(request, ChatRequest)
    return members.with_usage_asked_for(found, body, request.stream_options)


read_usage = choices.read_usage
estimate_output = choices.estimate_output


def stream(attempt: Attempt, decode_error: DecodeError) -> choices.Chunks:
    return choices.Chunks(attempt, decode_error)
