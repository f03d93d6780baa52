"""OpenAI's `usage` object, in either of its spellings, in disjoint buckets; and the cost written into it.

Chat, completions and embeddings say `prompt_tokens` and `completion_tokens`, responses `input_tokens` and
`output_tokens`. Figures that cannot be true count as none: the call is then estimated.
"""

import msgspec
from msgspec import Raw

from billing.core.pricing import Usage, cost_nano, usd
from llm.core.buckets import in_buckets as split
from llm.core.operations.members import given, read_members, write_members
from llm.core.operations.operation import Attempt


class InputDetails(msgspec.Struct):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    """OpenRouter's, for the providers behind it that bill it."""
    audio_tokens: int | None = None


class OutputDetails(msgspec.Struct):
    reasoning_tokens: int | None = None
    audio_tokens: int | None = None


class WireUsage(msgspec.Struct):
    """As chat, completions and embeddings report it."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: InputDetails | None = None
    completion_tokens_details: OutputDetails | None = None


class ResponsesUsage(msgspec.Struct):
    """As responses report it."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    input_tokens_details: InputDetails | None = None
    output_tokens_details: OutputDetails | None = None


NOTHING_READ, NOTHING_WRITTEN = InputDetails(), OutputDetails()
_usage = msgspec.json.Decoder(WireUsage)
_responses_usage = msgspec.json.Decoder(ResponsesUsage)


def in_buckets(raw: Raw | bytes) -> Usage | None:
    """Raw `usage` of chat, completions or embeddings; None when it is absent or cannot be true."""
    if not given(raw):
        return None
    try:
        return buckets(_usage.decode(raw))
    except msgspec.DecodeError:
        return None


def responses_in_buckets(raw: Raw | bytes) -> Usage | None:
    """The same of responses."""
    if not given(raw):
        return None
    try:
        wire = _responses_usage.decode(raw)
    except msgspec.DecodeError:
        return None
    return _split(wire.input_tokens, wire.output_tokens, wire.input_tokens_details, wire.output_tokens_details)


def buckets(wire: WireUsage) -> Usage | None:
    return _split(
        wire.prompt_tokens, wire.completion_tokens, wire.prompt_tokens_details, wire.completion_tokens_details
    )


def _split(
    read: int | None, written: int | None, of_read: InputDetails | None, of_written: OutputDetails | None
) -> Usage | None:
    of_read = of_read or NOTHING_READ
    of_written = of_written or NOTHING_WRITTEN
    return split(
        read,
        written,
        cached=of_read.cached_tokens,
        cache_write=of_read.cache_write_tokens,
        heard=of_read.audio_tokens,
        reasoning=of_written.reasoning_tokens,
        spoken=of_written.audio_tokens,
    )


def cost_told(usage: Usage, attempt: Attempt) -> Raw:
    """What the call has cost in US dollars, with the attempts before this one; null where this one has no price."""
    price = attempt.deployment.model.price
    return Raw(b"null" if price is None else f"{usd(cost_nano(usage, price) + attempt.spent_nano):f}".encode())


def with_cost(document: bytes | Raw, usage: Usage | None, attempt: Attempt, member: str = "usage") -> bytes:
    """A JSON object with `cost` in its usage, which is its `member`.

    As it is when it has no usage, or cannot be taken apart.
    """
    try:
        members = read_members(document)
        found = members.get(member, Raw())
        counted = read_members(found) if usage is not None and given(found) else None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return bytes(document)
    if usage is None or counted is None:
        return bytes(document)
    members[member] = Raw(write_members({**counted, "cost": cost_told(usage, attempt)}))
    return write_members(members)
