"""A request's bytes: read into an operation's Struct, and changed member by member.

`decode` checks what the gateway itself relies on and raises `InvalidRequest` naming the parameter; every other field,
known or not, stays in the bytes as it came. `rewrite` changes single top-level members of those bytes and leaves all
else untouched: nothing is decoded and encoded again, and a member given twice is sent on once, so that we and the
provider cannot read two different requests. Next file: `usage.py`.
"""

import re
from typing import TypeVar

import msgspec
from msgspec import UNSET, Raw

from llm.core.errors import InvalidRequest
from llm.core.operations.operation import Changes, Request, StreamOptions
from llm.core.request_json import TOO_DEEP, decoded, not_json

MAX_MODEL_NAME = 512
ESCAPED_LETTER = re.compile(rb"\\u00[67]")
"""A lower-case ASCII letter written as an escape: a member's name may hide in it."""
MODEL_MEMBER = re.compile(rb'"model"\s*:\s*')
KEY = re.compile(rb'[ \t\r\n]*([{,])[ \t\r\n]*("(?:[^"\\]|\\.)*")[ \t\r\n]*:[ \t\r\n]*')
CLOSING = re.compile(rb"[ \t\r\n]*\}[ \t\r\n]*")
INCLUDE_USAGE = b'{"include_usage":true}'

_encoder = msgspec.json.Encoder()
_members = msgspec.json.Decoder(dict[str, Raw])
Read = TypeVar("Read", bound=Request)


def decode(decoder: msgspec.json.Decoder[Read], body: bytes) -> Read:
    """Read a request body. Raises InvalidRequest."""
    request = decoded(decoder, body)
    if not 0 < len(request.model) <= MAX_MODEL_NAME:
        raise InvalidRequest(f"`model` must be a name of 1 to {MAX_MODEL_NAME} characters.", "model")
    return request


def own_members(request: Request) -> Changes:
    """The members that are ours, not the provider's, to be left out."""
    changes: Changes = {}
    if request.circuit_breaker is not UNSET:
        changes["circuit_breaker"] = None
    if request.usage is not UNSET:
        changes["usage"] = None
    return changes


def with_usage_asked_for(changes: Changes, body: bytes, given: StreamOptions | None) -> Changes:
    """The same, and a stream that reports usage: it is always asked for, so that every call is metered."""
    if given is None:
        changes["stream_options"] = INCLUDE_USAGE
    elif not given.include_usage:
        options = _members.decode(_take_apart(body)["stream_options"])
        changes["stream_options"] = write_members({**options, "include_usage": Raw(b"true")})
    return changes


def check_stream_options(request: Request) -> None:
    """Raises InvalidRequest for stream options without a stream, as OpenAI does."""
    if not request.stream:
        raise InvalidRequest("`stream_options` is only allowed together with `stream: true`.", "stream_options")


def rewrite(body: bytes, model: str, new_model: bytes, changes: Changes) -> bytes:
    """The request's bytes with another model and other `changes` (a member's new JSON, or None to leave it out).

    `model` is the name in `body`, `new_model` the new one as JSON. Bytes that need no change come back as they are.
    """
    if _plain(body) and not (changes and _touches(body, changes)):
        spliced = _splice_model(body, model, new_model)
        if spliced is not None:
            return _append(spliced, changes) if changes else spliced
    members = _take_apart(body)
    wanted: Changes = {"model": new_model, **changes}
    places = _places(body, members)
    if places is not None:
        return _splice(body, places, wanted)
    for name, value in wanted.items():
        if value is None:
            members.pop(name, None)
        else:
            members[name] = Raw(value)
    return write_members(members)


def _take_apart(body: bytes) -> dict[str, Raw]:
    """A request's members. Raises InvalidRequest for a name that is no text, which reading the request passes over."""
    try:
        return _members.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidRequest(not_json(body, error)) from None
    except RecursionError:  # at the very limit: a few calls earlier it could still be read
        raise InvalidRequest(TOO_DEEP) from None


def _places(body: bytes, members: dict[str, Raw]) -> list[tuple[str, int, int, int]] | None:
    """Of each member its name, where its `{` or `,` stands, and where its value begins and ends.

    None when the object holds more than `members`: then one of them is given twice.
    """
    found: list[tuple[str, int, int, int]] = []
    end = 0
    for name, raw in members.items():
        value = bytes(raw)
        key = KEY.match(body, end)
        if key is None or not body.startswith(value, key.end()) or msgspec.json.decode(key.group(2)) != name:
            return None
        end = key.end() + len(value)
        found.append((name, key.start(1), key.end(), end))
    return found if CLOSING.fullmatch(body, end) is not None else None


def _splice(body: bytes, places: list[tuple[str, int, int, int]], changes: Changes) -> bytes:
    """The body with changed values put in place, and new members at the end; all other bytes as they are."""
    closing = body.rindex(b"}")
    pieces: list[bytes] = []
    ends = [place[1] for place in places[1:]] + [closing]
    for (name, separator, start, end), until in zip(places, ends, strict=True):
        if name not in changes:
            pieces.append(body[separator + 1 : until])
            continue
        value = changes[name]
        if value is not None:
            pieces.append(body[separator + 1 : start] + value + body[end:until])
    there = {place[0] for place in places}
    for name, value in changes.items():
        if value is not None and name not in there:
            pieces.append(_encoder.encode(name) + b":" + value)
    return body[: places[0][1] + 1] + b",".join(pieces) + body[closing:]


def read_members(data: bytes | Raw) -> dict[str, Raw]:
    """A JSON object's members, each as it stands there."""
    return _members.decode(data)


def write_members(members: dict[str, Raw]) -> bytes:
    """And back: no value is spelled anew."""
    return b"{" + b",".join([b"%b:%b" % (_encoder.encode(key), bytes(members[key])) for key in members]) + b"}"


def given(raw: Raw | bytes) -> bool:
    """Whether a member is there and not null."""
    return bytes(raw) not in (b"", b"null")


def _plain(body: bytes) -> bool:
    """Whether each member we act on is named at most once, in plain letters, so that a search finds the right one.

    A body that is not plain is taken apart member by member, which costs more and changes no more. Written out
    because it runs for every request, each look through the whole body; a new member the gateway acts on belongs here.
    """
    return (
        body.count(b'"model"') == 1
        and (body.count(b'"stream') < 2 or (body.count(b'"stream"') < 2 and body.count(b'"stream_options"') < 2))
        and (
            body.count(b'"max_') < 2
            or (
                body.count(b'"max_tokens"') < 2
                and body.count(b'"max_completion_tokens"') < 2
                and body.count(b'"max_output_tokens"') < 2
            )
        )
        and body.count(b'"n"') < 2
        and body.count(b'"best_of"') < 2
        and (b"\\u00" not in body or ESCAPED_LETTER.search(body) is None)
    )


def _touches(body: bytes, changes: Changes) -> bool:
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


def _append(body: bytes, changes: Changes) -> bytes:
    added = b"".join([b',"%b":%b' % (name.encode(), value) for name, value in changes.items() if value is not None])
    if not added:
        return body
    return body[: body.rindex(b"}")] + added + b"}"
