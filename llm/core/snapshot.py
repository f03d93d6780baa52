"""The configuration a gateway worker serves by: a versioned, immutable copy of the control plane's tables.

The control plane builds it (`llm/snapshots.py`), the uplink carries it (`llm/core/uplink.py`), a gateway worker looks
names up in it and never asks anyone else. It carries decrypted provider keys, so it lives in memory only: never in a
file, a log or a repr.
"""

import msgspec

from billing.core.keys import Limits
from billing.core.pricing import Price


class ProviderKey(msgspec.Struct, frozen=True):
    """One credential of a provider. Its repr hides the secret."""

    id: str
    secret: str
    weight: int = 1

    def __repr__(self) -> str:
        return f"ProviderKey(id={self.id!r}, secret='***', weight={self.weight})"


class Provider(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where calls go. `base_url` includes the version path, e.g. `https://api.openai.com/v1`."""

    name: str
    provider_type: str
    """openai, anthropic, google, ollama, azure, custom, sandbox."""
    dialect: str
    """Which wire it speaks: a name of `dialects/registry.py`."""
    base_url: str
    auth: str = "bearer"
    """bearer (`Authorization: Bearer`), native (the dialect's own header), none, or the name of a header."""
    keys: tuple[ProviderKey, ...] = ()
    headers: dict[str, str] = {}
    """Sent with every call, e.g. a version header."""
    on_hang_up: str = "cancel"
    """When the client has gone: `cancel` the call, or `drain` its answer (where all of it is billed anyway)."""
    members: dict[str, str | None] = {}
    """Members of a request it knows under another name, or refuses: `request_fit.py`."""
    leaves_out: tuple[str, ...] = ()
    """Members that translated requests do not carry to it: see `ProviderRow`."""
    api_version: str = ""
    """Of Azure: see `azure_version.py`."""


class Model(msgspec.Struct, frozen=True, omit_defaults=True):
    """One model of one provider. Two providers may offer the same `id`."""

    id: str
    provider: str
    upstream: str
    """The name sent to the provider."""
    aliases: tuple[str, ...] = ()
    context_window: int = 8192
    max_output_tokens: int | None = None
    capabilities: tuple[str, ...] = ()
    supports_streaming: bool = True
    price: Price | None = None
    created: int = 0
    """Unix seconds, as `/v1/models` shows it."""
    rank: int = 100
    """Order of preference for `auto` until routing by cost and speed arrives: lowest first."""


class ApiKey(msgspec.Struct, frozen=True, omit_defaults=True):
    """A client's key that is not revoked. The key itself is not here, only its hash."""

    id: str
    digest: str
    """SHA-256 of the key, hexadecimal."""
    scopes: tuple[str, ...] = ()
    user: str | None = None
    project: str | None = None
    models: tuple[str, ...] = ()
    """The only ones it may use, as `model` or `provider/model`; empty: all."""
    expires_at: int | None = None
    """Unix nanoseconds; the worker's own clock decides."""
    limits: Limits = Limits()
    show_cost: bool = False
    """Replies say what they cost, whether or not the request asks."""


class Snapshot(msgspec.Struct, frozen=True, omit_defaults=True):
    """All of it. Versions only grow; a gateway keeps the highest it has seen."""

    version: int
    taken_at: int
    """Unix nanoseconds, UTC."""
    providers: tuple[Provider, ...] = ()
    models: tuple[Model, ...] = ()
    api_keys: tuple[ApiKey, ...] = ()
