"""What the gateway and the control plane agree on about `/v1/streams`: names, and what a stream came to.

`GET /v1/streams/{request_id}` reads a stream (`gateway/resume.py`), `DELETE` cancels it. Whoever asks for it gets one
event more than the stream has, `settled`: what was used and what it cost, as booked. It has no number, because it is
not part of the stream. Next file: `following.py`, what the events say.
"""

import msgspec

from billing.core.pricing import Usage
from llm.core import sse

PATH = "/streams/"
OLDEST = "oldest"
"""In place of a number behind `after`: begin with the oldest event that is still held."""
EVENT_IDS = "x-circuit-breaker-event-ids"
SETTLED = "x-circuit-breaker-settled"
"""Asks for the event that says what the stream came to; `settled=1` in the address does the same."""
OPERATION = "x-circuit-breaker-operation"
"""Says what was asked for, and thereby on which wire the events are."""
FIRST = "x-circuit-breaker-stream-first"
"""Says which event is the oldest still held."""
CANCELLED = "stream_cancelled"
"""The code of the error event with which a cancelled stream ends."""
FORGOTTEN = "stream_events_forgotten"
MAX_ID = 128
ID_RULE = f"a string of 1 to {MAX_ID} printable ASCII characters"
_NAME = b"event: settled\n"


class Settled(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a stream came to. `cost_nano` counts all attempts of the call, in nano-dollars; 0 without a price."""

    provider: str
    model: str
    """Catalogue id of the model that answered."""
    outcome: str
    """As in the call record (`billing/core/usage.py`)."""
    usage: Usage
    cost_nano: int
    unpriced: bool = False
    estimated: bool = False


_decoder = msgspec.json.Decoder(Settled)


def checked_id(given: str) -> str | None:
    """A request's id as the gateway takes it from a header; None for what it would not."""
    given = given.strip()
    return given if 0 < len(given) <= MAX_ID and given.isascii() and given.isprintable() else None


def settled_event(settled: Settled) -> bytes:
    return _NAME + b"data: " + msgspec.json.encode(settled) + b"\n\n"


def read_settled(event: bytes) -> Settled | None:
    """Of one event; None when it is another. Raises msgspec.DecodeError for one that is not ours."""
    return _decoder.decode(sse.data_of(event)) if _NAME in event else None


def number_of(event: bytes) -> int | None:
    """The number of a numbered event."""
    for line in event.splitlines():
        if line.startswith(b"id:"):
            value = line[3:].strip()
            return int(value) if value.isdigit() else None
    return None
