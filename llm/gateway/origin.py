"""Where a provider is: the part of its address that a connection needs, and the rest."""

from urllib.parse import urlsplit

import msgspec


class Origin(msgspec.Struct, frozen=True):
    """Where a connection leads."""

    host: str
    port: int
    tls: bool

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.tls else 'http'}://{host}:{self.port}"


def read_url(url: str) -> tuple[Origin, str]:
    """`https://host[:port]/path?query` as an origin and a request target. Raises ValueError."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{url!r} is not an http or https URL.")
    tls = parts.scheme == "https"
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Origin(parts.hostname, parts.port or (443 if tls else 80), tls), target
