"""The messages between a gateway worker and the control plane, one JSON object per WebSocket text frame.

The gateway dials `ws(s)://<control>/uplink` with `Authorization: Bearer <UPLINK_SECRET>`, says `Hello`, and receives
a `SnapshotPush` at once and again after every change. It sends `UsageBatch`es in order of their numbers; each is
answered by `UsageAck` once booked, and everything unacknowledged is sent again after a reconnect. Unknown message types
are an error on both sides: both ends are deployed together.
"""

import msgspec

from billing.core.usage import CallRecord
from llm.core.snapshot import Snapshot

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


class ProviderFigures(msgspec.Struct, frozen=True):
    """What a worker saw of one provider since it started."""

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


Up = Hello | UsageBatch | Observation
Down = SnapshotPush | UsageAck
