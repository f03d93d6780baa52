"""Which models providers have, asked of themselves; and whether they answer, which is the same question.

A new model is enabled if it is free (a server of one's own) or the price list knows its price; else it waits, disabled,
for a person to give it a price: nothing unpriced is ever offered by itself. Azure lists base models, not deployments:
its models wait too. What a person edited stays; catalogue rows stay; a discovered model that is listed no more is kept
but not offered. Asking happens outside any transaction. Next files: `asking.py`, `prices.py`.
"""

import hashlib
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from llm.core import vault
from llm.core.listing import ListedModel
from llm.core.providers import provider_row
from llm.models import Model, Provider, ProviderKey, ProviderProbe, Source
from llm.services.asking import Listed, Target, ask_all
from llm.services.catalogue import update_unedited
from llm.services.configuration import writing
from llm.services.prices import Prices, list_prices, list_version

OLLAMA_SECONDS = 0.5
"""At a start: an Ollama that runs here answers at once."""
WINDOW = 128_000
"""Of a model whose window neither its provider nor the price list tells."""
RANK, LOCAL_RANK = 150, 200
PRICE_COLUMNS = ("input_price", "output_price")


def discover(slugs: Collection[str] | None = None) -> dict[str, Listed]:
    """Ask these providers, or all, and take in what they list. Those that cannot be called are passed over."""
    rows = Provider.objects.filter(enabled=True).prefetch_related("keys")
    if slugs is not None:
        rows = rows.filter(slug__in=slugs)
    return _discover([row for row in rows if row.configured])


def discover_ollama(timeout: float = OLLAMA_SECONDS) -> list[str]:
    """The same for every enabled Ollama, with a time-out for a start; the ids of the models found."""
    rows = list(Provider.objects.filter(provider_type="ollama", enabled=True).prefetch_related("keys"))
    found = _discover([row for row in rows if row.configured], timeout)
    return [model.id for listed in found.values() for model in listed.models or ()]


def probe_due(now: datetime) -> int:
    """Ask every provider whose turn it is; how many were asked. Safe in several workers: one of them asks."""
    waiting = Q(probe__isnull=True) | Q(probe__next_at__lte=now)
    rows = list(Provider.objects.filter(waiting, enabled=True).select_related("probe").prefetch_related("keys"))
    later = now + timedelta(seconds=settings.HEALTH_CHECK_SECONDS)
    mine = [row for row in rows if _claim(row, now, later) and row.configured]
    _discover(mine)
    return len(mine)


def _claim(row: Provider, now: datetime, later: datetime) -> bool:
    if not hasattr(row, "probe"):
        return ProviderProbe.objects.get_or_create(provider=row, defaults={"next_at": later})[1]
    return ProviderProbe.objects.filter(provider=row, next_at__lte=now).update(next_at=later) == 1


def _discover(rows: Sequence[Provider], seconds: float | None = None) -> dict[str, Listed]:
    targets = [
        Target(row.slug, row.provider_type, row.base_url, row.auth, _secrets(row), row.api_version) for row in rows
    ]
    answers = ask_all(targets) if seconds is None else ask_all(targets, seconds)
    digests = [_digest(row, answer) for row, answer in zip(rows, answers, strict=True)]
    known = dict(ProviderProbe.objects.values_list("provider_id", "digest"))
    changed = [known.get(row.pk) != digest for row, digest in zip(rows, digests, strict=True)]
    wanted = [_unpriced(row, answer) if new else [] for row, answer, new in zip(rows, answers, changed, strict=True)]
    prices = list_prices(zip(rows, wanted, strict=True))
    for row, answer, digest, new, priced in zip(rows, answers, digests, changed, prices, strict=True):
        if new:
            _take_in(row, answer, priced)
        _note(row, answer, digest)
    return {row.slug: answer for row, answer in zip(rows, answers, strict=True)}


def _secrets(row: Provider) -> tuple[str, ...]:
    """The enabled keys that open, the weightiest first."""
    keys: list[ProviderKey] = sorted((key for key in row.keys.all() if key.enabled), key=lambda key: -key.weight)
    opened = []
    for key in keys:
        try:
            opened.append(vault.unseal(key.sealed, settings.SECRET_KEY, list(map(str, settings.SECRET_KEY_FALLBACKS))))
        except vault.SecretUnreadable:
            continue  # `snapshots.py` logs it, at every snapshot
    return tuple(opened)


def _digest(row: Provider, answer: Listed) -> str:
    """What taking the list in depends on. A failure leaves everything as it is, but for servers of one's own."""
    if answer.models is None and not _local(row):
        probe = ProviderProbe.objects.filter(provider=row).first()
        return probe.digest if probe else ""
    content = msgspec.json.encode([answer.models, list_version(), row.provider_type, row.auth])
    return hashlib.sha256(content).hexdigest()


def _local(row: Provider) -> bool:
    known = provider_row(row.slug)
    return row.auth == "none" or row.provider_type == "ollama" or bool(known and known.local)


def _unpriced(row: Provider, answer: Listed) -> list[str]:
    """Names whose price is asked for: everything listed, and what people added without a price."""
    if _local(row):
        return []
    listed = [model.id for model in answer.models or () if model.capabilities]
    added = row.models.filter(input_price__isnull=True).exclude(source=Source.DISCOVERED)
    return list(dict.fromkeys([*listed, *(model.upstream or model.model_id for model in added)]))


def _take_in(row: Provider, answer: Listed, prices: Prices) -> None:
    """Make the discovered rows of one provider equal to its list. One transaction."""
    if answer.models is None and not _local(row):
        return
    with writing() as change:
        rows = {model.model_id: model for model in row.models.all()}
        others = [model for model in rows.values() if model.source != Source.DISCOVERED]
        taken = {name for model in others for name in (model.model_id, model.upstream, *model.aliases)}
        listed = [model for model in answer.models or () if model.capabilities and model.id not in taken]
        new = []
        for model in listed:
            wanted = {"available": True, **_columns(row, model, prices.get(model.id, {}))}
            if model.id in rows:
                change.made |= update_unedited(rows[model.id], wanted)
            else:
                new.append(
                    Model(provider=row, model_id=model.id, upstream=model.id, source=Source.DISCOVERED, **wanted)
                )
        Model.objects.bulk_create(new)
        gone = row.models.filter(source=Source.DISCOVERED, available=True).exclude(
            model_id__in=[model.id for model in listed]
        )
        filled = [_fill(model, prices.get(model.upstream or model.model_id, {})) for model in others]
        change.made |= bool(new) | bool(gone.update(available=False)) | any(filled)


def _columns(row: Provider, model: ListedModel, price: dict[str, Any]) -> dict[str, Any]:
    free = _local(row)
    plain = model.id.removesuffix(":latest") if row.provider_type == "ollama" else model.id
    columns: dict[str, Any] = {
        "name": model.title or plain,
        "aliases": [] if plain == model.id else [plain],
        "context_window": model.context_window or price.get("context_window") or WINDOW,
        "max_output_tokens": model.max_output_tokens,
        "capabilities": list(model.capabilities),
        "supports_function_calling": model.function_calling,
        "rank": LOCAL_RANK if free else RANK,
        "enabled": row.provider_type != "azure" and (free or "input_price" in price),
    }
    if free:
        return columns | {"input_price": 0, "output_price": 0}
    return columns | {name: value for name, value in price.items() if name != "context_window"}


def _fill(model: Model, price: dict[str, Any]) -> bool:
    """Give a model that people added, and left without a price, the one of the list."""
    if model.input_price is not None or not price or not set(PRICE_COLUMNS).isdisjoint(model.edited):
        return False
    return update_unedited(model, {name: value for name, value in price.items() if name != "context_window"})


def _note(row: Provider, answer: Listed, digest: str) -> None:
    now = timezone.now()
    found = {
        "checked_at": now,
        "ok": answer.ok,
        "problem": answer.problem[:300],
        "latency_ms": answer.latency_ms,
        "listed": len(answer.models or ()),
        "digest": digest,
    }
    later = now + timedelta(seconds=settings.HEALTH_CHECK_SECONDS)
    ProviderProbe.objects.update_or_create(provider=row, defaults=found, create_defaults={**found, "next_at": later})
