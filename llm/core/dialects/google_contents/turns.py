"""The contents of a generateContent request as messages of the inner language.

Calls without ids get them, by their number; a result belongs to the call of its id, else to the first call of its name
that has none yet. Parts only Gemini knows stay `Native`. Next file: `schemas.py`.
"""

import base64
import binascii
from typing import Any

import msgspec

from llm.core.conversation import Audio, File, Image, Message, Native, Part, Text, Thinking, ToolCall, ToolResult
from llm.core.dialects.seals import PREFIX, unwrapped
from llm.core.errors import UNSUPPORTED, InvalidRequest

Fields = dict[str, Any]


class Contents:
    """See the header."""

    def __init__(self) -> None:
        self._calls = 0
        self._open: list[tuple[str, str]] = []
        """Calls without a result yet: name and id."""

    def message(self, content: Fields, where: str) -> Message:
        """Raises InvalidRequest."""
        role = content.get("role") or "user"
        if role not in ("user", "model", "function"):
            raise InvalidRequest(f"`{where}.role` must be user or model.", f"{where}.role")
        return Message("assistant" if role == "model" else "user", self.parts(content, where), place=where)

    def parts(self, content: Fields, where: str) -> tuple[Part, ...]:
        given = content.get("parts")
        if not isinstance(given, list):
            raise InvalidRequest(f"`{where}.parts` must be a list.", f"{where}.parts")
        found: list[Part] = []
        for number, part in enumerate(given):
            place = f"{where}.parts[{number}]"
            try:
                found.append(self._part(part, place))
            except (KeyError, TypeError, AttributeError) as error:
                raise InvalidRequest(f"`{place}`: no part looks so ({error}).", place) from None
        return tuple(found)

    def _part(self, part: Fields, where: str) -> Part:
        signature: str | None = part.get("thoughtSignature")
        if "text" in part:
            return _text(part, signature, where)
        if "inlineData" in part:
            return _media(part["inlineData"]["mimeType"], part["inlineData"]["data"])
        if "fileData" in part:
            return _file(part["fileData"])
        if "functionCall" in part:
            return self._call(part["functionCall"], signature)
        if "functionResponse" in part:
            return self._result(part["functionResponse"], where)
        return Native("google", part)

    def _call(self, call: Fields, signature: str | None) -> ToolCall:
        identity = call.get("id") or f"call_{self._calls}"
        self._calls += 1
        self._open.append((call["name"], identity))
        if not isinstance(call["name"], str) or not isinstance(identity, str):
            raise TypeError("name and id are text")
        arguments = msgspec.json.encode(call.get("args") or {}).decode()
        return ToolCall(identity, call["name"], arguments, signature=signature)

    def _result(self, result: Fields, where: str) -> ToolResult:
        name, identity = result["name"], result.get("id")
        for place, (called, known) in enumerate(self._open):
            if known == identity or (not identity and called == name):
                identity = known
                del self._open[place]
                break
        if not identity:
            raise InvalidRequest(f"`{where}`: no part before it calls `{name}`.", where)
        response = result.get("response") or {}
        failed = response.keys() == {"error"}
        said = response["error"] if failed else response["result"] if response.keys() == {"result"} else response
        text = said if isinstance(said, str) else msgspec.json.encode(said).decode()
        more = [self._part(part, where) for part in result.get("parts") or ()]
        shown = tuple([part for part in more if isinstance(part, Text | Image | File)])
        if len(shown) < len(more):
            raise InvalidRequest(
                f"`{where}.parts`: a tool may answer with text, images and files.", f"{where}.parts", UNSUPPORTED
            )
        return ToolResult(identity, (Text(text), *shown), failed)


def _text(part: Fields, signature: str | None, where: str) -> Text | Thinking:
    text = part["text"]
    if not isinstance(text, str):
        raise InvalidRequest(f"`{where}.text` must be a string.", f"{where}.text")
    if not part.get("thought"):
        return Text(text, signature=signature)
    foreign = _foreign(signature)
    if foreign is not None:
        return unwrapped(text, foreign, f"{where}.thoughtSignature")
    return Thinking(text, signature, origin="google")


def _foreign(signature: str | None) -> str | None:
    """A seal of another provider, which travels as bytes here."""
    try:
        inner = base64.b64decode(signature or "").decode()
    except (binascii.Error, ValueError):
        return None
    return inner if inner.startswith(PREFIX) else None


def _media(kind: str, data: str) -> Part:
    if not isinstance(kind, str) or not isinstance(data, str):
        raise TypeError("mimeType and data are text")
    if kind.startswith("image/"):
        return Image(data=data, media_type=kind)
    if kind.startswith("audio/"):
        return Audio(data, kind.removeprefix("audio/"))
    return File(data=data, media_type=kind)


def _file(file: Fields) -> Part:
    uri, kind = file["fileUri"], file.get("mimeType")
    if not isinstance(uri, str) or not isinstance(kind, str | None):
        raise TypeError("fileUri and mimeType are text")
    if kind is not None and kind.startswith("image/"):
        return Image(url=uri, media_type=kind)
    return File(url=uri, media_type=kind)
