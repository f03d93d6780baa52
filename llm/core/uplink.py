"""The messages between a gateway worker and the control plane, one JSON object per WebSocket text frame.

The gateway dials `ws(s)://<control>/uplink` with `Authorization: Bearer <UPLINK_SECRET>`, says `Hello`, and receives
a `SnapshotPush` at once and again after every change; revoked keys go ahead of it, as `KeysRevoked`. It sends
`UsageBatch`es in order of their numbers; each is answered by `UsageAck` once booked, and everything unacknowledged is
sent again after a reconnect. Unknown message types are an error on both sides: both ends are deployed together.
"""

import msgspec

from billing.core.keys import Limits
from billing.core.usage import CallRecord
from llm.core.snapshot import Snapshot

VERSION = "0.1.0"
"""Of this release."""
SUBPROTOCOL = "circuit-breaker-uplink.v1"


class Hello(msgspec.Struct, frozen=True, tag="hello"):
    """First frame up. `gateway` names the journal (stable across restarts of one worker slot)."""

    gateway: str
    pid: int
    version: str
    snapshot_version: int = 0
    """0: none yet."""


class UsageBatch(msgspec.Struct, frozen=True, tag="usage"):
    """Up. Records in ascending `number`, at most 1,000."""

    records: tuple[CallRecord, ...]


class UsageAck(msgspec.Struct, frozen=True, tag="usage_ack"):
    """Down. Every record with a number up to and including `through` is booked for good."""

    through: int


class SnapshotPush(msgspec.Struct, frozen=True, tag="snapshot"):
    """Down."""

    snapshot: Snapshot


class KeysRevoked(msgspec.Struct, frozen=True, tag="keys_revoked"):
    """Down, ahead of the snapshot that lacks them, which takes longer to build the more keys there are."""

    digests: tuple[str, ...]
    """`ApiKey.digest` of each: refused from now on, whatever an older snapshot says."""


class ProviderFigures(msgspec.Struct, frozen=True):
    """What a worker saw of one provider since it started: attempts, whether or not another provider answered then."""

    requests: int
    errors: int
    latency_us_total: int


class Observation(msgspec.Struct, frozen=True, tag="observation"):
    """Up, once a second: counters since the worker started, gauges as they are now."""

    started_at: int
    at: int
    requests: int
    errors: int
    in_flight: int
    connections: int
    latency_us_total: int
    journal_lag: int
    """Records written but not yet acknowledged."""
    providers: dict[str, ProviderFigures]


class Used(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a worker has used of one caller's limits, as far as the bucket has not filled again since."""

    subject: str
    limits: Limits
    requests: float = 0.0
    tokens: float = 0.0
    slots: int = 0
    """Calls under way."""


class LeaseState(msgspec.Struct, frozen=True, tag="lease_state"):
    """Up, after each `Fleet` that comes first on a connection, or after silence; before any `LeaseAsk`.

    To a keeper of the same epoch: what was used while it was out of reach; to another one: all.
    """

    used: tuple[Used, ...] = ()


class LeaseAsk(msgspec.Struct, frozen=True, omit_defaults=True, tag="lease_ask"):
    """Up. What one call needs of its caller's limits (`core/leases.py`); nothing needed: only ahead of need."""

    number: int
    subject: str
    """`key:<id>` or `address:<address>`."""
    limits: Limits
    requests: int = 0
    tokens: int = 0
    slots: int = 0
    ahead: bool = True
    """Something ahead of need, too; false where another question for this caller is on its way."""


class LeaseGrant(msgspec.Struct, frozen=True, omit_defaults=True, tag="lease_grant"):
    """Down. The answer to the ask of that number: what was needed and maybe more, or nothing."""

    number: int
    granted: bool
    requests: int = 0
    tokens: int = 0
    slots: int = 0
    left_requests: float = 0.0
    """What the bucket holds after this."""
    left_tokens: float = 0.0
    lacking: str = ""
    """requests, tokens, slots; or keeper: it leases nothing for now, use your share."""
    wait: float = 0.0
    """Seconds until what is lacking may be there."""


class LeaseReturn(msgspec.Struct, frozen=True, omit_defaults=True, tag="lease_return"):
    """Up. Units that were not used, and by how much token estimates were too high (negative: too low)."""

    subject: str
    requests: int = 0
    tokens: int = 0
    slots: int = 0
    """Negative: taken from the worker's share while the keeper leased nothing."""
    corrected: int = 0
    overdrawn: int = 0
    """Requests let in from the share meanwhile."""


class Fleet(msgspec.Struct, frozen=True, tag="fleet"):
    """Down, after Hello and whenever a worker comes or goes. `epoch` names one life of the keeper."""

    epoch: str
    workers: int
    settled: bool = True
    """False: nothing is leased yet."""


Up = Hello | UsageBatch | Observation | LeaseState | LeaseAsk | LeaseReturn
Down = SnapshotPush | KeysRevoked | UsageAck | LeaseGrant | Fleet
