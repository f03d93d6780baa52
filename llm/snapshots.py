"""The configuration as gateways serve by it, built from the tables (`core/snapshot.py` says what it looks like).

Only what can be used is in it: enabled providers with an address and, where needed, a key that opens, and their enabled
models. When there is no such model at all, the sandbox stands in for every model of the catalogue, at list prices in
play money, so that a fresh machine can do the product's main job. Decrypted keys exist in the result only: keep it in
memory. Next file: `consumers/uplink.py`, which sends it.
"""

import asyncio
import logging
import time
from datetime import timedelta
from typing import Any

import msgspec
from channels.db import database_sync_to_async
from django.conf import settings
from django.db.models import Prefetch
from django.utils import timezone

from billing import selectors
from billing.core.keys import Limits
from billing.core.pricing import Price
from billing.models import ApiKey
from llm.core import snapshot, vault
from llm.core.providers import SANDBOX, provider_row, wire_of
from llm.core.uplink import SnapshotPush
from llm.models import ConfigurationVersion, Model, Provider

SANDBOX_CAPABILITIES = ("text_generation", "function_calling", "embeddings", "sandbox")
SANDBOX_RANK = 1_000_000

REVOKED_RECENTLY = timedelta(minutes=5)

_building: dict[int, asyncio.Task[tuple[int, str]]] = {}
"""Frames in the making, by the version that was asked for."""
logger = logging.getLogger(__name__)


def configuration_version() -> int:
    """The number of the configuration as it stands; 0 when nothing was ever configured.

    The sum of two numbers that only grow: that of our tables and that of the API keys, which `billing` keeps.
    """
    own = ConfigurationVersion.objects.order_by("-number").values_list("number", flat=True).first() or 0
    return own + selectors.keys_version()


def recently_revoked() -> tuple[str, ...]:
    """The digests of keys revoked a short while ago: long enough for clocks that differ and slow transactions."""
    return selectors.revoked_since(timezone.now() - REVOKED_RECENTLY)


async def frame(version: int) -> tuple[int, str]:
    """The frame with the snapshot of this version or a later one, and which it is. Raises DatabaseError.

    Built once for all gateways that ask meanwhile: with many keys it takes a while, and all hear of a change together.
    """
    building = _building.get(version)
    if building is None:
        build: Any = database_sync_to_async(_build_frame, thread_sensitive=False)
        building = _building[version] = asyncio.create_task(build())
        building.add_done_callback(lambda _: _building.pop(version, None))
    return await asyncio.shield(building)


def _build_frame() -> tuple[int, str]:
    built = build_snapshot()
    return built.version, msgspec.json.encode(SnapshotPush(built)).decode()


def build_snapshot() -> snapshot.Snapshot:
    """The present configuration. The version is read first: what changes meanwhile comes again under a higher one."""
    version = configuration_version()
    offered = Prefetch("models", queryset=Model.objects.filter(enabled=True, available=True))
    rows = list(Provider.objects.filter(enabled=True).prefetch_related("keys", offered))
    providers = []
    models: list[snapshot.Model] = []
    for row in rows:
        provider = _provider(row)
        if provider is not None and row.models.all():
            providers.append(provider)
            models += [_model(model, row.slug, model.upstream or model.model_id) for model in row.models.all()]
    sandbox_url: str = settings.SANDBOX_URL
    if not models and sandbox_url:
        providers = [snapshot.Provider(SANDBOX, SANDBOX, "openai", sandbox_url.rstrip("/"), auth="none")]
        models = _sandbox_models(rows)
    models.sort(key=lambda model: (model.rank, model.id))
    keys = tuple(_api_key(row) for row in selectors.valid_keys(timezone.now()))
    return snapshot.Snapshot(version, time.time_ns(), tuple(providers), tuple(models), keys)


def _api_key(row: ApiKey) -> snapshot.ApiKey:
    expires_at = None if row.expires_at is None else int(row.expires_at.timestamp()) * 10**9
    return snapshot.ApiKey(
        str(row.pk),
        row.digest,
        tuple(row.scopes),
        row.user or None,
        row.project or None,
        tuple(row.allowed_models),
        expires_at,
        Limits(row.requests_per_minute, row.tokens_per_minute, row.burst, row.concurrent_requests),
        row.show_cost,
    )


def _provider(row: Provider) -> snapshot.Provider | None:
    """The provider with its keys opened, or None when no call could be sent."""
    keys = () if row.auth == "none" else _keys(row)
    if not row.configured or (row.auth != "none" and not keys):
        return None
    dialect, known = wire_of(row.dialect, row.base_url), provider_row(row.slug)
    return snapshot.Provider(
        row.slug,
        row.provider_type,
        dialect,
        row.base_url,
        row.auth,
        keys,
        on_hang_up=row.on_hang_up,
        members=row.members,
        leaves_out=known.leaves_out if known else (),
        api_version=row.api_version,
    )


def _keys(row: Provider) -> tuple[snapshot.ProviderKey, ...]:
    keys = []
    fallbacks = [str(key) for key in settings.SECRET_KEY_FALLBACKS]
    for key in row.keys.all():
        if not key.enabled:
            continue
        try:
            secret = vault.unseal(key.sealed, settings.SECRET_KEY, fallbacks)
        except vault.SecretUnreadable as failure:
            logger.error("key %s of provider %s is left out: %s", key.pk, row.slug, failure)
            continue
        keys.append(snapshot.ProviderKey(str(key.pk), secret, key.weight))
    return tuple(keys)


def _model(row: Model, provider: str, upstream: str) -> snapshot.Model:
    calling = ("function_calling",) if row.supports_function_calling else ()
    return snapshot.Model(
        id=row.model_id,
        provider=provider,
        upstream=upstream,
        aliases=tuple(row.aliases),
        context_window=row.context_window,
        max_output_tokens=row.max_output_tokens,
        capabilities=tuple(dict.fromkeys((*row.capabilities, *calling))),
        supports_streaming=row.supports_streaming,
        price=row.price,
        created=row.released or int(row.created_at.timestamp()),
        rank=row.rank,
    )


def _sandbox_models(rows: list[Provider]) -> list[snapshot.Model]:
    """Every model of the tables once, the best ranked of one id, answered by the sandbox; and the sandbox's own."""
    everything = sorted((model for row in rows for model in row.models.all()), key=lambda model: model.rank)
    stand_ins: dict[str, snapshot.Model] = {}
    names: dict[str, dict[str, None]] = {}
    for model in everything:
        stand_ins.setdefault(model.model_id, _model(model, SANDBOX, f"{SANDBOX}/{model.model_id}"))
        slug = model.provider.slug  # clients may name the provider that will be there one day
        named = names.setdefault(model.model_id, {})
        named |= dict.fromkeys(f"{slug}/{name}" for name in (model.model_id, *model.aliases))
    own = snapshot.Model(
        id=SANDBOX,
        provider=SANDBOX,
        upstream=SANDBOX,
        context_window=128_000,
        capabilities=SANDBOX_CAPABILITIES,
        price=Price(input=0, output=0),
        rank=SANDBOX_RANK,
    )
    stand_ins.pop(SANDBOX, None)
    answering = [
        msgspec.structs.replace(model, aliases=tuple(dict.fromkeys((*model.aliases, *names[model.id]))))
        for model in stand_ins.values()
    ]
    return [*answering, own]
