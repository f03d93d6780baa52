"""Which web pages may talk to the control plane: the check a browser's `Origin` header goes through.

Loopback is open to every page the user visits unless this says no: a page of any site may post to `localhost:4000`, or
open a socket to it, without asking. Clients that are not browsers send no `Origin` and pass. Hosts are checked apart
(`ALLOWED_HOSTS`), which is what stops DNS rebinding. Used by the GraphQL view and by every socket.
"""

from urllib.parse import urlsplit

from django.conf import settings

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def origin_allowed(origin: str | None, host: str) -> bool:
    """Whether a page of `origin` may use the server that the request's `Host` header calls `host`.

    Allowed: no origin (not a browser), the same origin, one of CORS_ORIGINS or CSRF_TRUSTED_ORIGINS, and, with
    CORS_ENABLED, any page served from this machine to a server addressed as this machine (a front end in development).
    """
    if origin is None:
        return True
    parts = urlsplit(origin)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return False  # `null`, a file, an extension
    named = {*settings.CORS_ORIGINS, *settings.CSRF_TRUSTED_ORIGINS}
    if parts.netloc.lower() == host.lower() or origin in named or "*" in named:
        return True
    here = urlsplit(f"//{host}").hostname
    return bool(settings.CORS_ENABLED and parts.hostname in LOOPBACK and here in LOOPBACK)


def header(headers: list[tuple[bytes, bytes]], name: bytes) -> str | None:
    """The first value of an ASGI header, or None."""
    return next((value.decode("latin-1") for key, value in headers if key == name), None)
