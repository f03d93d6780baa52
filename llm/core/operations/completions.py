"""Legacy text completions: `POST /v1/completions`. A prompt is a text, texts, token numbers or lists of them.

Source: https://platform.openai.com/docs/api-reference/completions
"""

import msgspec

from llm.core import errors
from llm.core.errors import InvalidRequest
from llm.core.operations import choices, members
from llm.core.operations.operation import Attempt, Changes, DecodeError, Positive, Request, StreamOptions

name = "completions"
path = "/completions"
embeds = False
metered = True
error_body = errors.body
error_event = errors.event


class CompletionRequest(Request, kw_only=True):
    """The members the gateway acts on."""

    prompt: str | list[str | int | list[int]] | None = None
    stream_options: StreamOptions | None = None
    max_tokens: int | None = None
    n: Positive | None = None
    best_of: Positive | None = None

    @property
    def wants_usage(self) -> bool:
        return (self.stream_options is not None and bool(self.stream_options.include_usage)) or self.wants_cost

    @property
    def output_limit(self) -> int | None:
        return self.max_tokens

    @property
    def choices(self) -> int:
        """Each prompt is answered on its own; of `best_of` answers all are paid for."""
        prompts = len(self.prompt) if isinstance(self.prompt, list) and not isinstance(self.prompt[0], int) else 1
        return prompts * max(self.n or 1, self.best_of or 1)


_decoder = msgspec.json.Decoder(CompletionRequest)


def read(body: bytes) -> CompletionRequest:
    request = members.decode(_decoder, body)
    if isinstance(request.prompt, list) and not request.prompt:
        raise InvalidRequest("`prompt` must not be an empty list.", "prompt")
    if request.stream_options is not None:
        members.check_stream_options(request)
    return request


def changes(body: bytes, request: Request) -> Changes:
    found = members.own_members(request)
    if not request.stream:
        return found
    assert isinstance(request, CompletionRequest)
    return members.with_usage_asked_for(found, body, request.stream_options)


read_usage = choices.read_usage
estimate_output = choices.estimate_output


def stream(attempt: Attempt, decode_error: DecodeError) -> choices.Chunks:
    return choices.Chunks(attempt, decode_error)
