"""The messages of a conversation as Gemini's contents: system apart, roles `user` and `model`, neighbours merged.

Next file: `schemas.py`.
"""

import mimetypes
from typing import Any

import msgspec

from llm.core.conversation import (
    Audio,
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
    text_of,
)
from llm.core.dialects.google.rules import SKIP_SIGNATURE
from llm.core.dialects.translation import arguments_of
from llm.core.errors import InvalidRequest

NAME = "Gemini"
Fields = dict[str, Any]


def system_text(messages: tuple[Message, ...], drops: Drops) -> list[Fields]:
    found: list[Fields] = []
    for index, message in enumerate(messages):
        if message.role not in ("system", "developer"):
            continue
        for part in message.parts:
            if not isinstance(part, Text):
                cannot(NAME, "anything but text in a system message", f"{message.where(index)}.content")
            _note_cache(part, drops)
            if part.text:
                found.append({"text": part.text})
    return found


class Contents:
    """Turns being made; names of tools are kept by the ids of their calls."""

    def __init__(self, third: bool, drops: Drops) -> None:
        self._third = third
        """Gemini 3 or later: it checks signatures, and takes images inside results."""
        self._drops = drops
        self._names: dict[str, str] = {}
        self.turns: list[Fields] = []

    def add(self, messages: tuple[Message, ...]) -> list[Fields]:
        for index, message in enumerate(messages):
            if message.name is not None:
                self._drops.note("messages[].name")
            if message.role in ("system", "developer"):
                continue
            role = "model" if message.role == "assistant" else "user"
            parts = [piece for part in message.parts for piece in self._parts(part, message.where(index))]
            if role == "model" and self._third:
                _seal_first_call(parts)
            if not parts:
                continue
            if self.turns and self.turns[-1]["role"] == role:
                self.turns[-1]["parts"].extend(parts)
            else:
                self.turns.append({"role": role, "parts": parts})
        for turn in self.turns:
            if turn["role"] == "user":
                turn["parts"].sort(key=lambda part: "functionResponse" not in part)
        if not self.turns:
            raise InvalidRequest("`messages`: Gemini needs a message that is not empty.", "messages")
        return self.turns

    def _parts(self, part: Part, where: str) -> list[Fields]:
        _note_cache(part, self._drops)
        if isinstance(part, Text):
            if part.citations:
                self._drops.note("messages[].annotations")
            return [_sealed({"text": part.text}, part.signature)] if part.text or part.signature else []
        if isinstance(part, Refusal):
            return [{"text": part.text}] if part.text else []
        if isinstance(part, ToolCall):
            return [self._call(part, where)]
        if isinstance(part, ToolResult):
            return self._result(part, where)
        if isinstance(part, Thinking):
            if part.signature is None or part.origin not in (None, "google"):
                self._drops.note("messages[].reasoning_content")
                return []
            return [_sealed({"text": part.text, "thought": True}, part.signature)]
        if isinstance(part, Native):
            if part.origin == "google":
                return [part.block]
            self._drops.note("messages[].content")
            return []
        return [self._media(part, where)]

    def _call(self, part: ToolCall, where: str) -> Fields:
        if part.custom:
            cannot(NAME, "calls of custom tools", f"{where}.tool_calls")
        self._names[part.id] = part.name
        arguments = arguments_of(part, f"{where}.tool_calls")
        return _sealed({"functionCall": {"id": part.id, "name": part.name, "args": arguments}}, part.signature)

    def _result(self, part: ToolResult, where: str) -> list[Fields]:
        name = self._names.get(part.call_id)
        if name is None:
            where = f"{where}.tool_call_id"
            raise InvalidRequest(f"`{where}`: no message before it holds a call with the id {part.call_id}.", where)
        for inner in part.parts:
            _note_cache(inner, self._drops)
        answer: Fields = {"id": part.call_id, "name": name, "response": _response(part)}
        media = [self._media(inner, where) for inner in part.parts if not isinstance(inner, Text)]
        if media and self._third:
            answer["parts"] = media
            media = []
        return [{"functionResponse": answer}, *media]

    def _media(self, part: Image | Audio | File, where: str) -> Fields:
        if isinstance(part, Audio):
            if part.data is None:
                cannot(NAME, "sound by the id of an earlier answer", f"{where}.content")
            return {"inlineData": {"mimeType": f"audio/{part.format}", "data": part.data}}
        if isinstance(part, Image) and part.detail is not None:
            self._drops.note("messages[].content[].image_url.detail")
        if isinstance(part, File) and part.name is not None:
            self._drops.note("messages[].content[].file.filename")
        if isinstance(part, File) and part.id is not None:
            return {"fileData": {"fileUri": part.id}}
        if part.url is not None:
            kind = part.media_type or mimetypes.guess_type(part.url.split("?")[0])[0]
            return {"fileData": {"fileUri": part.url} if kind is None else {"mimeType": kind, "fileUri": part.url}}
        return {"inlineData": {"mimeType": part.media_type, "data": part.data}}


def _note_cache(part: Part, drops: Drops) -> None:
    if getattr(part, "cache", None) is not None:
        drops.note("messages[].content[].cache_control")


def _sealed(fields: Fields, signature: str | None) -> Fields:
    if signature is not None:
        fields["thoughtSignature"] = signature
    return fields


def _seal_first_call(parts: list[Fields]) -> None:
    """See `rules.CHANGED`: only the first of parallel calls carries a signature."""
    first = next((part for part in parts if "functionCall" in part), None)
    if first is not None:
        first.setdefault("thoughtSignature", SKIP_SIGNATURE)


def _response(part: ToolResult) -> Fields:
    """Gemini takes objects only."""
    said = text_of(part.parts)
    try:
        document = msgspec.json.decode(said) if said.lstrip().startswith("{") else None
    except (msgspec.DecodeError, RecursionError):
        document = None
    if isinstance(document, dict) and not part.is_error:
        return document
    return {"error" if part.is_error else "result": said}
