"""The requests the sandbox reads, typed as far as it looks at them; every other field is accepted and ignored.

A wrong type or an impossible value is refused as OpenAI does: 400, with the path of the fault in `param`.
"""

from typing import Annotated, Any, TypeVar

import msgspec

from llm.sandbox.errors import Refusal

Limit = Annotated[int, msgspec.Meta(ge=1)]
Choices = Annotated[int, msgspec.Meta(ge=1, le=128)]
Request = TypeVar("Request")
MAX_TEXTS = 2048


class Part(msgspec.Struct, frozen=True):
    """One part of a message: text, or a medium of which only the kind is looked at."""

    type: str = "text"
    text: str = ""


class CalledFunction(msgspec.Struct, frozen=True):
    name: str = ""
    arguments: str = ""


class ToolCall(msgspec.Struct, frozen=True):
    id: str = ""
    function: CalledFunction = CalledFunction()


class Message(msgspec.Struct, frozen=True):
    role: str
    content: str | list[Part] | None = None
    tool_calls: list[ToolCall] | None = None
    tool_call_id: str | None = None

    def text(self) -> str:
        """The text parts joined; a medium is named in brackets."""
        if self.content is None or isinstance(self.content, str):
            return self.content or ""
        return " ".join(part.text if part.type == "text" else f"[{part.type}]" for part in self.content)

    def media(self) -> int:
        """How many parts are not text."""
        if self.content is None or isinstance(self.content, str):
            return 0
        return sum(part.type != "text" for part in self.content)


class Function(msgspec.Struct, frozen=True):
    name: str
    parameters: dict[str, Any] | None = None


class CustomTool(msgspec.Struct, frozen=True):
    name: str


class Tool(msgspec.Struct, frozen=True):
    type: str = "function"
    function: Function | None = None
    custom: CustomTool | None = None

    @property
    def name(self) -> str:
        return self.function.name if self.function else self.custom.name if self.custom else ""


class JsonSchema(msgspec.Struct, frozen=True):
    name: str = ""
    schema: dict[str, Any] = {}


class ResponseFormat(msgspec.Struct, frozen=True):
    type: str
    json_schema: JsonSchema | None = None


class StreamOptions(msgspec.Struct, frozen=True):
    include_usage: bool | None = None


class ChatRequest(msgspec.Struct, frozen=True):
    """POST /v1/chat/completions."""

    model: str
    messages: Annotated[list[Message], msgspec.Meta(min_length=1)]
    tools: Annotated[list[Tool], msgspec.Meta(max_length=128)] | None = None
    tool_choice: str | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    response_format: ResponseFormat | None = None
    n: Choices | None = None
    stop: str | list[str] | None = None
    max_tokens: Limit | None = None
    max_completion_tokens: Limit | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    logprobs: bool | None = None

    @property
    def limit(self) -> int | None:
        return self.max_completion_tokens if self.max_completion_tokens is not None else self.max_tokens

    @property
    def wants_usage(self) -> bool:
        """Whether a stream shall end with a usage chunk."""
        return bool(self.stream_options and self.stream_options.include_usage)


class CompletionRequest(msgspec.Struct, frozen=True):
    """POST /v1/completions, the legacy text endpoint. A prompt of token numbers is answered by its length."""

    model: str
    prompt: str | list[str | int | list[int]] = ""
    echo: bool | None = None
    n: Choices | None = None
    stop: str | list[str] | None = None
    max_tokens: Limit | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None


class EmbeddingRequest(msgspec.Struct, frozen=True):
    """POST /v1/embeddings."""

    model: str
    input: str | list[str | int | list[int]]
    dimensions: Annotated[int, msgspec.Meta(ge=1, le=4096)] | None = None
    encoding_format: str | None = None


def read(body: bytes, kind: type[Request]) -> Request:
    """`body` as `kind`. Refusal 400 when it is not JSON or does not fit."""
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as reason:
        message, _, path = str(reason).partition(" - at `$")
        raise Refusal(400, f"{message}.", param=path.rstrip("`").lstrip(".") or None) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as reason:
        raise Refusal(400, f"The body is not JSON: {reason}.") from None
    except RecursionError:
        raise Refusal(400, "The body is nested too deeply.") from None


def stops(stop: str | list[str] | None) -> list[str]:
    """Stop sequences as a list, whichever way they were given."""
    return [stop] if isinstance(stop, str) else stop or []


def texts(given: str | list[str | int | list[int]], field: str) -> list[str]:
    """The texts of an embedding input or a legacy prompt; token numbers stand for themselves. Refusal if empty."""
    if isinstance(given, str):
        return [given]
    if not given:
        raise Refusal(400, f"`{field}` must not be an empty list.", param=field)
    if all(isinstance(item, int) for item in given):
        return [" ".join(str(item) for item in given)]
    if len(given) > MAX_TEXTS:
        raise Refusal(400, f"`{field}` holds {len(given)} texts; {MAX_TEXTS} is the most.", param=field)
    return [item if isinstance(item, str) else " ".join(map(str, _numbers(item))) for item in given]


def _numbers(item: int | list[int]) -> list[int]:
    return [item] if isinstance(item, int) else item
