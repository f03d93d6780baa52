"""What the register (`register.py`) says of a call at a provider, and the record it becomes if its gateway died."""

import contextlib
from collections.abc import Iterable

import msgspec
from msgspec import Raw

from billing.core.pricing import Price, Usage, cost_nano
from billing.core.usage import CallRecord, attempt_id
from llm.core.operations.estimate import BYTES_PER_TOKEN


class Asked(msgspec.Struct, frozen=True, array_like=True):
    """Whom: the same for all calls of a deployment, so it is encoded once."""

    provider: str
    model: str
    price: Price | None


class Entry(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One call at a provider."""

    id: str
    request_id: str
    started_at: int
    request_bytes: int
    expected_output: int
    """Tokens; what is booked if nobody can say what came."""
    streamed: bool
    attempts: int
    provider_key: str | None
    asked: Raw
    requested_model: str = ""
    user: str | None = None
    project: str | None = None
    origin: str | None = None
    api_key: str | None = None
    operation: str = "chat completions"


_encoder = msgspec.json.Encoder()
_asked = msgspec.json.Decoder(Asked)


def asked(provider: str, model: str, price: Price | None) -> Raw:
    """The part of an entry that is the same for all calls of a deployment."""
    return Raw(_encoder.encode(Asked(provider, model, price)))


def lost(entry: Entry, number: int, now: int) -> CallRecord:
    """The record of a call that was in the air when its gateway died. Raises msgspec.DecodeError."""
    whom = _asked.decode(entry.asked)
    usage = Usage(entry.request_bytes // BYTES_PER_TOKEN + 1, output=entry.expected_output)
    return CallRecord(
        number=number,
        id=entry.id,
        request_id=entry.request_id,
        started_at=entry.started_at,
        finished_at=max(now, entry.started_at),
        provider=whom.provider,
        model=whom.model,
        requested_model=entry.requested_model or whom.model,
        status=0,
        outcome="lost",
        usage=usage,
        cost_nano=0 if whom.price is None else cost_nano(usage, whom.price),
        price=whom.price,
        estimated=True,
        streamed=entry.streamed,
        provider_key=entry.provider_key,
        user=entry.user,
        project=entry.project,
        origin=entry.origin,
        api_key=entry.api_key,
        error_code="gateway_died",
        attempts=entry.attempts,
        operation=entry.operation,
    )


def unrecorded(left: list[tuple[int, Entry]], recorded: Iterable[bytes]) -> list[tuple[int, Entry]]:
    """Those whose record is not among the lines `recorded`: death may have come between a record and its release."""
    known = set()
    for line in recorded:
        with contextlib.suppress(msgspec.DecodeError):  # a line the disk has spoilt is no record of anything
            known.add(_identified.decode(line).id)
    return [(slot, entry) for slot, entry in left if not known.intersection(_ids(entry))]


def _ids(entry: Entry) -> set[str]:
    """Under which a record of it may stand: as the call's own, or as an attempt that another one followed."""
    try:
        return {entry.id, attempt_id(entry.id, entry.attempts)}
    except ValueError:
        return {entry.id}


class _Identified(msgspec.Struct):
    id: str


_identified = msgspec.json.Decoder(_Identified)
