"""Anthropic's requests as the sandbox reads them, typed as far as it looks; every other field is accepted and ignored.

Source: https://docs.anthropic.com/en/api/messages
"""

from typing import Annotated, Any, Literal

import msgspec

from llm.sandbox.conversation import Called, Conversation, Tool, Turn
from llm.sandbox.errors import Refusal

Share = Annotated[float, msgspec.Meta(ge=0, le=1)]


class Block(msgspec.Struct, frozen=True):
    """One part of a message; which members count depends on its type."""

    type: str
    text: str = ""
    id: str = ""
    name: str = ""
    input: msgspec.Raw = msgspec.Raw(b"{}")
    tool_use_id: str = ""
    content: msgspec.Raw = msgspec.Raw()


class Message(msgspec.Struct, frozen=True):
    role: Literal["user", "assistant", "system"]
    content: str | list[Block]


class ToolEntry(msgspec.Struct, frozen=True):
    name: str
    type: str | None = None
    input_schema: dict[str, Any] | None = None


class ToolChoice(msgspec.Struct, frozen=True):
    type: Literal["auto", "any", "tool", "none"]
    name: str = ""
    disable_parallel_tool_use: bool | None = None


class Thinking(msgspec.Struct, frozen=True):
    type: Literal["enabled", "disabled", "adaptive"]
    budget_tokens: Annotated[int, msgspec.Meta(ge=1024)] | None = None


class Metadata(msgspec.Struct, frozen=True):
    user_id: str | None = None


class Format(msgspec.Struct, frozen=True):
    schema: dict[str, Any] = {}


class OutputConfig(msgspec.Struct, frozen=True):
    format: Format | None = None


class MessagesRequest(msgspec.Struct, frozen=True, kw_only=True):
    """POST /v1/messages. `max_tokens` is required there, not when tokens are counted."""

    model: str
    max_tokens: Annotated[int, msgspec.Meta(ge=1)]
    messages: Annotated[list[Message], msgspec.Meta(min_length=1)]
    system: str | list[Block] | None = None
    tools: list[ToolEntry] | None = None
    tool_choice: ToolChoice | None = None
    stop_sequences: list[str] | None = None
    stream: bool | None = None
    temperature: Share | None = None
    top_p: Share | None = None
    top_k: Annotated[int, msgspec.Meta(ge=0)] | None = None
    metadata: Metadata | None = None
    service_tier: Literal["auto", "standard_only"] | None = None
    thinking: Thinking | None = None
    output_config: OutputConfig | None = None

    @property
    def thinks(self) -> bool:
        return self.thinking is not None and self.thinking.type != "disabled"


class CountRequest(MessagesRequest, frozen=True, kw_only=True):
    """POST /v1/messages/count_tokens."""

    max_tokens: Annotated[int, msgspec.Meta(ge=1)] = 1


def conversation(request: MessagesRequest) -> Conversation:
    """The request in the sandbox's own words."""
    choice = request.tool_choice or ToolChoice("auto")
    form = request.output_config.format if request.output_config is not None else None
    turns = [Turn("system", _text(request.system))] if request.system else []
    for message in request.messages:
        turns += _turns(message)
    usable = [tool for tool in request.tools or [] if tool.type in (None, "custom")]
    return Conversation(
        turns=tuple(turns),
        tools=tuple(Tool(tool.name, tool.input_schema) for tool in usable),
        choice="none" if choice.type == "none" else "required" if choice.type in ("any", "tool") else "auto",
        allowed=(choice.name,) if choice.type == "tool" else None,
        parallel=not choice.disable_parallel_tool_use,
        shape="text" if form is None else "schema",
        schema=form.schema if form is not None else {},
        stop=tuple(request.stop_sequences or ()),
        limit=request.max_tokens,
    )


def _turns(message: Message) -> list[Turn]:
    """A message as one turn for each tool result in it, and one for the rest."""
    if isinstance(message.content, str):
        return [Turn(message.role, message.content)]
    results = [block for block in message.content if block.type == "tool_result"]
    rest = [block for block in message.content if block.type not in ("tool_result", "thinking", "redacted_thinking")]
    turns = [Turn("tool", _result(block), call_id=block.tool_use_id) for block in results]
    calls = tuple(Called(b.id, b.name, bytes(b.input).decode()) for b in rest if b.type == "tool_use")
    shown = [block for block in rest if block.type != "tool_use"]
    if shown or calls or not turns:
        media = sum(block.type != "text" for block in shown)
        turns.append(Turn(message.role, _text(shown), media, calls=calls))
    return turns


def _text(content: str | list[Block] | None) -> str:
    if content is None or isinstance(content, str):
        return content or ""
    return " ".join(block.text if block.type == "text" else f"[{block.type}]" for block in content)


def _result(block: Block) -> str:
    given = bytes(block.content)
    if not given:
        return ""
    try:
        return _text(msgspec.json.decode(given, type=str | list[Block] | None))
    except msgspec.ValidationError as reason:
        raise Refusal(400, f"The content of the tool_result for {block.tool_use_id!r}: {reason}.") from None
