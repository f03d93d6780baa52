"""What may be configured of providers and models, and how bad input is refused: checks on values, no table.

Every check raises BadInput naming the field, what was given and what is accepted. Amounts of money arrive as USD per
token and leave as integer nano-dollars per million tokens. Next file: `llm/services/configure.py`, which uses these.

    ConfigurationError
    ├── BadInput            the caller can mend it
    ├── UnknownProvider     no provider of that name
    └── SecretUnreadable    (vault.py) a stored key cannot be opened
"""

import re
from decimal import Decimal, InvalidOperation
from typing import ClassVar
from urllib.parse import urlsplit

import msgspec

from billing.core.pricing import nano_per_million
from llm.core.providers import PROVIDER_TYPES, PROVIDERS, SANDBOX

MAX_NAME = 100
MAX_MODEL_ID = 200
MAX_URL = 500
MAX_SECRET = 4_000
MAX_MODELS = 1_000
MAX_CAPABILITIES = 50
MAX_MEMBERS = 50
MAX_TOKENS = 1_000_000_000
MAX_USD_PER_TOKEN = Decimal(1)
"""No model costs a dollar per token: a higher figure is a slip, e.g. a price per million tokens."""

_MEMBER = re.compile(r"[a-z][a-z0-9_]{0,60}")
_API_VERSION = re.compile(r"[a-z0-9-]{0,40}")
_MODEL_ID = re.compile(r"[A-Za-z0-9][\w.:/@+-]*", re.ASCII)


class ConfigurationError(Exception):
    """Root of what the control side of `llm` raises on purpose."""

    code: ClassVar[str] = "CONFIGURATION_ERROR"

    def __init__(self, message: str, details: dict[str, object] | None = None) -> None:
        super().__init__(message)
        self.details = details


class BadInput(ConfigurationError):
    """A field is missing, malformed or out of range."""

    code = "BAD_INPUT"


class UnknownProvider(ConfigurationError):
    """No provider has that name."""

    code = "PROVIDER_NOT_FOUND"


class ModelSettings(msgspec.Struct, frozen=True):
    """One model as an administrator describes it, checked."""

    id: str
    name: str
    context_window: int | None
    max_output_tokens: int | None
    input_nano: int | None
    """Nano-dollars per million tokens; None leaves the price as it is."""
    output_nano: int | None
    supports_streaming: bool | None
    supports_function_calling: bool | None
    capabilities: tuple[str, ...] | None


class ProviderSettings(msgspec.Struct, frozen=True):
    """A provider as an administrator describes it, checked. Its repr hides the key."""

    provider_type: str
    name: str
    base_url: str | None
    api_key: str | None
    models: tuple[ModelSettings, ...]
    api_version: str | None = None

    def __repr__(self) -> str:
        return f"ProviderSettings({self.provider_type!r}, {self.name!r}, {self.base_url!r}, models={len(self.models)})"


def check_provider_type(given: str) -> str:
    """One of the provider types, or the name of a provider we know."""
    known = (*PROVIDER_TYPES, *(row.name for row in PROVIDERS))
    if given not in known:
        names = ", ".join(dict.fromkeys(known))
        raise bad("providerType", f"is {_shown(given)}, which is not known; use one of {names}")
    return given


def check_name(given: str) -> str:
    """A provider's display name, trimmed."""
    name = given.strip()
    if not slug_of(name):
        raise bad("name", f"is {_shown(given)}; it needs at least one letter or digit")
    if len(name) > MAX_NAME or not name.isprintable():
        raise bad("name", f"must be printable and at most {MAX_NAME} characters long")
    if slug_of(name) == SANDBOX:
        raise bad("name", f"{SANDBOX!r} is reserved for the built-in stand-in; choose another")
    return name


def slug_of(name: str) -> str:
    """A provider's identity: lower-case ASCII letters, digits and dashes. `OpenAI` and `openai` are the same one."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def check_base_url(given: str) -> str:
    """An http(s) URL without credentials, query or fragment; the slash at its end is dropped."""
    url = given.strip().rstrip("/")
    try:
        parts = urlsplit(url)
        reachable = (
            parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
        )
    except ValueError:
        reachable = False
    if not reachable or len(url) > MAX_URL or not url.isprintable() or " " in url:
        raise bad("baseUrl", f"must be an http:// or https:// URL of at most {MAX_URL} characters")
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise bad("baseUrl", "must not carry credentials, a query or a fragment; keys have a field of their own")
    return url


def check_api_version(given: str) -> str:
    """Azure's `api-version`, e.g. 2024-10-21 or preview; may be empty."""
    version = given.strip()
    if not _API_VERSION.fullmatch(version):
        raise bad("apiVersion", f"is {_shown(given)}; write it like 2024-10-21, 2025-04-01-preview or preview")
    return version


def check_members(given: object) -> dict[str, str | None]:
    """Members of a request a provider takes otherwise: name -> other name, or None where it refuses them."""
    if given in (None, ""):
        return {}
    if not isinstance(given, dict) or len(given) > MAX_MEMBERS:
        raise bad("members", f"must be a JSON object of at most {MAX_MEMBERS} names")
    for name, other in given.items():
        words = (str(name), "x" if other is None else str(other))
        if name in ("model", "messages", "stream") or not all(_MEMBER.fullmatch(word) for word in words):
            raise bad("members", f"cannot have {_shown(str(name))}: write names of a-z, 0-9 and _, or null")
    return given


def check_secret(given: str) -> str:
    """An API key that fits into an HTTP header. The message never repeats it."""
    secret = given.strip()
    if not secret or len(secret) > MAX_SECRET or not all("!" <= character <= "~" for character in secret):
        raise bad("apiKey", f"must be 1 to {MAX_SECRET} visible ASCII characters without spaces")
    return secret


def check_model_id(given: str) -> str:
    """A model's id, as clients send it."""
    if len(given) > MAX_MODEL_ID or not _MODEL_ID.fullmatch(given):
        raise bad(
            "models.id", f"is {_shown(given)}; letters, digits and . _ - : / @ + are allowed, {MAX_MODEL_ID} at most"
        )
    return given


def check_title(given: str) -> str:
    """A model's display name, trimmed; may be empty."""
    title = given.strip()
    if len(title) > MAX_MODEL_ID or not title.isprintable():
        raise bad("models.name", f"must be printable and at most {MAX_MODEL_ID} characters long")
    return title


def check_tokens(field: str, given: int | None) -> int | None:
    """A token limit, at least 1."""
    if given is not None and not 1 <= given <= MAX_TOKENS:
        raise bad(field, f"is {given}; it must be between 1 and {MAX_TOKENS}")
    return given


def check_price(field: str, usd_per_token: float | str | Decimal | None) -> int | None:
    """Nano-dollars per million tokens. A float means the decimal it prints as: 0.000005 is exactly 5e-6."""
    if usd_per_token is None:
        return None
    try:
        amount = Decimal(str(usd_per_token))
        if amount.is_finite() and amount > MAX_USD_PER_TOKEN:
            raise bad(field, f"is {amount} USD per token; more than 1 USD per token looks like a price per million")
        return nano_per_million(amount)
    except InvalidOperation:
        raise bad(field, f"is {_shown(str(usd_per_token))}, not a number") from None
    except ValueError:
        raise bad(field, f"is {amount} USD per token; it must be zero or more, and no finer than 1e-15 USD") from None


def check_capabilities(given: list[str] | tuple[str, ...] | None) -> tuple[str, ...] | None:
    """Short words, each once, in the order given."""
    if given is None:
        return None
    words = tuple(dict.fromkeys(given))
    if len(words) > MAX_CAPABILITIES or any(not re.fullmatch(r"[a-z0-9_-]{1,50}", word) for word in words):
        raise bad("models.capabilities", f"must be at most {MAX_CAPABILITIES} words of a-z, 0-9, _ and -")
    return words


def check_model_list(models: tuple[ModelSettings, ...]) -> tuple[ModelSettings, ...]:
    """No model twice, not too many."""
    if len(models) > MAX_MODELS:
        raise bad("models", f"has {len(models)} entries; at most {MAX_MODELS} are taken at once")
    ids = [model.id for model in models]
    twice = sorted({identifier for identifier in ids if ids.count(identifier) > 1})
    if twice:
        raise bad("models", f"names {', '.join(twice)} more than once")
    return models


def bad(field: str, problem: str) -> BadInput:
    """The refusal of one field."""
    return BadInput(f"{field} {problem}.", {"field": field})


def _shown(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:60] + "…")
