"""What the two HTTP sides may cost: `Limits` for clients, `Bounds` for providers, and the settings that move them.

Defaults are meant for a gateway that anyone may talk to. What happens at each limit stands beside it and in
docs/reference/http.md; which variable moves it stands in the two tables, from which `settings.py` reads.
"""

import msgspec


class Limits(msgspec.Struct, frozen=True):
    """What one client may cost. Beyond each bound the client gets the status named, and the connection closes."""

    target_bytes: int = 8_192
    """Path and query: 414."""
    head_bytes: int = 65_536
    """All header lines: 431."""
    header_count: int = 100
    """431."""
    body_bytes: int = 64 * 1024 * 1024
    """413."""
    buffered_bytes: int = 1024 * 1024 * 1024
    """Request bodies held at once over all connections: 503."""
    pipelined: int = 16
    """Requests waiting on one connection; beyond it we stop reading from it."""
    connections: int = 20_000
    """Open at once; the next one gets 503."""
    head_seconds: float = 15.0
    """From the first byte of a request to the end of its head: 408."""
    body_seconds: float = 120.0
    """From the end of the head to the end of the body: 408."""
    idle_seconds: float = 75.0
    """A connection without a request is closed silently."""
    stall_seconds: float = 60.0
    """A client that takes none of its answer for this long is cut off."""
    write_buffer_bytes: int = 256 * 1024
    """Unsent answer bytes after which the handler is asked to pause."""


class Bounds(msgspec.Struct, frozen=True):
    """What the calling side may cost."""

    idle_limit: int = 100
    """Connections kept open without a call, per origin, for longer than a second."""
    open_limit: int = 4_000
    """Connections to one origin; a call beyond them waits."""
    wait_limit: int = 10_000
    """Calls waiting for a connection; beyond it a call is refused with 503."""
    connect_seconds: float = 5.0
    reply_bytes: int = 64 * 1024 * 1024
    """A larger whole answer is refused."""


LIMIT_SETTINGS: dict[str, tuple[str, float, float]] = {
    "GATEWAY_MAX_TARGET_BYTES": ("target_bytes", 256, 1_048_576),
    "GATEWAY_MAX_HEAD_BYTES": ("head_bytes", 1_024, 16_777_216),
    "GATEWAY_MAX_HEADERS": ("header_count", 10, 10_000),
    "GATEWAY_MAX_BODY_BYTES": ("body_bytes", 1_024, 4_294_967_296),
    "GATEWAY_MAX_BUFFERED_BYTES": ("buffered_bytes", 1_024, 1_099_511_627_776),
    "GATEWAY_MAX_CONNECTIONS": ("connections", 1, 1_000_000),
    "GATEWAY_HEAD_SECONDS": ("head_seconds", 0.1, 3_600),
    "GATEWAY_BODY_SECONDS": ("body_seconds", 0.1, 86_400),
    "GATEWAY_IDLE_SECONDS": ("idle_seconds", 0.1, 86_400),
    "GATEWAY_STALL_SECONDS": ("stall_seconds", 0.1, 86_400),
}
"""Variable: field of `Limits`, least, most."""
BOUND_SETTINGS: dict[str, tuple[str, float, float]] = {
    "CONNECTION_POOL_SIZE": ("idle_limit", 0, 100_000),
    "MAX_CONCURRENT_REQUESTS": ("wait_limit", 1, 1_000_000),
    "PROVIDER_MAX_CONNECTIONS": ("open_limit", 1, 1_000_000),
    "PROVIDER_CONNECT_SECONDS": ("connect_seconds", 0.1, 600),
    "PROVIDER_MAX_ANSWER_BYTES": ("reply_bytes", 1_024, 4_294_967_296),
}
"""Variable: field of `Bounds`, least, most."""
