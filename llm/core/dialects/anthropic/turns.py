"""The messages of a conversation as Anthropic's turns: system apart, results of tools first in the turn that follows.

Next file: `decoding.py`, replies.
"""

import base64
import binascii
import re
from typing import Any

from llm.core.conversation import (
    CacheControl,
    Drops,
    File,
    Image,
    Message,
    Native,
    Part,
    Refusal,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    cannot,
)
from llm.core.dialects.translation import arguments_of
from llm.core.errors import InvalidRequest

NAME = "Anthropic"
IMAGES = ("image/jpeg", "image/png", "image/gif", "image/webp")
ID_LETTERS = re.compile(r"[^a-zA-Z0-9_-]")

Fields = dict[str, Any]


def system_blocks(messages: tuple[Message, ...]) -> str | list[Fields]:
    """All that system and developer messages say, in order: a string when it is one plain text."""
    blocks: list[Fields] = []
    for index, message in enumerate(messages):
        if message.role not in ("system", "developer"):
            continue
        for part in message.parts:
            if not isinstance(part, Text):
                cannot(NAME, "anything but text in a system message", f"{message.where(index)}.content")
            if part.text:
                blocks.append(cached({"type": "text", "text": part.text}, part.cache))
    if len(blocks) == 1 and len(blocks[0]) == 2:
        text: str = blocks[0]["text"]
        return text
    return blocks


def turns(messages: tuple[Message, ...], drops: Drops) -> list[Fields]:
    """Raises InvalidRequest when nothing is left to send."""
    found: list[Fields] = []
    for index, message in enumerate(messages):
        if message.name is not None:
            drops.note("messages[].name")
        if message.role in ("system", "developer"):
            continue
        role = "assistant" if message.role == "assistant" else "user"
        where = message.where(index)
        blocks = [block for part in message.parts for block in _blocks(part, where, drops)]
        if not blocks:
            continue
        if found and found[-1]["role"] == role:
            found[-1]["content"].extend(blocks)
        else:
            found.append({"role": role, "content": blocks})
    if not found:
        raise InvalidRequest("`messages`: Anthropic needs a user message that is not empty.", "messages")
    for turn in found:
        content = turn["content"]
        if turn["role"] == "user":
            content.sort(key=lambda block: block["type"] != "tool_result")
        if len(content) == 1 and content[0].keys() == {"type", "text"}:
            turn["content"] = content[0]["text"]
    return found


def cached(block: Fields, cache: CacheControl | None) -> Fields:
    if cache is not None:
        block["cache_control"] = {"type": "ephemeral"} if cache.ttl is None else {"type": "ephemeral", "ttl": cache.ttl}
    return block


def _blocks(part: Part, where: str, drops: Drops) -> list[Fields]:
    """No block or one."""
    if isinstance(part, Text):
        return [_text(part, drops)] if part.text else []
    if isinstance(part, Image):
        return [_image(part, where, drops)]
    if isinstance(part, File):
        return [_document(part, where)]
    if isinstance(part, Refusal):
        return [{"type": "text", "text": part.text}] if part.text else []
    if isinstance(part, Thinking):
        return _thinking(part, drops)
    if isinstance(part, ToolCall):
        if part.custom:
            cannot(NAME, "calls of custom tools", f"{where}.tool_calls")
        if part.signature is not None:
            drops.note("messages[].tool_calls[].extra_content")
        called = {"name": part.name, "input": arguments_of(part, f"{where}.tool_calls")}
        return [cached({"type": "tool_use", "id": call_id(part.id), **called}, part.cache)]
    if isinstance(part, ToolResult):
        return [_result(part, where, drops)]
    if isinstance(part, Native):
        if part.origin == "anthropic":
            return [part.block]
        drops.note("messages[].content")
        return []
    return cannot(NAME, "sound", f"{where}.content")


def call_id(given: str) -> str:
    """Ids of other wires may hold letters that Anthropic refuses; call and result change alike."""
    return ID_LETTERS.sub("_", given)


def _text(part: Text, drops: Drops) -> Fields:
    block: Fields = {"type": "text", "text": part.text}
    sources = [cited.source for cited in part.citations if cited.source is not None and "type" in cited.source]
    if part.signature is not None:
        drops.note("messages[].extra_content")
    if len(sources) < len(part.citations):  # Anthropic takes back its own only
        drops.note("messages[].annotations")
    if sources:
        block["citations"] = sources
    return cached(block, part.cache)


def _image(part: Image, where: str, drops: Drops) -> Fields:
    if part.detail is not None:
        drops.note("messages[].content[].image_url.detail")
    if part.url is not None:
        source = {"type": "url", "url": part.url}
    elif part.media_type not in IMAGES:
        return cannot(NAME, f"images of type {part.media_type}", f"{where}.content")
    else:
        source = {"type": "base64", "media_type": part.media_type, "data": part.data or ""}
    return cached({"type": "image", "source": source}, part.cache)


def _document(part: File, where: str) -> Fields:
    if part.id is not None:
        source = {"type": "file", "file_id": part.id}
    elif part.url is not None:
        source = {"type": "url", "url": part.url}
    elif part.media_type == "application/pdf":
        source = {"type": "base64", "media_type": "application/pdf", "data": part.data or ""}
    elif part.media_type == "text/plain":
        source = {"type": "text", "media_type": "text/plain", "data": _plain_text(part.data or "", where)}
    else:
        return cannot(NAME, f"files of type {part.media_type}", f"{where}.content")
    block: Fields = {"type": "document", "source": source}
    if part.name is not None:
        block["title"] = part.name
    return cached(block, part.cache)


def _plain_text(data: str, where: str) -> str:
    try:
        return base64.b64decode(data, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        where = f"{where}.content"
        raise InvalidRequest(f"`{where}`: a text file must be UTF-8, written as base64.", where) from None


def _thinking(part: Thinking, drops: Drops) -> list[Fields]:
    """Thinking without a seal, or with another provider's, would be refused."""
    foreign = part.origin not in (None, "anthropic")
    if part.redacted is not None and not foreign:
        return [{"type": "redacted_thinking", "data": part.redacted}]
    if part.signature is not None and not foreign:
        return [{"type": "thinking", "thinking": part.text, "signature": part.signature}]
    drops.note("messages[].reasoning_content")
    return []


def _result(part: ToolResult, where: str, drops: Drops) -> Fields:
    content = [block for inner in part.parts for block in _blocks(inner, where, drops)]
    block: Fields = {"type": "tool_result", "tool_use_id": call_id(part.call_id)}
    if len(content) == 1 and content[0].keys() == {"type", "text"}:
        block["content"] = content[0]["text"]
    elif content:
        block["content"] = content
    if part.is_error:
        block["is_error"] = True
    return cached(block, part.cache)
