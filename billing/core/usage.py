"""The records a call leaves behind: what the journal stores, the uplink carries and the ledger books.

One for each attempt at a provider: the last one is the call's own, under the call's id; those before it name the call
they belong to, and are no requests of their own. A record is written once, by the gateway worker that made the call,
and never changes. `id` makes booking idempotent; `number` is the worker's own gapless count, by which the control plane
acknowledges.
"""

import uuid
from typing import Literal

import msgspec

from billing.core.pricing import Price, Usage

Outcome = Literal["ok", "upstream_error", "cancelled", "cut", "lost"]
"""ok: answered whole; upstream_error: the provider refused or failed; cancelled: the client hung up;
cut: the provider's answer broke off after the client had received part of it; lost: the gateway died while the provider
was at work, so what it used is our estimate."""


def attempt_id(call: str, attempt: int) -> str:
    """The id of the record of an attempt that another one followed: always the same for the same attempt."""
    return uuid.uuid5(uuid.UUID(call), str(attempt)).hex


class CallRecord(msgspec.Struct, frozen=True, omit_defaults=True):
    """One metered call, or an attempt before its last. Times are nanoseconds since the epoch, UTC."""

    number: int
    id: str
    """UUID, 32 hex digits."""
    request_id: str
    started_at: int
    """When the call came; of an attempt that another one followed, when it began."""
    finished_at: int
    provider: str
    model: str
    """Catalogue id of the model that answered."""
    requested_model: str
    """The name the client sent, e.g. `auto`."""
    status: int
    """HTTP status the client saw (499: it had gone), or would have seen had no other attempt followed."""
    outcome: Outcome
    usage: Usage
    cost_nano: int
    price: Price | None = None
    """The price applied, or None when the model has none (the call is then booked at 0 and flagged unpriced)."""
    estimated: bool = False
    """True when the provider reported no usage and the tokens are our own count."""
    streamed: bool = False
    asked_at: int | None = None
    """In the call's own record, when others came before it: when its last attempt, the one it tells of, began."""
    first_byte_at: int | None = None
    provider_key: str | None = None
    api_key: str | None = None
    """Id of the client's key; None: it sent none of ours."""
    user: str | None = None
    project: str | None = None
    origin: str | None = None
    """Who asked inside the product, e.g. `agent-execution:<id>`; None for outside clients."""
    error_code: str | None = None
    attempts: int = 1
    """Which attempt of its call this is; in the call's own record, so many were made."""
    call: str | None = None
    """The call's id, when another attempt followed this one."""
    operation: str = "chat completions"
    """What the client wanted done (`llm/core/operations`)."""
    overhead_us: int = 0
    """Microseconds spent in the gateway itself, waiting for the provider excluded."""
