"""Whose seal a piece of reasoning carries, kept in the one text that a client's wire has for it.

A seal of the wire's own provider stands there as it is. Any other provider's is written with its name, so that it goes
back to that provider only, and in the form it came in. To clients it is opaque, as their providers say it should be.
Next file: `lost.py`.
"""

import base64
import binascii

import msgspec

from llm.core.conversation import Thinking
from llm.core.deltas import ThinkingDelta
from llm.core.errors import InvalidRequest

OPENAI = "openai"
PREFIX = "cb1."


class Seal(msgspec.Struct, omit_defaults=True):
    origin: str | None = None
    signature: str | None = None
    redacted: str | None = None
    id: str | None = None


def sealed(part: Thinking | ThinkingDelta) -> str | None:
    """The `encrypted_content` of a part on OpenAI's wire; None when there is nothing sealed about it."""
    if part.origin == OPENAI:
        return part.redacted
    if part.signature is None and part.redacted is None:
        return None
    return wrapped(part)


def wrapped(part: Thinking | ThinkingDelta) -> str:
    """A seal with the name of whose it is."""
    seal = msgspec.json.encode(Seal(part.origin, part.signature, part.redacted, part.id))
    return PREFIX + base64.urlsafe_b64encode(seal).decode()


class Identities:
    """Ids of the reasoning in one streamed answer, by its part: a seal may come in a later piece than its id."""

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: dict[tuple[int, int], str | None] = {}

    def with_id(self, delta: ThinkingDelta) -> ThinkingDelta:
        """The same piece, with the id of its part."""
        place = (delta.choice, delta.part)
        known = self._known[place] = delta.id or self._known.get(place)
        return delta if known == delta.id else msgspec.structs.replace(delta, id=known)


def unsealed(text: str, content: str | None, identity: str | None, where: str) -> Thinking:
    """The way back. Raises InvalidRequest for a seal that is not whole."""
    if content is None:
        return Thinking(text, id=identity)
    if not content.startswith(PREFIX):
        return Thinking(text, redacted=content, id=identity, origin=OPENAI)
    return unwrapped(text, content, where)


def is_wrapped(content: str) -> bool:
    return content.startswith(PREFIX)


def unwrapped(text: str, content: str, where: str) -> Thinking:
    """The part whose seal was `wrapped`. Raises InvalidRequest for one that is not whole."""
    try:
        seal = msgspec.json.decode(base64.urlsafe_b64decode(content.removeprefix(PREFIX)), type=Seal)
    except (msgspec.DecodeError, UnicodeDecodeError, binascii.Error, ValueError):
        raise InvalidRequest(f"`{where}` is not as it was given out; send it back unchanged.", where) from None
    return Thinking(text, seal.signature, seal.redacted, seal.id, seal.origin)
