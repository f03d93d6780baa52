"""POST /v1/responses as the sandbox reads it: items become turns; the rest is accepted, or echoed as OpenAI does."""

from typing import Annotated, Any, Literal

import msgspec

from llm.sandbox.conversation import Called, Conversation, Tool, Turn
from llm.sandbox.openai.requests import MAX_TOOLS, Limit, Part, Role, narrowed, role, sounds, text_of, visible

_CALLS = {"function_call": "arguments", "custom_tool_call": "input"}
_RESULTS = ("function_call_output", "custom_tool_call_output")


class Item(msgspec.Struct, frozen=True):
    """A message, a tool call or its result; any other kind is accepted and says nothing."""

    type: str = "message"
    role: str = "user"
    content: str | list[Part] | None = None
    call_id: str = ""
    name: str = ""
    arguments: str = ""
    input: str = ""
    output: str | list[Part] = ""


class ToolEntry(msgspec.Struct, frozen=True):
    type: str
    name: str = ""
    parameters: dict[str, Any] | None = None


class Format(msgspec.Struct, frozen=True):
    type: Literal["text", "json_object", "json_schema"] = "text"
    schema: dict[str, Any] = {}


class TextOptions(msgspec.Struct, frozen=True):
    format: Format = Format()


class ResponsesRequest(msgspec.Struct, frozen=True):
    """The members that change the answer."""

    model: str
    input: str | Annotated[list[Item], msgspec.Meta(min_length=1)]
    instructions: str | None = None
    previous_response_id: str | None = None
    tools: Annotated[list[ToolEntry], msgspec.Meta(max_length=MAX_TOOLS)] | None = None
    tool_choice: str | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    text: TextOptions | None = None
    max_output_tokens: Limit | None = None
    stream: bool | None = None
    store: bool | None = None


class Echo(msgspec.Struct, frozen=True):
    """The members OpenAI repeats in its reply, with their defaults; taken as they came."""

    instructions: Any = None
    max_output_tokens: Any = None
    metadata: Any = msgspec.field(default_factory=dict)
    parallel_tool_calls: Any = True
    previous_response_id: Any = None
    reasoning: Any = msgspec.field(default_factory=lambda: {"effort": None, "summary": None})
    service_tier: Any = "default"
    store: Any = True
    temperature: Any = 1.0
    text: Any = msgspec.field(default_factory=lambda: {"format": {"type": "text"}})
    tool_choice: Any = "auto"
    tools: Any = msgspec.field(default_factory=list)
    top_p: Any = 1.0
    truncation: Any = "disabled"
    user: Any = None


def conversation(request: ResponsesRequest, before: Conversation | None) -> Conversation:
    """The request as turns, after those of an earlier response. Instructions are never carried over, as OpenAI says."""
    earlier = () if before is None else tuple(turn for turn in before.turns if turn.role != "system")
    first = (Turn("system", request.instructions),) if request.instructions else ()
    given = [Item(content=request.input)] if isinstance(request.input, str) else request.input
    turns = [turn for item in given if (turn := _turn(item)) is not None]
    choice, allowed = narrowed(request.tool_choice)
    form = request.text.format if request.text is not None else Format()
    usable = [tool for tool in request.tools or [] if tool.type in ("function", "custom")]
    return Conversation(
        turns=(*first, *earlier, *turns) or (Turn("user"),),
        tools=tuple(Tool(tool.name, tool.parameters, tool.type == "custom") for tool in usable),
        choice=choice,
        allowed=allowed,
        parallel=request.parallel_tool_calls is not False,
        shape={"text": "text", "json_object": "object", "json_schema": "schema"}[form.type],  # type: ignore[arg-type]
        schema=form.schema,
        limit=request.max_output_tokens,
    )


def _turn(item: Item) -> Turn | None:
    if item.type == "message":
        who: Role = role(item.role)
        return Turn(who, text_of(item.content), visible(item.content), sounds(item.content))
    if item.type in _CALLS:
        said: str = getattr(item, _CALLS[item.type])
        return Turn("assistant", calls=(Called(item.call_id, item.name, said),))
    if item.type in _RESULTS:
        return Turn("tool", text_of(item.output), visible(item.output), sounds(item.output), call_id=item.call_id)
    return None
