"""The rule of every configuration write, and the plain saves and deletes.

`writing()` opens the transaction, locks the version row (so configuration writes happen one after another, whichever
process they come from) and raises the number at the end if something changed. After the commit it hints on the channel
layer; the hint may be lost, since the consumers poll the number as well. Next file: `configure.py`.
"""

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from llm.core import vault
from llm.core.configuration import bad, check_secret
from llm.models import ConfigurationVersion, Model, Provider, ProviderKey, ProviderProbe, Source

CONFIGURATION_GROUP = "llm.configuration"
"""The channel-layer group that is told of every change."""
VERSION_ROW = 1

logger = logging.getLogger(__name__)


@dataclass
class Change:
    """Whether the transaction changed anything a gateway has to know."""

    made: bool = False


@contextmanager
def writing() -> Iterator[Change]:
    """A transaction on the configuration. Set `made` on what it gives when something changed."""
    with transaction.atomic():
        version = _locked_version()
        change = Change()
        yield change
        if change.made:
            version.number += 1
            version.save(update_fields=["number"])
            transaction.on_commit(hint, robust=True)


def save_provider(provider: Provider, edited: Iterable[str] = ()) -> None:
    """Save a provider a person edited; catalogue and environment leave the fields `edited` alone from now on."""
    with writing() as change:
        provider.edited = _with(provider.edited, edited)
        provider.save()
        probe_soon(provider)
        change.made = True


def save_key(key: ProviderKey, secret: str | None = None) -> None:
    """Save a key, with a new secret or, with None, keeping its own.

    Raises BadInput for an unusable secret, for a new key without one, and for a new secret on a key whose secret the
    environment sets.
    """
    if secret:
        if key.pk and key.source == Source.ENVIRONMENT:
            raise bad("secret", "is set by the environment: change it there, or add a key of its own here")
        seal_into(key, secret)
    elif not key.sealed:
        raise bad("secret", "is missing: a new key needs one")
    with writing() as change:
        key.save()
        probe_soon(key.provider)
        change.made = True


def save_model(model: Model, edited: Iterable[str] = ()) -> None:
    """Save a model a person edited; see `save_provider`."""
    with writing() as change:
        model.edited = _with(model.edited, edited)
        model.save()
        change.made = True


def set_enabled(rows: Iterable[Provider | Model], enabled: bool) -> int:
    """Switch rows on or off, as an edit; return how many."""
    count = 0
    with writing() as change:
        for row in rows:
            row.enabled = enabled
            row.edited = _with(row.edited, ["enabled"])
            row.save(update_fields=["enabled", "edited", "updated_at"])
            count += 1
        change.made = count > 0
    return count


def delete_providers(primary_keys: Iterable[int]) -> None:
    """Delete providers with their keys and models. Those of the catalogue are back, as built in, at the next start."""
    with writing() as change:
        change.made = Provider.objects.filter(pk__in=list(primary_keys)).delete()[0] > 0


def delete_keys(primary_keys: Iterable[int]) -> None:
    """Delete keys. One that the environment still sets is back at the next start: disable it instead."""
    with writing() as change:
        change.made = ProviderKey.objects.filter(pk__in=list(primary_keys)).delete()[0] > 0


def delete_models(primary_keys: Iterable[int]) -> None:
    """Delete models. Those of the catalogue are back, as built in, at the next start."""
    with writing() as change:
        change.made = Model.objects.filter(pk__in=list(primary_keys)).delete()[0] > 0


def probe_soon(provider: Provider) -> None:
    """Have it asked within a second or so, whenever its turn would be: its key or address is new."""
    ProviderProbe.objects.filter(provider=provider).update(next_at=timezone.now())


def seal_into(key: ProviderKey, secret: str) -> None:
    """Give the key a secret, in memory only. Raises BadInput, never repeating the secret."""
    secret = check_secret(secret)
    key.sealed = vault.seal(secret, settings.SECRET_KEY)
    key.fingerprint = vault.fingerprint(secret)


def holds(key: ProviderKey, secret: str) -> bool:
    """Whether that is the key's secret. A key that cannot be opened holds nothing."""
    try:
        return vault.unseal(key.sealed, settings.SECRET_KEY, list(map(str, settings.SECRET_KEY_FALLBACKS))) == secret
    except vault.SecretUnreadable:
        return False


def _with(edited: list[str], more: Iterable[str]) -> list[str]:
    return sorted({*edited, *more})


def _locked_version() -> ConfigurationVersion:
    """The version row, locked until the transaction ends. It starts at the clock in milliseconds (see models)."""
    start = int(timezone.now().timestamp() * 1000)
    ConfigurationVersion.objects.get_or_create(pk=VERSION_ROW, defaults={"number": start})
    return ConfigurationVersion.objects.select_for_update().get(pk=VERSION_ROW)


def hint() -> None:
    """Tell the consumers that there is a newer configuration. It may be lost: they poll as well."""
    layer = get_channel_layer()
    if layer is not None:
        async_to_sync(layer.group_send)(CONFIGURATION_GROUP, {"type": "configuration.changed"})
