"""The chat protocol of `/ws`: messages of a client read, frames for it written. JSON texts, one object each.

From the client: `completion` (any member of OpenAI's chat besides `type` and `id`), `cancel`, `resume`, `ping`. To it:
`content_chunk`, `thinking_status`, `tool_call`, `completed`, `error`, `pong`. `seq` is the number of the event a frame
comes from; where one event makes several frames they also carry `part`, from 0. Sent back in `resume`, both together
name a place exactly. Pure. Next file: `../consumers/chat.py`, the socket.
"""

import contextlib
from typing import Any

import msgspec
from msgspec import Raw

from llm.core.errors import InvalidRequest, LlmError
from llm.core.following import End, Said
from llm.core.operations.members import write_members
from llm.core.stream_wire import ID_RULE, Settled, checked_id

Frame = dict[str, Any]
MAX_PLACE = 10**15
TYPES = "completion, cancel, resume and ping"
_members = msgspec.json.Decoder(dict[str, Raw])
_text = msgspec.json.Decoder(str)
_place = msgspec.json.Decoder(int)
UNREADABLE = (msgspec.DecodeError, UnicodeError, RecursionError)


class BadMessage(InvalidRequest):
    """What a client sent is no message; `id` is the one it names, if that can be read."""

    code = "BAD_MESSAGE"

    def __init__(self, message: str, param: str | None = None, identity: str | None = None) -> None:
        super().__init__(message, param, "bad_message")
        self.id = identity


class Completion(msgspec.Struct, frozen=True):
    """`body`: the chat request for the gateway, streamed. `id` is "" where the client gave none."""

    id: str
    body: bytes


class Cancel(msgspec.Struct, frozen=True):
    id: str


class Resume(msgspec.Struct, frozen=True):
    """`after`: the `seq` of the last frame seen. `part`: that frame's, None if it had none."""

    id: str
    after: int
    part: int | None = None


class Ping(msgspec.Struct, frozen=True):
    pass


Message = Completion | Cancel | Resume | Ping


def read_message(text: str | None) -> Message:
    """Raises BadMessage saying what is wrong."""
    if text is None:
        raise BadMessage("A binary frame; messages are JSON in text frames.")
    try:
        members = _members.decode(text)
    except msgspec.ValidationError:
        raise BadMessage(f"A message is a JSON object with a `type`: {TYPES}.") from None
    except UNREADABLE as failure:
        raise BadMessage(f"The message is not JSON: {failure}.") from None
    identity = _identity(members)
    kind = _read(_text, members, "type", "a string", identity)
    if kind == "ping":
        return Ping()
    if kind == "completion":
        body = {name: value for name, value in members.items() if name not in ("type", "id")}
        return Completion(identity or "", write_members({**body, "stream": Raw(b"true")}))
    if kind not in ("cancel", "resume"):
        raise BadMessage(f"There is no type {kind[:40]!r}; there are {TYPES}.", "type", identity)
    if not identity:
        raise BadMessage(f"`{kind}` needs the `id` of a completion.", "id")
    if kind == "cancel":
        return Cancel(identity)
    part = _number(members, "part", identity) if "part" in members else None
    return Resume(identity, _number(members, "after", identity) if "after" in members else 0, part)


def _identity(members: dict[str, Raw]) -> str | None:
    """An id can stand in a header: it is the request's id at the gateway, too."""
    if "id" not in members:
        return None
    identity = checked_id(_read(_text, members, "id", ID_RULE, None))
    if identity is None:
        raise BadMessage(f"`id` must be {ID_RULE}.", "id")
    return identity


def _number(members: dict[str, Raw], name: str, identity: str) -> int:
    wanted = "a whole number from 0 on: the one of the last frame seen"
    number: int = _read(_place, members, name, wanted, identity)
    if not 0 <= number < MAX_PLACE:
        raise BadMessage(f"`{name}` must be {wanted}.", name, identity)
    return number


def _read(
    decoder: "msgspec.json.Decoder[Any]", members: dict[str, Raw], name: str, wanted: str, identity: str | None
) -> Any:
    with contextlib.suppress(*UNREADABLE):
        return decoder.decode(members.get(name, b"null"))
    raise BadMessage(f"`{name}` must be {wanted}.", name, identity)


class Frames:
    """The frames of one completion, from its events in order."""

    def __init__(self, identity: str, after: int = 0, part: int | None = None) -> None:
        """`after`, `part`: the place of the last frame the client has seen; frames up to there are not told again."""
        self.id = identity
        self._after = after
        self._part = part

    @property
    def wanted_after(self) -> int:
        """The last event that is wholly known to the client."""
        return self._after if self._part is None else self._after - 1

    def waiting(self) -> Frame:
        """The request is on its way to a model."""
        return {"type": "thinking_status", "id": self.id, "status": "waiting"}

    def of(self, said: Said) -> list[Frame]:
        """What is new to the client of an event that is no error."""
        found = [{"type": kind, "id": self.id, **members, "seq": said.number} for kind, members in _frames(said)]
        if len(found) > 1:
            found = [{**frame, "part": part} for part, frame in enumerate(found)]
        if said.number == self._after and self._part is not None:
            return found[self._part + 1 :]
        return found if said.number > self._after else []

    def completed(self, end: End) -> Frame:
        """The end. Where nothing was put on record, usage and cost are null."""
        return {
            "type": "completed",
            "id": self.id,
            "usage": None if end.settled is None else usage_shown(end.settled),
            "cost": end.cost,
            "model": end.answered_by,
            "finish_reason": end.finish_reason,
            "seq": end.number,
        }

    def failed(self, error: LlmError) -> Frame:
        return error_frame(error, self.id)


def _frames(said: Said) -> list[tuple[str, Frame]]:
    found: list[tuple[str, Frame]] = []
    if said.thinking is not None:
        shown = {"content": said.thinking} if said.thinking else {}
        found.append(("thinking_status", {"status": "thinking", **shown}))
    for choice, text in said.texts:
        found.append(("content_chunk", {"content": text, **_of(choice)}))
    for call in said.calls:
        found.append(
            ("tool_call", {"tool": call.tool, "arguments": call.arguments, "call_id": call.id, **_of(call.choice)})
        )
    return found


def _of(choice: int) -> Frame:
    """Which of several answers (`n`) a frame is of; the first needs no mention."""
    return {"choice": choice} if choice else {}


def usage_shown(settled: Settled) -> Frame:
    """Usage in OpenAI's members."""
    usage = settled.usage
    read, written = usage.prompt_total, usage.completion_total
    shown: Frame = {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}
    if usage.cached_input:
        shown["prompt_tokens_details"] = {"cached_tokens": usage.cached_input}
    if usage.reasoning:
        shown["completion_tokens_details"] = {"reasoning_tokens": usage.reasoning}
    return shown


def error_frame(error: LlmError, identity: str | None) -> Frame:
    """An error in OpenAI's members; `id` is left out where no completion is meant."""
    told: Frame = {"message": error.message, "type": error.kind, "code": error.wire_code, "param": error.param}
    if error.retry_after is not None:
        told["retry_after"] = error.retry_after
    named = {} if identity is None else {"id": identity}
    return {"type": "error", **named, "error": told}


def encode(frame: Frame) -> str:
    return msgspec.json.encode(frame).decode()
