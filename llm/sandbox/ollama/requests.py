"""Ollama's requests as the sandbox reads them, typed as far as it looks; every other field is accepted and ignored.

Unlike elsewhere, a request that does not say `stream` gets a stream. Source: https://docs.ollama.com/api/chat
"""

from typing import Annotated, Any

import msgspec

from llm.sandbox.conversation import Called, Conversation, Tool, Turn


class CalledFunction(msgspec.Struct, frozen=True):
    name: str = ""
    arguments: msgspec.Raw = msgspec.Raw(b"{}")


class ToolCall(msgspec.Struct, frozen=True):
    function: CalledFunction = CalledFunction()


class Message(msgspec.Struct, frozen=True):
    role: str
    content: str | None = None
    images: list[str] | None = None
    tool_calls: list[ToolCall] | None = None
    tool_name: str | None = None


class Function(msgspec.Struct, frozen=True):
    name: str
    parameters: dict[str, Any] | None = None


class ToolEntry(msgspec.Struct, frozen=True):
    function: Function


class Options(msgspec.Struct, frozen=True):
    num_predict: int | None = None
    stop: str | list[str] | None = None
    num_ctx: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    seed: int | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What chat and generate have in common."""

    model: str
    format: str | dict[str, Any] | None = None
    options: Options | None = None
    stream: bool | None = None
    think: bool | str | None = None


class ChatRequest(Request, frozen=True, kw_only=True):
    """POST /api/chat."""

    messages: Annotated[list[Message], msgspec.Meta(min_length=1)]
    tools: list[ToolEntry] | None = None


class GenerateRequest(Request, frozen=True, kw_only=True):
    """POST /api/generate."""

    prompt: str = ""
    system: str | None = None
    images: list[str] | None = None


class EmbedRequest(msgspec.Struct, frozen=True):
    """POST /api/embed."""

    model: str
    input: str | list[str]
    dimensions: Annotated[int, msgspec.Meta(ge=1, le=4096)] | None = None


def conversation(request: Request) -> Conversation:
    """The request in the sandbox's own words."""
    options, form = request.options or Options(), request.format
    limit = options.num_predict
    tools = (request.tools or []) if isinstance(request, ChatRequest) else []
    stop = options.stop
    return Conversation(
        turns=_turns(request),
        tools=tuple(Tool(tool.function.name, tool.function.parameters) for tool in tools),
        shape="schema" if isinstance(form, dict) else "object" if form == "json" else "text",
        schema=form if isinstance(form, dict) else {},
        stop=(stop,) if isinstance(stop, str) else tuple(stop or ()),
        limit=limit if limit is not None and limit > 0 else None,
    )


def _turns(request: Request) -> tuple[Turn, ...]:
    if isinstance(request, ChatRequest):
        return tuple(_turn(message) for message in request.messages)
    assert isinstance(request, GenerateRequest)
    first = (Turn("system", request.system),) if request.system else ()
    return (*first, Turn("user", request.prompt, len(request.images or ())))


def _turn(message: Message) -> Turn:
    """Ollama's results name their tool, not their call: the name stands for the id."""
    role = message.role if message.role in ("system", "assistant", "tool") else "user"
    calls = tuple(
        Called(call.function.name, call.function.name, bytes(call.function.arguments).decode())
        for call in message.tool_calls or []
    )
    images = len(message.images or ())
    text = " ".join(filter(None, (message.content, "[image] " * images)))
    return Turn(role, text.strip() if images else message.content or "", images, 0, calls, message.tool_name or "")  # type: ignore[arg-type]
