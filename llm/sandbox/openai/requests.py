"""OpenAI's requests as the sandbox reads them, typed as far as it looks; every other field is accepted and ignored.

A wrong type or an impossible value is refused as OpenAI does: 400, with the path of the fault in `param`.
"""

from typing import Annotated, Any, Literal

import msgspec

from llm.sandbox.conversation import Called, Conversation, Tool, Turn
from llm.sandbox.errors import Refusal

Limit = Annotated[int, msgspec.Meta(ge=1)]
Temperature = Annotated[float, msgspec.Meta(ge=0, le=2)]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Penalty = Annotated[float, msgspec.Meta(ge=-2, le=2)]
Choices = Annotated[int, msgspec.Meta(ge=1, le=128)]
MAX_TEXTS = 2048
MAX_TOOLS = 128
Role = Literal["system", "user", "assistant", "tool"]
_TEXTS = ("text", "input_text", "output_text", "refusal", "summary_text")


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


class Function(msgspec.Struct, frozen=True):
    name: str
    parameters: dict[str, Any] | None = None


class CustomTool(msgspec.Struct, frozen=True):
    name: str


class ToolEntry(msgspec.Struct, frozen=True):
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
    tools: Annotated[list[ToolEntry], msgspec.Meta(max_length=MAX_TOOLS)] | None = None
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
    top_logprobs: Annotated[int, msgspec.Meta(ge=0, le=20)] | None = None
    temperature: Temperature | None = None
    top_p: Share | None = None
    frequency_penalty: Penalty | None = None
    presence_penalty: Penalty | None = None
    seed: int | None = None
    logit_bias: dict[str, Annotated[float, msgspec.Meta(ge=-100, le=100)]] | None = None
    user: str | None = None
    metadata: dict[str, str] | None = None
    store: bool | None = None
    reasoning_effort: str | None = None
    modalities: list[str] | None = None

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
    logprobs: Annotated[int, msgspec.Meta(ge=0, le=20)] | None = None
    temperature: Temperature | None = None
    top_p: Share | None = None
    frequency_penalty: Penalty | None = None
    presence_penalty: Penalty | None = None
    seed: int | None = None
    user: str | None = None


class EmbeddingRequest(msgspec.Struct, frozen=True):
    """POST /v1/embeddings."""

    model: str
    input: str | list[str | int | list[int]]
    dimensions: Annotated[int, msgspec.Meta(ge=1, le=4096)] | None = None
    encoding_format: Literal["float", "base64"] | None = None
    user: str | None = None


def conversation(request: ChatRequest) -> Conversation:
    """A chat request in the sandbox's own words."""
    choice, allowed = narrowed(request.tool_choice)
    form = request.response_format
    shapes: dict[str, Literal["object", "schema"]] = {"json_object": "object", "json_schema": "schema"}
    return Conversation(
        turns=tuple(map(_turn, request.messages)),
        tools=tuple(_tool(tool) for tool in request.tools or []),
        choice=choice,
        allowed=allowed,
        parallel=request.parallel_tool_calls is not False,
        shape=shapes.get(form.type, "text") if form is not None else "text",
        schema=form.json_schema.schema if form is not None and form.json_schema is not None else {},
        answers=request.n or 1,
        stop=stops(request.stop),
        limit=request.limit,
    )


def _turn(message: Message) -> Turn:
    content = message.content
    calls = tuple(Called(call.id, call.function.name, call.function.arguments) for call in message.tool_calls or [])
    text = text_of(content)
    return Turn(role(message.role), text, visible(content), sounds(content), calls, message.tool_call_id or "")


def _tool(tool: ToolEntry) -> Tool:
    schema = tool.function.parameters if tool.function is not None else None
    return Tool(tool.name, schema, custom=tool.function is None)


def role(given: str) -> Role:
    """One of the four; a name nobody knows counts as the user's."""
    roles: dict[str, Role] = {
        "system": "system",
        "developer": "system",
        "assistant": "assistant",
        "tool": "tool",
        "function": "tool",
    }
    return roles.get(given, "user")


def text_of(content: str | list[Part] | None) -> str:
    """The text parts joined; a medium is named in brackets."""
    if content is None or isinstance(content, str):
        return content or ""
    return " ".join(part.text if part.type in _TEXTS else f"[{part.type}]" for part in content)


def visible(content: str | list[Part] | None) -> int:
    """How many parts are images, files or the like."""
    if content is None or isinstance(content, str):
        return 0
    return sum(part.type not in (*_TEXTS, "input_audio") for part in content)


def sounds(content: str | list[Part] | None) -> int:
    """How many parts are audio."""
    return 0 if content is None or isinstance(content, str) else sum(part.type == "input_audio" for part in content)


def narrowed(choice: str | dict[str, Any] | None) -> tuple[Literal["auto", "none", "required"], tuple[str, ...] | None]:
    """A tool choice as a mode, and the names it allows: one named tool, or a list of allowed ones with its mode."""
    if isinstance(choice, dict):
        inner = choice.get("allowed_tools", choice if choice.get("type") == "allowed_tools" else None)
        entries = inner.get("tools") if isinstance(inner, dict) else [choice]
        mode = inner.get("mode") if isinstance(inner, dict) else "required"
        named = [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []
        return ("required" if mode == "required" else "auto"), tuple(str(_name(entry)) for entry in named)
    return ("none" if choice == "none" else "required" if choice == "required" else "auto"), None


def _name(entry: dict[str, Any]) -> Any:
    """Chat says `{"function": {"name": …}}`, responses `{"name": …}`."""
    inner = entry.get("function") or entry.get("custom") or entry
    return inner.get("name") if isinstance(inner, dict) else None


def stops(stop: str | list[str] | None) -> tuple[str, ...]:
    """Stop sequences, whichever way they were given."""
    return (stop,) if isinstance(stop, str) else tuple(stop or ())


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
