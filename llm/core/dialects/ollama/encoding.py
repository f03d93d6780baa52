"""A conversation as an Ollama chat request; `rules.py` says what becomes of the rest.

Raises InvalidRequest naming the client's field. Next file: `decoding.py`, replies.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from llm.core.conversation import (
    Conversation,
    Drops,
    Image,
    Message,
    Options,
    Part,
    Refusal,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolResult,
    cannot,
)
from llm.core.dialects.ollama import rules
from llm.core.dialects.translation import Outgoing, Target, arguments_of, offered
from llm.core.errors import InvalidRequest

NAME = "Ollama"
Fields = dict[str, Any]
SAMPLING = {
    "temperature": "temperature",
    "top_p": "top_p",
    "top_k": "top_k",
    "seed": "seed",
    "frequency_penalty": "frequency_penalty",
    "presence_penalty": "presence_penalty",
    "max_tokens": "num_predict",
}


def encode(conversation: Conversation, target: Target) -> Outgoing:
    """Raises InvalidRequest, naming the field, for what this wire cannot say."""
    drops = Drops(conversation.unknown)
    options = conversation.options
    _refuse(options)
    body: Fields = {
        "model": target.model,
        "messages": _messages(conversation.messages, drops),
        "stream": conversation.stream,
    }
    tools = _tools(conversation, drops)
    if tools:
        body["tools"] = tools
    wanted = conversation.response_format
    if wanted is not None and wanted.mode != "text":
        if wanted.description is not None:
            drops.note("response_format.json_schema.description")
        body["format"] = wanted.schema if wanted.schema is not None else "json"
    settings = _settings(options, target)
    if settings:
        body["options"] = settings
    thinking = _thinking(options, target.model)
    if thinking is not None:
        body["think"] = thinking
    for name in ("logprobs", "top_logprobs"):
        if getattr(options, name) is not None:
            body[name] = getattr(options, name)
    drops.note_given(options, rules.DROPPED)
    return Outgoing("/api/chat", {"content-type": "application/json"}, msgspec.json.encode(body), drops.names())


def _refuse(options: Options) -> None:
    if options.n is not None and options.n > 1:
        cannot(NAME, "more than one choice", "n")
    if options.audio is not None:
        cannot(NAME, "spoken answers", "audio")
    if any(kind != "text" for kind in options.modalities):
        cannot(NAME, "answers in anything but text", "modalities")
    if options.web_search_options is not None:
        cannot(NAME, "web search", "web_search_options")


def _messages(messages: tuple[Message, ...], drops: Drops) -> list[Fields]:
    names: dict[str, str] = {}
    found: list[Fields] = []
    for index, message in enumerate(messages):
        where = message.where(index)
        if message.name is not None:
            drops.note("messages[].name")
        role = "system" if message.role == "developer" else message.role
        results = [part for part in message.parts if isinstance(part, ToolResult)]
        found.extend([_result(part, names, where, drops) for part in results])
        rest = [part for part in message.parts if not isinstance(part, ToolResult)]
        if rest or not results:
            found.append(_message(role, rest, names, where, drops))
    return found


def _message(role: str, parts: Sequence[Part], names: dict[str, str], where: str, drops: Drops) -> Fields:
    texts: list[str] = []
    thoughts: list[str] = []
    images: list[str] = []
    calls: list[Fields] = []
    for part in parts:
        if getattr(part, "cache", None) is not None:
            drops.note("messages[].content[].cache_control")
        if isinstance(part, Text):
            _note_beside(part, drops)
        if isinstance(part, Text | Refusal):
            texts.append(part.text)
        elif isinstance(part, Image):
            images.append(_image(part, where, drops))
        elif isinstance(part, Thinking):
            thoughts.append(part.text)
            if part.signature is not None or part.redacted is not None:
                drops.note("messages[].reasoning_details")
        elif isinstance(part, ToolCall):
            if part.custom:
                cannot(NAME, "calls of custom tools", f"{where}.tool_calls")
            if part.signature is not None:
                drops.note("messages[].tool_calls[].extra_content")
            names[part.id] = part.name
            called = {"name": part.name, "arguments": arguments_of(part, f"{where}.tool_calls")}
            calls.append({"function": called})
        else:
            cannot(NAME, "sound, files or blocks of another provider", f"{where}.content")
    message: Fields = {"role": role, "content": "".join(texts)}
    for name, value in (("thinking", "".join(thoughts)), ("images", images), ("tool_calls", calls)):
        if value:
            message[name] = value
    return message


def _note_beside(part: Text, drops: Drops) -> None:
    """What stands beside a text and has no place there."""
    if part.citations:
        drops.note("messages[].annotations")
    if part.signature is not None:
        drops.note("messages[].extra_content")


def _result(part: ToolResult, names: dict[str, str], where: str, drops: Drops) -> Fields:
    name = names.get(part.call_id)
    if name is None:
        where = f"{where}.tool_call_id"
        raise InvalidRequest(f"`{where}`: no message before it holds a call with the id {part.call_id}.", where)
    message = _message("tool", list(part.parts), names, where, drops)
    message["tool_name"] = name
    if part.is_error:
        message["content"] = f"Error: {message['content']}"
    return message


def _image(part: Image, where: str, drops: Drops) -> str:
    if part.detail is not None:
        drops.note("messages[].content[].image_url.detail")
    if part.data is None:
        cannot(NAME, "images by URL", f"{where}.content")
    return part.data


def _tools(conversation: Conversation, drops: Drops) -> list[Fields]:
    choice = conversation.tool_choice
    if choice is not None and choice.mode in ("required", "named"):
        cannot(NAME, "a forced tool", "tool_choice")
    if choice is not None and choice.mode == "none":
        return []
    return [_tool(tool, number, drops) for number, tool in offered(conversation)]


def _tool(tool: Tool, number: int, drops: Drops) -> Fields:
    if tool.custom is not None or tool.native is not None:
        cannot(NAME, "tools that are no functions", tool.where(number))
    if tool.strict is not None:
        drops.note("tools[].function.strict")
    if tool.cache is not None:
        drops.note("tools[].cache_control")
    function: Fields = {"name": tool.name}
    if tool.description is not None:
        function["description"] = tool.description
    function["parameters"] = tool.parameters or {"type": "object", "properties": {}}
    return {"type": "function", "function": function}


def _settings(options: Options, target: Target) -> Fields:
    found: Fields = {}
    for ours, theirs in SAMPLING.items():
        value = getattr(options, ours)
        if value is not None:
            found[theirs] = value
    if options.stop:
        found["stop"] = options.stop
    if target.context_window is not None:
        found["num_ctx"] = target.context_window
    return found


def _thinking(options: Options, model: str) -> bool | str | None:
    effort, budget = options.reasoning_effort, options.thinking_budget
    if effort is None and budget is None:
        return None
    if effort == "none" or budget == 0:
        return False
    return rules.EFFORTS.get(effort or "medium", "high") if model.startswith(rules.WITH_EFFORT) else True
