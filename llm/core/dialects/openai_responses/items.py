"""The input of a responses request, item by item, as messages of the inner language.

Reasoning, messages and calls of the assistant that follow one another are one message there; each message is placed at
its first item (`input[3]`). An item of a tool that OpenAI runs itself stays `Native`. Next file: `answer.py`.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from llm.core.conversation import (
    Audio,
    Citation,
    File,
    Image,
    Message,
    Native,
    Part,
    Refusal,
    Role,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
)
from llm.core.dialects import openai_media
from llm.core.dialects.openai_responses.rules import REFUSED
from llm.core.dialects.openai_responses.wire import (
    AudioPart,
    Call,
    CustomCall,
    FilePart,
    ImagePart,
    MessageItem,
    ReasoningItem,
    RefusalPart,
    Result,
    TextPart,
)
from llm.core.dialects.seals import OPENAI, unsealed
from llm.core.dialects.signatures import signature_of
from llm.core.errors import UNSUPPORTED, InvalidRequest
from llm.core.request_json import taken

Fields = dict[str, Any]
ROLES: dict[str, Role] = {role: role for role in ("user", "assistant", "system", "developer")}
ADDRESSES = ("file_id", "file_url", "file_data")
"""Where a file may be found: the first that is given is taken."""


class Input:
    """Items become messages; `unknown` are the names of members that are known and yet have no place."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.unknown: list[str] = []
        self._said: list[Part] = []
        self._since = ""

    def read(self, given: str | list[Fields]) -> None:
        """Raises InvalidRequest, naming the item."""
        if isinstance(given, str):
            self.messages.append(Message("user", (Text(given),), place="input"))
            return
        for number, item in enumerate(given):
            self._item(item, f"input[{number}]")
        self._flush()

    def _item(self, item: Fields, where: str) -> None:
        kind = item.get("type") or ("message" if "role" in item else "item_reference")
        if kind == "message":
            message = taken(item, MessageItem, where)
            parts = tuple(self._content(message.content, f"{where}.content"))
            role = ROLES.get(message.role)
            if role is None:
                raise InvalidRequest(f"`{where}.role` must be user, assistant, system or developer.", f"{where}.role")
            if role != "assistant":
                self._flush()
                self.messages.append(Message(role, parts, place=where))
            else:
                self._say(where, *parts)
        elif kind in ("function_call_output", "custom_tool_call_output"):
            self._flush()
            self.messages.append(Message("tool", (self._result(item, where),), place=where))
        elif kind == "item_reference":
            raise InvalidRequest(
                f"`{where}`: this provider cannot take {REFUSED['input[].item_reference']}.", where, UNSUPPORTED
            )
        else:
            self._say(where, self._assistants(kind, item, where))

    def _assistants(self, kind: str, item: Fields, where: str) -> Part:
        if kind == "function_call":
            call = taken(item, Call, where)
            return ToolCall(
                call.call_id, call.name, call.arguments.strip() or "{}", signature=signature_of(call.extra_content)
            )
        if kind == "custom_tool_call":
            custom = taken(item, CustomCall, where)
            return ToolCall(custom.call_id, custom.name, custom.input, custom=True)
        if kind == "reasoning":
            return self._reasoning(item, where)
        return Native(OPENAI, item)

    def _reasoning(self, item: Fields, where: str) -> Thinking:
        reasoning = taken(item, ReasoningItem, where)
        if reasoning.summary and reasoning.content:
            self.unknown.append(f"{where}.content")
        told = reasoning.summary or reasoning.content or []
        text = "\n\n".join([part.text for part in told])
        return unsealed(text, reasoning.encrypted_content, item.get("id"), f"{where}.encrypted_content")

    def _result(self, item: Fields, where: str) -> ToolResult:
        result = taken(item, Result, where)
        inner = list(self._content(result.output, f"{where}.output"))
        parts = [part for part in inner if isinstance(part, Text | Image | File)]
        if len(parts) < len(inner):
            raise InvalidRequest(f"`{where}.output`: a tool may answer with text, images and files.", f"{where}.output")
        return ToolResult(result.call_id, tuple(parts))

    def _content(self, content: str | list[Fields], where: str) -> Iterator[Part]:
        if isinstance(content, str):
            yield Text(content)
            return
        for number, part in enumerate(content):
            place = f"{where}[{number}]"
            read = _PARTS.get(str(part.get("type")))
            if read is None:
                raise InvalidRequest(f"`{place}.type`: there is no part `{part.get('type')}` here.", f"{place}.type")
            yield read(self, part, place)

    def _text(self, part: Fields, where: str) -> Text:
        text = taken(part, TextPart, where)
        cited = []
        for number, one in enumerate(text.annotations or ()):
            if one.get("type") == "url_citation":
                cited.append(citation(one))
            else:
                self.unknown.append(f"{where}.annotations[{number}]")
        if text.logprobs:
            self.unknown.append(f"{where}.logprobs")
        return Text(text.text, tuple(cited), signature=signature_of(text.extra_content))

    def _refusal(self, part: Fields, where: str) -> Refusal:
        return Refusal(taken(part, RefusalPart, where).refusal)

    def _image(self, part: Fields, where: str) -> Image | File:
        image = taken(part, ImagePart, where)
        if image.file_id is not None:
            self._beside(part, ("image_url", "detail"), where)
            return File(id=image.file_id)
        return openai_media.image(image.image_url or "", image.detail, f"{where}.image_url")

    def _file(self, part: Fields, where: str) -> File:
        file = taken(part, FilePart, where)
        self._beside(part, [name for name in ADDRESSES if part.get(name) is not None][1:], where)
        if file.file_id is not None:
            return File(id=file.file_id, name=file.filename)
        if file.file_url is not None:
            return File(url=file.file_url, name=file.filename)
        if file.file_data is None:
            raise InvalidRequest(f"`{where}` must hold `file_data`, `file_url` or `file_id`.", where)
        return openai_media.file(file.file_data, file.filename, f"{where}.file_data")

    def _audio(self, part: Fields, where: str) -> Audio:
        sound = taken(part, AudioPart, where).input_audio
        return Audio(sound.data, sound.format)

    def _beside(self, part: Fields, names: Iterable[str], where: str) -> None:
        """Members that have no place beside another that is given."""
        self.unknown.extend([f"{where}.{name}" for name in names if part.get(name) is not None])

    def _say(self, where: str, *parts: Part) -> None:
        if not self._said:
            self._since = where
        self._said.extend(parts)

    def _flush(self) -> None:
        if self._said:
            self.messages.append(Message("assistant", tuple(self._said), place=self._since))
            self._said = []


def citation(given: Fields) -> Citation:
    places = (given.get("start_index"), given.get("end_index"))
    return Citation(given.get("url"), given.get("title"), given.get("quote"), *places, given.get("source"))


_PARTS: dict[str, Callable[[Input, Fields, str], Part]] = {
    "input_text": Input._text,
    "output_text": Input._text,
    "text": Input._text,
    "refusal": Input._refusal,
    "input_image": Input._image,
    "input_file": Input._file,
    "input_audio": Input._audio,
}
