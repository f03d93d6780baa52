"""The one inner language: a chat completion request in OpenAI's wire format, read only as far as we must.

`decode` checks what the gateway itself relies on and raises `InvalidRequest` naming the parameter; every other field,
known or not, stays in the bytes as it came. `rewrite` changes single top-level members of those bytes and leaves all
else untouched: nothing is decoded and encoded again, and a member given twice is sent on once, so that we and the
provider cannot read two different requests. Next file: `options.py`, the `circuit_breaker` member.
"""

import re
from typing import Annotated

import msgspec
from msgspec import UNSET, Raw, UnsetType

from llm.core.errors import InvalidRequest
from llm.core.options import Options

MAX_MODEL_NAME = 512
ESCAPED_LETTER = re.compile(rb"\\u00[67]")
"""A lower-case ASCII letter written as an escape: a member's name may hide in it."""
MODEL_MEMBER = re.compile(rb'"model"\s*:\s*')
LOCATION = re.compile(r" - at `\$\.?(.*)`$")
BACKTICKED = re.compile(r"`([^`]*)`$")


Positive = Annotated[int, msgspec.Meta(ge=1)]


class StreamOptions(msgspec.Struct):
    """Only what we read; the rest stays in the bytes."""

    include_usage: bool | None = None


class Message(msgspec.Struct):
    """One message, checked for what every provider needs."""

    role: str
    content: str | list[dict[str, Raw]] | UnsetType | None = UNSET


class ChatRequest(msgspec.Struct):
    """The members the gateway acts on."""

    model: str
    messages: list[Message]
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: Positive | None = None
    max_completion_tokens: Positive | None = None
    n: Positive | None = None
    temperature: float | None = None
    top_p: float | None = None
    user: str | None = None
    tools: list[dict[str, Raw]] | None = None
    circuit_breaker: Options | UnsetType | None = UNSET

    @property
    def wants_usage(self) -> bool:
        """Whether a streaming client asked for the usage chunk."""
        return self.stream_options is not None and bool(self.stream_options.include_usage)


_decoder = msgspec.json.Decoder(ChatRequest)
_encoder = msgspec.json.Encoder()
_members = msgspec.json.Decoder(dict[str, Raw])


def decode(body: bytes) -> ChatRequest:
    """Read a request body. Raises InvalidRequest."""
    try:
        request = _decoder.decode(body)
    except msgspec.ValidationError as error:
        raise _explain(str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidRequest(f"The request body is not valid JSON: {error}.") from None
    except RecursionError:
        raise InvalidRequest("The request body is nested too deeply.") from None
    if not 0 < len(request.model) <= MAX_MODEL_NAME:
        raise InvalidRequest(f"`model` must be a name of 1 to {MAX_MODEL_NAME} characters.", "model")
    if not request.messages:
        raise InvalidRequest("`messages` must hold at least one message.", "messages")
    if request.stream_options is not None and not request.stream:
        raise InvalidRequest("`stream_options` is only allowed together with `stream: true`.", "stream_options")
    return request


def rewrite(body: bytes, model: str, new_model: bytes, changes: dict[str, bytes | None]) -> bytes:
    """The request's bytes with another model and other `changes` (a member's new JSON, or None to leave it out).

    `model` is the name in `body`, `new_model` the new one as JSON. Bytes that need no change come back as they are.
    """
    if _plain(body) and not (changes and _touches(body, changes)):
        spliced = _splice_model(body, model, new_model)
        if spliced is not None:
            return _append(spliced, changes) if changes else spliced
    members: dict[str, bytes] = {name: bytes(raw) for name, raw in _members.decode(body).items()}
    members["model"] = new_model
    for name, value in changes.items():
        if value is None:
            members.pop(name, None)
        else:
            members[name] = value
    return b"{" + b",".join([b"%b:%b" % (msgspec.json.encode(key), members[key]) for key in members]) + b"}"


def _plain(body: bytes) -> bool:
    """Whether each member we act on is named at most once, in plain letters, so that a search finds the right one.

    Written out because it runs for every request; a new member the gateway acts on belongs here.
    """
    return (
        body.count(b'"model"') == 1
        and body.count(b'"stream"') < 2
        and body.count(b'"stream_options"') < 2
        and body.count(b'"max_tokens"') < 2
        and body.count(b'"max_completion_tokens"') < 2
        and body.count(b'"n"') < 2
        and (b"\\u00" not in body or ESCAPED_LETTER.search(body) is None)
    )


def _touches(body: bytes, changes: dict[str, bytes | None]) -> bool:
    """Whether one of the members to change may be there already."""
    return any(b'"%b"' % name.encode() in body for name in changes)


def _splice_model(body: bytes, model: str, new_model: bytes) -> bytes | None:
    old = _encoder.encode(model)
    if old == new_model and old in body:
        return body
    found = MODEL_MEMBER.search(body)
    if found is None or not body.startswith(old, found.end()):
        return None
    return body[: found.end()] + new_model + body[found.end() + len(old) :]


def _append(body: bytes, changes: dict[str, bytes | None]) -> bytes:
    added = b"".join([b',"%b":%b' % (name.encode(), value) for name, value in changes.items() if value is not None])
    if not added:
        return body
    return body[: body.rindex(b"}")] + added + b"}"


def _explain(problem: str) -> InvalidRequest:
    """msgspec's message as one that names the parameter."""
    found = LOCATION.search(problem)
    where = found.group(1) if found else ""
    what = problem[: found.start()] if found else problem
    named = BACKTICKED.search(what)
    if named is not None and what.startswith(("Object missing required field", "Object contains unknown field")):
        where = f"{where}.{named.group(1)}" if where else named.group(1)
        what = "it is required" if "missing" in what else "there is no such field here"
    if not where:
        return InvalidRequest(f"The request body must be a JSON object: {what}.")
    return InvalidRequest(f"`{where}`: {what[0].lower()}{what[1:]}.", where)
