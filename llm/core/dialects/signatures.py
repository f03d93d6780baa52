"""Gemini's signature of a text or a call, where OpenAI's wires keep it: `extra_content.google.thought_signature`.

The place is that of Gemini's own OpenAI-compatible endpoint. Source:
https://ai.google.dev/gemini-api/docs/thought-signatures. Next file: `seals.py`.
"""

from typing import Any

import msgspec

EXTRA = "extra_content"
Fields = dict[str, Any]


class GoogleExtra(msgspec.Struct):
    thought_signature: str | None = None


class ExtraContent(msgspec.Struct):
    """In a request."""

    google: GoogleExtra | None = None


def signed(fields: Fields, signature: str | None) -> Fields:
    """The same object, with the signature in it if there is one."""
    if signature:
        fields[EXTRA] = {"google": {"thought_signature": signature}}
    return fields


def signature_in(fields: Fields) -> str | None:
    """Of an object as it came. Raises AttributeError where its members have another shape."""
    google = (fields.get(EXTRA) or {}).get("google") or {}
    return google.get("thought_signature") or None


def signature_of(extra: ExtraContent | None) -> str | None:
    """The same of a request's member."""
    return extra.google.thought_signature if extra is not None and extra.google is not None else None
