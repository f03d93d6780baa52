"""Making, editing and revoking API keys: one transaction each, which also raises the number of KeyVersion.

The gateways' snapshot carries that number in its own version (`llm/snapshots.py`), so that every change reaches every
worker within a second. The key itself exists in the result of `create_key` and nowhere else; a revoked key stays in
the table, for the ledger names it, and never comes back.
"""

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.db import transaction
from django.db.models import F
from django.utils import timezone
from msgspec.structs import replace

from billing.core import keys
from billing.core.errors import UnknownKey
from billing.core.keys import ApiKeySettings
from billing.models import ApiKey, KeyVersion

VERSION_ROW = 1
MOST_ID = 2**63 - 1
_announce: Callable[[], None] = lambda: None  # noqa: E731 - replaced by `announce_with`


def create_key(settings: ApiKeySettings) -> tuple[ApiKey, str]:
    """Make a key; return its row and, this once, the key itself. Raises BadInput."""
    settings = keys.check_settings(settings, timezone.now())
    secret = keys.make_key(secrets.token_bytes(keys.RANDOM_BYTES))
    row = ApiKey(digest=keys.digest(secret), hint=keys.hint(secret))
    _fill(row, settings)
    with _changing():
        row.save()
    return row, secret


def edit_key(row: ApiKey, settings: ApiKeySettings) -> None:
    """Change everything but the key itself. Raises BadInput; an expiry that has passed may stay as it is."""
    expires_at, kept = settings.expires_at, settings.expires_at == row.expires_at
    checked = keys.check_settings(replace(settings, expires_at=None if kept else expires_at), timezone.now())
    _fill(row, replace(checked, expires_at=expires_at))
    with _changing():
        row.save()


def revoke_key(key_id: str) -> ApiKey:
    """Refuse the key from now on, for good. Revoking it again changes nothing. Raises UnknownKey."""
    number = int(key_id) if key_id.isascii() and key_id.isdigit() else 0
    with _changing():
        row = ApiKey.objects.select_for_update().filter(pk=number).first() if 0 < number <= MOST_ID else None
        if row is None:
            raise UnknownKey(f"There is no API key {key_id[:40]!r}.", {"id": key_id[:40]})
        if row.revoked_at is None:
            row.revoked_at = timezone.now()
            row.save(update_fields=["revoked_at"])
    return row


def announce_with(announce: Callable[[], None]) -> None:
    """Have `announce` called after every change: an app above tells running gateways, which else find out later."""
    global _announce
    _announce = announce


@contextmanager
def _changing() -> Iterator[None]:
    """A transaction on the keys; the version row, locked, puts such transactions one after another."""
    with transaction.atomic():
        KeyVersion.objects.get_or_create(pk=VERSION_ROW)
        KeyVersion.objects.filter(pk=VERSION_ROW).update(number=F("number") + 1)
        yield
        transaction.on_commit(_announce, robust=True)


def _fill(row: ApiKey, settings: ApiKeySettings) -> None:
    row.name, row.user, row.project = settings.name, settings.user, settings.project
    row.scopes, row.allowed_models = list(settings.scopes), list(settings.models)
    row.expires_at, row.show_cost = settings.expires_at, settings.show_cost
    limits = settings.limits
    row.requests_per_minute, row.tokens_per_minute = limits.requests_per_minute, limits.tokens_per_minute
    row.burst, row.concurrent_requests = limits.burst, limits.concurrent_requests
