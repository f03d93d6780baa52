"""An Anthropic messages request, from its bytes into the inner language.

The system prompt becomes the first message; each of the others then keeps the client's own number as its place.
Blocks of kinds we do not know (server tools and their results) stay `Native`: Anthropic gets them as they came, other
wires refuse or drop them by their own rules. Raises InvalidRequest naming the field. Next file: `writing.py`.
"""

import base64
from typing import Any

import msgspec

from llm.core.conversation import (
    CacheControl,
    Conversation,
    Effort,
    File,
    Image,
    Message,
    Native,
    Options,
    Part,
    ResponseFormat,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from llm.core.dialects.anthropic.decoding import citation
from llm.core.dialects.anthropic_messages.known import REQUEST
from llm.core.dialects.seals import is_wrapped, unwrapped
from llm.core.dialects.strange import strange
from llm.core.errors import UNSUPPORTED, InvalidRequest
from llm.core.request_json import decoded

Fields = dict[str, Any]
CHOICES = {"auto": ToolChoice("auto"), "any": ToolChoice("required"), "none": ToolChoice("none")}
TIERS = {"standard_only": "default"}


class WireMessage(msgspec.Struct):
    role: str
    content: str | list[Fields]


class WireChoice(msgspec.Struct):
    type: str
    name: str | None = None
    disable_parallel_tool_use: bool | None = None


class WireThinking(msgspec.Struct):
    type: str
    budget_tokens: int | None = None
    display: str | None = None


class OutputConfig(msgspec.Struct):
    effort: Effort | None = None
    format: Fields | None = None


class Metadata(msgspec.Struct):
    user_id: str | None = None


class WireRequest(msgspec.Struct):
    model: str
    messages: list[WireMessage]
    system: str | list[Fields] | None = None
    max_tokens: int | None = None
    """Required, but in a count of tokens: the operations see to that."""
    tools: list[Fields] | None = None
    tool_choice: WireChoice | None = None
    stop_sequences: list[str] | None = None
    stream: bool | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    metadata: Metadata | None = None
    service_tier: str | None = None
    thinking: WireThinking | None = None
    output_config: OutputConfig | None = None


_request = msgspec.json.Decoder(WireRequest)
_document = msgspec.json.Decoder(Fields)


def read(body: bytes) -> Conversation:
    """Raises InvalidRequest."""
    wire, document = decoded(_request, body), decoded(_document, body)
    if not wire.messages:
        raise InvalidRequest("`messages` must hold at least one message.", "messages")
    messages = [_message(message, number) for number, message in enumerate(wire.messages)]
    if wire.system:
        placed = [
            msgspec.structs.replace(message, place=f"messages[{number}]") for number, message in enumerate(messages)
        ]
        messages = [_system(wire.system), *placed]
    return Conversation(
        model=wire.model,
        messages=tuple(messages),
        tools=tuple([_tool(tool, number) for number, tool in enumerate(wire.tools or ())]),
        tool_choice=_choice(wire.tool_choice),
        response_format=_format(wire.output_config),
        options=_options(wire),
        stream=bool(wire.stream),
        include_usage=True,
        unknown=tuple(dict.fromkeys(strange(document, REQUEST))),
    )


def _system(content: str | list[Fields]) -> Message:
    parts = tuple(_parts(content, "system"))
    for number, part in enumerate(parts):
        if not isinstance(part, Text):
            raise InvalidRequest(f"`system[{number}]` must be a block of text.", f"system[{number}]")
    return Message("system", parts, place="system")


def _message(message: WireMessage, number: int) -> Message:
    where = f"messages[{number}]"
    parts = tuple(_parts(message.content, f"{where}.content"))
    if message.role == "assistant":
        return Message("assistant", parts)
    if message.role == "system":
        return Message("system", parts)
    if message.role != "user":
        raise InvalidRequest(f"`{where}.role` must be user or assistant.", f"{where}.role")
    return Message("user", parts)


def _parts(content: str | list[Fields], where: str) -> list[Part]:
    if isinstance(content, str):
        return [Text(content)]
    found: list[Part] = []
    for number, block in enumerate(content):
        try:
            found.append(_part(block, f"{where}[{number}]"))
        except (KeyError, TypeError, AttributeError) as error:
            place = f"{where}[{number}]"
            raise InvalidRequest(f"`{place}`: no block of this type looks so ({error}).", place) from None
    return found


def _part(block: Fields, where: str) -> Part:
    kind, cache = block["type"], _cache(block)
    if kind == "text":
        cited = tuple([citation(source) for source in block.get("citations") or ()])
        return Text(_string(block, "text", where), cited, cache)
    if kind == "image":
        return _image(_source(block, where), cache, where)
    if kind == "document":
        return _document_of(block, _source(block, where), cache)
    if kind == "thinking":
        text = _string(block, "thinking", where)
        signature = _string(block, "signature", where) if block.get("signature") else None
        if signature is not None and is_wrapped(signature):
            return unwrapped(text, signature, f"{where}.signature")
        return Thinking(text, signature, origin="anthropic")
    if kind == "redacted_thinking":
        data = _string(block, "data", where)
        return unwrapped("", data, f"{where}.data") if is_wrapped(data) else Thinking(redacted=data, origin="anthropic")
    if kind == "tool_use":
        arguments = msgspec.json.encode(block.get("input") or {}).decode()
        return ToolCall(_string(block, "id", where), _string(block, "name", where), arguments, cache=cache)
    if kind == "tool_result":
        return _result(block, cache, where)
    return Native("anthropic", block)


def _string(block: Fields, name: str, where: str) -> str:
    value = block.get(name)
    if not isinstance(value, str):
        raise InvalidRequest(f"`{where}.{name}` must be a string.", f"{where}.{name}")
    return value


def _image(source: Fields, cache: CacheControl | None, where: str) -> Part:
    if source["type"] == "url":
        return Image(url=source["url"], cache=cache)
    if source["type"] == "base64":
        return Image(data=source["data"], media_type=source["media_type"], cache=cache)
    if source["type"] == "file":
        return File(id=source["file_id"], cache=cache)
    raise InvalidRequest(f"`{where}.source.type` must be base64, url or file.", f"{where}.source.type", UNSUPPORTED)


def _source(block: Fields, where: str) -> Fields:
    """Where an image or document lies: everything about it is text, but for blocks, which stay what they are."""
    source: Fields = block["source"]
    for name in source:
        if name != "content":
            _string(source, name, f"{where}.source")
    return source


def _document_of(block: Fields, source: Fields, cache: CacheControl | None) -> Part:
    name = _string(block, "title", "document") if block.get("title") else None
    if source["type"] == "url":
        return File(url=source["url"], media_type="application/pdf", name=name, cache=cache)
    if source["type"] == "base64":
        return File(data=source["data"], media_type=source["media_type"], name=name, cache=cache)
    if source["type"] == "text":
        data = base64.b64encode(source["data"].encode()).decode()
        return File(data=data, media_type="text/plain", name=name, cache=cache)
    if source["type"] == "file":
        return File(id=source["file_id"], name=name, cache=cache)
    return Native("anthropic", block)


def _result(block: Fields, cache: CacheControl | None, where: str) -> ToolResult:
    inner = _parts(block.get("content") or [], f"{where}.content")
    parts = [part for part in inner if isinstance(part, Text | Image | File)]
    if len(parts) < len(inner):
        raise InvalidRequest(
            f"`{where}.content`: a tool may answer with text, images and documents.", f"{where}.content", UNSUPPORTED
        )
    return ToolResult(_string(block, "tool_use_id", where), tuple(parts), bool(block.get("is_error")), cache)


def _cache(block: Fields) -> CacheControl | None:
    given = block.get("cache_control")
    return CacheControl(given.get("ttl")) if isinstance(given, dict) else None


def _tool(tool: Fields, number: int) -> Tool:
    name = _string(tool, "name", f"tools[{number}]")
    if tool.get("type") not in (None, "custom"):
        return Tool(name, native=Native("anthropic", tool))
    schema = tool.get("input_schema")
    if not isinstance(schema, dict):
        where = f"tools[{number}].input_schema"
        raise InvalidRequest(f"`{where}` must be a JSON Schema.", where)
    return Tool(name, tool.get("description"), schema, tool.get("strict"), cache=_cache(tool))


def _choice(choice: WireChoice | None) -> ToolChoice | None:
    if choice is None:
        return None
    if choice.type == "tool" and choice.name:
        return ToolChoice("named", (choice.name,))
    if choice.type in CHOICES:
        return CHOICES[choice.type]
    raise InvalidRequest("`tool_choice` must be auto, any, none, or a tool by name.", "tool_choice")


def _format(config: OutputConfig | None) -> ResponseFormat | None:
    if config is None or config.format is None:
        return None
    return ResponseFormat("schema", "answer", None, config.format.get("schema"), True)


def _options(wire: WireRequest) -> Options:
    thinking, choice = wire.thinking, wire.tool_choice
    budget = None
    if thinking is not None:
        budget = 0 if thinking.type == "disabled" else thinking.budget_tokens
    effort = wire.output_config.effort if wire.output_config is not None else None
    if effort is None and thinking is not None and thinking.type == "adaptive":
        effort = "high"
    return Options(
        temperature=wire.temperature,
        top_p=wire.top_p,
        top_k=wire.top_k,
        max_tokens=wire.max_tokens,
        stop=tuple(wire.stop_sequences or ()),
        parallel_tool_calls=False if choice is not None and choice.disable_parallel_tool_use else None,
        reasoning_effort=effort,
        thinking_budget=budget,
        service_tier=TIERS.get(wire.service_tier, wire.service_tier) if wire.service_tier else None,
        user=wire.metadata.user_id if wire.metadata is not None else None,
    )
