"""API keys, which clients send to us: their form, their rights, and how bad input about them is refused. Pure.

A key is `cb-`, 32 letters and digits of randomness (160 bits), and 6 that are a checksum: a slip of the pen is told
apart from a key we do not know, without asking anyone. Only the SHA-256 is ever stored; with so much randomness it
needs no salt and no slow hash. `ApiKeySettings` is what an administrator says of a key, checked. Next file:
`billing/services/keys.py`.
"""

import base64
import hashlib
import re
import zlib
from datetime import UTC, datetime

import msgspec

from billing.core.errors import BadInput

PREFIX = "cb-"
RANDOM_BYTES = 20
SCOPES = ("chat", "workflows:read", "workflows:write", "admin")
"""chat: model calls through the gateway; the others are rights on GraphQL."""
MAX_NAME = 100
MAX_LABEL = 256
MAX_MODELS = 200
MAX_LIMIT = 1_000_000_000
_FORM = re.compile(r"cb-([a-z2-7]{32})([a-z2-7]{6})")
_MODEL = re.compile(r"[A-Za-z0-9][\w.:/@+-]{0,199}", re.ASCII)


class Limits(msgspec.Struct, frozen=True, omit_defaults=True):
    """How much a caller may use, over all gateway workers together. None: without limit."""

    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    burst: int | None = None
    """Requests that may come at once; None: a minute's worth."""
    concurrent_requests: int | None = None

    def __bool__(self) -> bool:
        return (
            self.requests_per_minute is not None
            or self.tokens_per_minute is not None
            or self.concurrent_requests is not None
        )


class ApiKeySettings(msgspec.Struct, frozen=True):
    """A key as an administrator describes it, checked."""

    name: str
    user: str = ""
    project: str = ""
    scopes: tuple[str, ...] = ("chat",)
    models: tuple[str, ...] = ()
    """Empty: all."""
    expires_at: datetime | None = None
    limits: Limits = Limits()
    show_cost: bool = False
    """Whether `usage` of each reply says what it cost, as if every request had asked for it."""


def make_key(randomness: bytes) -> str:
    """The key made of RANDOM_BYTES random bytes."""
    if len(randomness) != RANDOM_BYTES:
        raise ValueError(f"A key needs {RANDOM_BYTES} random bytes, not {len(randomness)}.")
    body = base64.b32encode(randomness).decode("ascii").lower()
    return f"{PREFIX}{body}{_checksum(body)}"


def well_formed(text: str) -> bool:
    """Whether this could be a key of ours: right form, right checksum."""
    found = _FORM.fullmatch(text)
    return found is not None and _checksum(found[1]) == found[2]


def digest(text: str) -> str:
    """What is stored of a key and travels to the gateways: its SHA-256 as hexadecimal digits."""
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


def hint(text: str) -> str:
    """What may be shown of a key: its first and last few characters."""
    return f"{text[:7]}…{text[-4:]}"


def check_settings(settings: ApiKeySettings, now: datetime) -> ApiKeySettings:
    """The same, trimmed. Raises BadInput naming the field."""
    limits = settings.limits
    for field, value in (
        ("requestsPerMinute", limits.requests_per_minute),
        ("tokensPerMinute", limits.tokens_per_minute),
        ("burst", limits.burst),
        ("concurrentRequests", limits.concurrent_requests),
    ):
        if value is not None and not 1 <= value <= MAX_LIMIT:
            raise _bad(field, f"is {value}; it must be between 1 and {MAX_LIMIT}, or absent for no limit")
    if limits.burst is not None and limits.requests_per_minute is None:
        raise _bad("burst", "says how many requests may come at once, so it needs requestsPerMinute")
    if settings.expires_at is not None and settings.expires_at.astimezone(UTC) <= now:
        raise _bad("expiresAt", f"is {settings.expires_at.isoformat()}, which has passed")
    return msgspec.structs.replace(
        settings,
        name=_text("name", settings.name, MAX_NAME, required=True),
        user=_text("user", settings.user, MAX_LABEL),
        project=_text("project", settings.project, MAX_LABEL),
        scopes=check_scopes(settings.scopes),
        models=check_models(settings.models),
    )


def check_scopes(given: tuple[str, ...]) -> tuple[str, ...]:
    """Known rights, each once, at least one."""
    unknown = sorted(set(given) - set(SCOPES))
    if unknown:
        raise _bad("scopes", f"holds {', '.join(map(repr, unknown))[:200]}; use {', '.join(SCOPES)}")
    if not given:
        raise _bad("scopes", f"is empty: a key needs at least one right of {', '.join(SCOPES)}")
    return tuple(scope for scope in SCOPES if scope in given)


def check_models(given: tuple[str, ...]) -> tuple[str, ...]:
    """Names of models or `provider/model`, each once."""
    names = tuple(dict.fromkeys(given))
    odd = next((name for name in names if not _MODEL.fullmatch(name)), None)
    if odd is not None:
        raise _bad("models", f"holds {odd[:60]!r}, which is no name of a model")
    if len(names) > MAX_MODELS:
        raise _bad("models", f"has {len(names)} entries; {MAX_MODELS} are the most")
    return names


def _text(field: str, given: str, most: int, *, required: bool = False) -> str:
    text = given.strip()
    if (required and not text) or len(text) > most or not (text.isprintable() or not text):
        raise _bad(field, f"must be {'1' if required else '0'} to {most} printable characters")
    return text


def _checksum(body: str) -> str:
    return base64.b32encode(zlib.crc32(body.encode("ascii")).to_bytes(4, "big")).decode("ascii").lower()[:6]


def _bad(field: str, problem: str) -> BadInput:
    return BadInput(f"{field} {problem}.", {"field": field})
