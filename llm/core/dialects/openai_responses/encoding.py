"""A conversation as an OpenAI responses request: for providers, or models, that offer no chat.

The inverse of `reading.py`: what that reads goes back into the same members. Nothing is kept at the provider unless the
client asks for it, so reasoning travels sealed, with the conversation. Next file: `decoding.py`.
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from llm.core.conversation import (
    Audio,
    Conversation,
    Drops,
    File,
    Image,
    Message,
    Native,
    Options,
    Part,
    Refusal,
    ResponseFormat,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    cannot,
)
from llm.core.dialects.openai_responses import provider_rules as rules
from llm.core.dialects.openai_responses.answer import flat_annotation
from llm.core.dialects.reasoning_models import reasons
from llm.core.dialects.seals import OPENAI
from llm.core.dialects.translation import Outgoing, Target

NAME = "OpenAI's responses"
SAME = (
    *("temperature", "top_p", "top_logprobs", "parallel_tool_calls", "service_tier", "user", "safety_identifier"),
    *("prompt_cache_key", "metadata"),
)
Fields = dict[str, Any]


def encode(conversation: Conversation, target: Target) -> Outgoing:
    """Raises InvalidRequest, naming the field, for what this wire cannot say."""
    drops = Drops(conversation.unknown)
    options = conversation.options
    _refuse(options)
    body: Fields = {"model": target.model, "input": Items(drops).of(conversation.messages)}
    tools = [_tool(tool, number, drops) for number, tool in enumerate(conversation.tools)]
    if options.web_search_options is not None:
        tools.append(_search(options.web_search_options))
    if tools:
        body["tools"] = tools
    if conversation.tool_choice is not None:
        body["tool_choice"] = _choice(conversation.tool_choice, conversation.tools)
    _text(body, conversation.response_format, options)
    body.update({name: getattr(options, name) for name in SAME if getattr(options, name) is not None})
    if options.max_tokens is not None:
        body["max_output_tokens"] = options.max_tokens
    _reasoning(body, options, target.model, drops)
    body["store"] = bool(options.store)
    if conversation.stream:
        body["stream"] = True
    drops.note_given(options, rules.DROPPED)
    return Outgoing("/responses", {"content-type": "application/json"}, msgspec.json.encode(body), drops.names())


def _refuse(options: Options) -> None:
    if options.n is not None and options.n > 1:
        cannot(NAME, "more than one choice", "n")
    if options.stop:
        cannot(NAME, "stop sequences", "stop")
    if options.audio is not None:
        cannot(NAME, "spoken answers", "audio")
    if any(kind != "text" for kind in options.modalities):
        cannot(NAME, "answers in anything but text", "modalities")


class Items:
    """Messages become items."""

    def __init__(self, drops: Drops) -> None:
        self._drops = drops
        self._custom: set[str] = set()
        """Ids of the calls of custom tools: their results are of another type."""
        self._found: list[Fields] = []

    def of(self, messages: tuple[Message, ...]) -> list[Fields]:
        for index, message in enumerate(messages):
            if message.name is not None:
                self._drops.note("messages[].name")
            where = message.where(index)
            results = [part for part in message.parts if isinstance(part, ToolResult)]
            for part in results:
                self._found.append(self._result(part, where))
            rest = [part for part in message.parts if not isinstance(part, ToolResult)]
            self._message(message.role, rest, where)
        return self._found

    def _message(self, role: str, parts: Iterable[Part], where: str) -> None:
        said: list[Fields] = []
        for part in parts:
            if isinstance(part, Thinking | ToolCall | Native):
                self._say(role, said)
                said = []
                self._own_item(part)
            else:
                said.append(self._content(part, role, where))
        self._say(role, said)

    def _say(self, role: str, content: list[Fields]) -> None:
        if content:
            plain = len(content) == 1 and content[0].keys() == {"type", "text"}
            self._found.append({"type": "message", "role": role, "content": content[0]["text"] if plain else content})

    def _own_item(self, part: Thinking | ToolCall | Native) -> None:
        if isinstance(part, ToolCall):
            self._call(part)
        elif isinstance(part, Native):
            if part.origin == OPENAI:
                self._found.append(part.block)
            else:
                self._drops.note("messages[].content")
        elif part.origin != OPENAI or part.redacted is None:
            self._drops.note("messages[].reasoning_content")
        else:
            summary = [{"type": "summary_text", "text": part.text}] if part.text else []
            item: Fields = {"type": "reasoning", "summary": summary, "encrypted_content": part.redacted}
            self._found.append(item if part.id is None else {**item, "id": part.id})

    def _call(self, part: ToolCall) -> None:
        if part.signature is not None:
            self._drops.note("messages[].tool_calls[].extra_content")
        self._note_cache(part)
        if part.custom:
            self._custom.add(part.id)
            fields = {"type": "custom_tool_call", "call_id": part.id, "name": part.name, "input": part.arguments}
        else:
            fields = {"type": "function_call", "call_id": part.id, "name": part.name, "arguments": part.arguments}
        self._found.append(fields)

    def _result(self, part: ToolResult, where: str) -> Fields:
        self._note_cache(part)
        if part.is_error:
            self._drops.note(f"{where}.content[].is_error")
        kind = "custom_tool_call_output" if part.call_id in self._custom else "function_call_output"
        content = [self._content(inner, "user", where) for inner in part.parts]
        plain = len(content) == 1 and content[0].keys() == {"type", "text"}
        output = content[0]["text"] if plain else content or ""
        return {"type": kind, "call_id": part.call_id, "output": output}

    def _content(self, part: Part, role: str, where: str) -> Fields:
        self._note_cache(part)
        if isinstance(part, Text):
            return self._text(part, role)
        if isinstance(part, Refusal):
            return {"type": "refusal", "refusal": part.text}
        if isinstance(part, Image):
            image: Fields = {"image_url": part.url or f"data:{part.media_type};base64,{part.data}"}
            return {"type": "input_image", **image, **({} if part.detail is None else {"detail": part.detail})}
        if isinstance(part, File):
            return _file(part)
        if isinstance(part, Audio) and part.data is not None:
            return {"type": "input_audio", "input_audio": {"data": part.data, "format": part.format}}
        return cannot(NAME, "sound by the id of an earlier answer", f"{where}.content")

    def _text(self, part: Text, role: str) -> Fields:
        if part.signature is not None:
            self._drops.note("messages[].extra_content")
        fields: Fields = {"type": "output_text" if role == "assistant" else "input_text", "text": part.text}
        if part.citations:
            fields["annotations"] = [flat_annotation(cited) for cited in part.citations]
        return fields

    def _note_cache(self, part: Part) -> None:
        if getattr(part, "cache", None) is not None:
            self._drops.note("messages[].content[].cache_control")


def _file(part: File) -> Fields:
    fields: Fields = {"type": "input_file"}
    if part.id is not None:
        fields["file_id"] = part.id
    elif part.url is not None:
        fields["file_url"] = part.url
    else:
        fields["file_data"] = f"data:{part.media_type};base64,{part.data}"
    return fields if part.name is None else {**fields, "filename": part.name}


def _tool(tool: Tool, number: int, drops: Drops) -> Fields:
    if tool.cache is not None:
        drops.note("tools[].cache_control")
    if tool.native is not None:
        if tool.native.origin != OPENAI:
            cannot(NAME, "a tool that another provider runs", tool.where(number))
        return tool.native.block
    described: Fields = {} if tool.description is None else {"description": tool.description}
    if tool.custom is not None:
        grammar = {**tool.custom, **tool.custom.get("grammar", {})}
        grammar.pop("grammar", None)
        return {"type": "custom", "name": tool.name, **described, "format": grammar}
    return {
        "type": "function",
        "name": tool.name,
        **described,
        "parameters": tool.parameters,
        "strict": bool(tool.strict),
    }


def _search(options: Fields) -> Fields:
    tool: Fields = {"type": "web_search"}
    if options.get("search_context_size") is not None:
        tool["search_context_size"] = options["search_context_size"]
    place = options.get("user_location")
    if isinstance(place, dict):
        tool["user_location"] = {"type": "approximate", **(place.get("approximate") or {})}
    return tool


def _choice(choice: ToolChoice, tools: tuple[Tool, ...]) -> str | Fields:
    custom = {tool.name for tool in tools if tool.custom is not None}
    named = [{"type": "custom" if name in custom else "function", "name": name} for name in choice.names]
    if choice.mode == "named":
        return named[0]
    if named and choice.mode != "none":
        return {"type": "allowed_tools", "mode": choice.mode, "tools": named}
    return choice.mode


def _text(body: Fields, wanted: ResponseFormat | None, options: Options) -> None:
    text: Fields = {}
    if wanted is not None:
        kinds = {"text": "text", "json": "json_object", "schema": "json_schema"}
        text["format"] = {"type": kinds[wanted.mode]}
        if wanted.mode == "schema":
            text["format"]["name"] = wanted.name or "answer"
            members = (("description", wanted.description), ("schema", wanted.schema), ("strict", wanted.strict))
            text["format"].update({name: value for name, value in members if value is not None})
    if options.verbosity is not None:
        text["verbosity"] = options.verbosity
    if text:
        body["text"] = text


def _reasoning(body: Fields, options: Options, model: str, drops: Drops) -> None:
    include = []
    if options.reasoning_effort is not None:
        body["reasoning"] = {"effort": options.reasoning_effort}
    elif options.thinking_budget is not None:
        drops.note("thinking_budget")
    if reasons(model):
        include.append("reasoning.encrypted_content")
    if options.logprobs:
        include.append("message.output_text.logprobs")
    if include:
        body["include"] = include
