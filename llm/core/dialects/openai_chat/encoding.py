"""A conversation as an OpenAI chat completions request: for clients of another wire, and providers of this one.

It is the inverse of `reading.py`: what that reads from OpenAI's fields, and from those that other servers added, goes
back into the same fields, but for those that the provider's row refuses (`Target.refused`): they are left out by name,
wherever they stand. Not expressible: a tool or block that another provider runs. `ToolResult`s that stand in a user
message (Anthropic's way) become tool messages before it. Next file: `rules.py`.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from llm.core.conversation import (
    Audio,
    CacheControl,
    Conversation,
    Drops,
    File,
    Image,
    Message,
    Native,
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
from llm.core.dialects.openai_chat.writing import reasoning_detail, tool_call
from llm.core.dialects.reasoning_models import reasons
from llm.core.dialects.signatures import EXTRA, signed
from llm.core.dialects.translation import Outgoing, Target

NAME = "OpenAI's chat"
CACHE, THOUGHT, DETAILS = "cache_control", "reasoning_content", "reasoning_details"
"""With `EXTRA`: members that other servers added to this wire, and that a provider's row may refuse."""
APART = frozenset({"max_tokens", "stop", "modalities", "thinking_budget"})
"""Options that are written in another way than by their name."""
OF_SOME = frozenset({"top_k"})
"""Options that only some servers added."""
ELSEWHERE = frozenset({"anthropic", "google", "openai"})
Fields = dict[str, Any]


def encode(conversation: Conversation, target: Target) -> Outgoing:
    """Raises InvalidRequest, naming the field, for what this wire cannot say."""
    drops = Drops(conversation.unknown)
    options = conversation.options
    body: Fields = {"model": target.model, "messages": _Messages(target.refused, drops).of(conversation.messages)}
    if conversation.tools:
        marked = CACHE not in target.refused
        body["tools"] = [_tool(tool, number, marked) for number, tool in enumerate(conversation.tools)]
        if not marked and any(tool.cache is not None for tool in conversation.tools):
            drops.note("tools[].cache_control")
    if conversation.tool_choice is not None:
        body["tool_choice"] = _choice(conversation.tool_choice, conversation.tools)
    if conversation.response_format is not None:
        body["response_format"] = _format(conversation.response_format)
    for name in options.__struct_fields__:
        value = getattr(options, name)
        if value is None or name in APART:
            continue
        if name in OF_SOME and name in target.refused:
            drops.note(name)
        else:
            body[name] = value
    if options.max_tokens is not None:
        body["max_completion_tokens" if reasons(target.model) else "max_tokens"] = options.max_tokens
    if options.stop:
        body["stop"] = options.stop
    if options.modalities:
        body["modalities"] = options.modalities
    if options.thinking_budget is not None and options.reasoning_effort is None:
        drops.note("thinking_budget")
    if conversation.stream:
        body["stream"] = True
        body["stream_options"] = {"include_usage": True}
    return Outgoing("/chat/completions", {"content-type": "application/json"}, msgspec.json.encode(body), drops.names())


class _Messages:
    """Messages become messages; `refused` are the members this provider does not know."""

    def __init__(self, refused: frozenset[str], drops: Drops) -> None:
        self._refused = refused
        self._drops = drops

    def of(self, messages: tuple[Message, ...]) -> list[Fields]:
        found: list[Fields] = []
        for index, message in enumerate(messages):
            where = message.where(index)
            results = [part for part in message.parts if isinstance(part, ToolResult)]
            found.extend([self._result(part, where) for part in results])
            rest = [part for part in message.parts if not isinstance(part, ToolResult | Native)]
            if any(isinstance(part, Native) for part in message.parts):
                self._drops.note("messages[].content")
                if not rest:
                    continue
            if rest or not results:
                found.append(self._message(message, rest, where))
        return found

    def _result(self, part: ToolResult, where: str) -> Fields:
        content = self._content(part.parts, where)
        if part.is_error:
            self._drops.note(f"{where}.content[].is_error")
        if part.cache is not None:
            self._drops.note("messages[].content[].cache_control")
        return {"role": "tool", "tool_call_id": part.call_id, "content": content if content is not None else ""}

    def _message(self, message: Message, parts: Sequence[Part], where: str) -> Fields:
        fields: Fields = {"role": message.role}
        said = [part for part in parts if not isinstance(part, Thinking | ToolCall)]
        content = self._content(said, where)
        fields["content"] = content if content is not None or message.role == "assistant" else ""
        if message.name is not None:
            fields["name"] = message.name
        if message.role == "assistant":
            self._answered(fields, said)
        calls = [self._call(part) for part in parts if isinstance(part, ToolCall)]
        if calls:
            fields["tool_calls"] = calls
        self._thought(fields, [part for part in parts if isinstance(part, Thinking)])
        return fields

    def _answered(self, fields: Fields, said: Sequence[Part]) -> None:
        """What only an assistant's message has beside its content."""
        for part in said:
            if isinstance(part, Audio) and part.id is not None:
                fields["audio"] = {"id": part.id}
            elif isinstance(part, Refusal):
                fields["refusal"] = part.text
            elif (
                isinstance(part, Text) and part.signature is not None and self._takes(EXTRA, "messages[].extra_content")
            ):
                if EXTRA in fields:  # one a message
                    self._drops.note("messages[].extra_content")
                signed(fields, part.signature)

    def _call(self, part: ToolCall) -> Fields:
        fields = tool_call(part)
        if EXTRA in fields and not self._takes(EXTRA, "messages[].tool_calls[].extra_content"):
            del fields[EXTRA]
        if part.cache is not None:
            self._drops.note("messages[].tool_calls[].cache_control")
        return fields

    def _thought(self, fields: Fields, thoughts: list[Thinking]) -> None:
        """Thinking as text, and sealed as it was, but for the seals of providers that are called on other wires."""
        if not thoughts:
            return
        if self._takes(THOUGHT, "messages[].reasoning_content"):
            if any(is_foreign(part) for part in thoughts):
                self._drops.note("messages[].reasoning_details")
                plain = [Thinking(part.text) if is_foreign(part) else part for part in thoughts]
                thoughts = [part for part in plain if part.text or part.redacted is not None]
            if not thoughts:
                return
            fields[THOUGHT] = "".join([part.text for part in thoughts])
            if self._takes(DETAILS, "messages[].reasoning_details"):
                fields[DETAILS] = [reasoning_detail(part, number) for number, part in enumerate(thoughts)]

    def _takes(self, member: str, name: str) -> bool:
        """Whether the provider knows a member; where it does not, `name` is what the client is told of."""
        if member in self._refused:
            self._drops.note(name)
            return False
        return True

    def _content(self, parts: Iterable[Part], where: str) -> str | list[Fields] | None:
        """A string for a single plain text, else a list; None for nothing."""
        blocks: list[Fields] = []
        for part in parts:
            if isinstance(part, Text) and part.citations:
                self._drops.note("messages[].annotations")
            if not isinstance(part, Refusal) and not (isinstance(part, Audio) and part.data is None):
                block = _part(part, where)
                if CACHE in block and not self._takes(CACHE, "messages[].content[].cache_control"):
                    del block[CACHE]
                blocks.append(block)
        if not blocks:
            return None
        if len(blocks) == 1 and blocks[0].keys() == {"type", "text"}:
            text: str = blocks[0]["text"]
            return text
        return blocks


def is_foreign(part: Thinking) -> bool:
    """Whether it carries a seal given out on another wire than this: Anthropic's, Gemini's, or of OpenAI's responses.

    Servers of this wire name the kinds of their seals otherwise (`anthropic-claude-v1`) or not at all.
    """
    return part.origin in ELSEWHERE and (part.signature is not None or part.redacted is not None)


def _part(part: Part, where: str) -> Fields:
    if isinstance(part, Text):
        return _cached({"type": "text", "text": part.text}, part.cache)
    if isinstance(part, Image):
        image: Fields = {"url": part.url or f"data:{part.media_type};base64,{part.data}"}
        if part.detail is not None:
            image["detail"] = part.detail
        return _cached({"type": "image_url", "image_url": image}, part.cache)
    if isinstance(part, Audio):
        return {"type": "input_audio", "input_audio": {"data": part.data, "format": part.format}}
    if isinstance(part, File):
        named: Fields = {} if part.name is None else {"filename": part.name}
        if part.id is not None:
            named["file_id"] = part.id
        else:
            named["file_data"] = part.url or f"data:{part.media_type};base64,{part.data}"
        return _cached({"type": "file", "file": named}, part.cache)
    return cannot(NAME, "this part", f"{where}.content")


def _cached(block: Fields, cache: CacheControl | None) -> Fields:
    if cache is not None:
        block["cache_control"] = {"type": "ephemeral"} if cache.ttl is None else {"type": "ephemeral", "ttl": cache.ttl}
    return block


def _tool(tool: Tool, number: int, marked: bool) -> Fields:
    if tool.native is not None:
        cannot(NAME, "a tool that another provider runs", tool.where(number))
    if tool.custom is not None:
        custom = {"name": tool.name, "description": tool.description, "format": tool.custom}
        return {"type": "custom", "custom": {name: value for name, value in custom.items() if value is not None}}
    function: Fields = {"name": tool.name}
    for name, value in (("description", tool.description), ("parameters", tool.parameters), ("strict", tool.strict)):
        if value is not None:
            function[name] = value
    return _cached({"type": "function", "function": function}, tool.cache if marked else None)


def _choice(choice: ToolChoice, tools: tuple[Tool, ...]) -> str | Fields:
    custom = {tool.name for tool in tools if tool.custom is not None}
    named: list[Fields] = []
    for name in choice.names:
        kind = "custom" if name in custom else "function"
        named.append({"type": kind, kind: {"name": name}})
    if choice.mode == "named":
        return named[0]
    if named and choice.mode != "none":
        return {"type": "allowed_tools", "allowed_tools": {"mode": choice.mode, "tools": named}}
    return choice.mode


def _format(wanted: ResponseFormat) -> Fields:
    if wanted.mode != "schema":
        return {"type": "json_object" if wanted.mode == "json" else "text"}
    schema: Fields = {"name": wanted.name or "answer"}
    members = (("description", wanted.description), ("schema", wanted.schema), ("strict", wanted.strict))
    schema.update({name: value for name, value in members if value is not None})
    return {"type": "json_schema", "json_schema": schema}
