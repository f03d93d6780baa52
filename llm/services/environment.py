"""What the environment says of providers, brought into the tables: `OPENAI_API_KEY(S)`, `OPENAI_BASE_URL`, and so on.

Keys from the environment are rows of their own source: new ones are added, ones gone are removed, and what a person
set on them (weight, disabled) stays. A base URL from the environment holds unless a person edited that field; without
one, the built-in address returns. Impossible values raise BadInput naming the variable, never showing a key.
"""

from collections.abc import Mapping

from llm.core.configuration import BadInput, bad, check_api_version, check_base_url, check_secret
from llm.core.provider_environment import EnvironmentSettings, read_environment
from llm.core.provider_row import ProviderRow
from llm.core.providers import PROVIDERS
from llm.models import Provider, ProviderKey, Source
from llm.services.catalogue import update_unedited
from llm.services.configuration import holds, probe_soon, seal_into, writing


def sync_environment(environ: Mapping[str, str]) -> list[str]:
    """Make the rows of source `environment` equal to `environ`. One transaction; idempotent.

    Returns the slugs of the providers it names a key or a base URL for. Raises BadInput with nothing changed.
    """
    read = [(row, _checked(row, read_environment(row, environ))) for row in PROVIDERS]
    with writing() as change:
        for row, given in read:
            change.made |= _sync_provider(row, given)
    return [row.name for row, given in read if given.keys or given.base_url]


def _checked(row: ProviderRow, given: EnvironmentSettings) -> EnvironmentSettings:
    names = " or ".join(f"{prefix}_API_KEY(S)" for prefix in row.prefixes)
    for key in given.keys:
        try:
            check_secret(key)
        except BadInput:
            raise bad(names, "holds a key that cannot be sent: keys are visible ASCII characters") from None
    try:
        check_api_version(given.api_version)
    except BadInput:
        names = " or ".join(f"{prefix}_API_VERSION" for prefix in row.prefixes)
        raise bad(names, "must be written like 2024-10-21, 2025-04-01-preview or preview") from None
    if given.base_url:
        try:
            check_base_url(given.base_url)
        except BadInput:
            names = " or ".join(f"{prefix}_BASE_URL" for prefix in row.prefixes)
            raise bad(names, "must be an http:// or https:// URL without credentials, query or fragment") from None
    return given


def _sync_provider(row: ProviderRow, given: EnvironmentSettings) -> bool:
    provider = Provider.objects.filter(slug=row.name).first()
    if provider is None:
        if not given.keys and not given.base_url:
            return False
        provider = Provider.objects.create(
            slug=row.name,
            name=row.title,
            provider_type=row.provider_type,
            dialect=row.dialect,
            auth="none" if row.key_optional and not given.keys else row.auth,
            members=dict(row.members),
            base_url=given.base_url or row.base_url,
            api_version=given.api_version,
            source=Source.ENVIRONMENT,
        )
        return _sync_keys(provider, given.keys) or True
    wanted = {"base_url": given.base_url or row.base_url, "api_version": given.api_version}
    if row.key_optional and provider.source == Source.ENVIRONMENT:
        stored = provider.keys.exclude(source=Source.ENVIRONMENT).exists()
        wanted["auth"] = row.auth if given.keys or stored else "none"
    changed = update_unedited(provider, wanted)
    return _sync_keys(provider, given.keys) or changed


def _sync_keys(provider: Provider, wanted: tuple[str, ...]) -> bool:
    """Add what is new, remove what is gone; a secret that a row of any source holds already is not added again."""
    rows = list(provider.keys.all())
    gone = [
        row.pk for row in rows if row.source == Source.ENVIRONMENT and not any(holds(row, secret) for secret in wanted)
    ]
    ProviderKey.objects.filter(pk__in=gone).delete()
    new = [secret for secret in wanted if not any(holds(row, secret) for row in rows if row.pk not in gone)]
    for secret in new:
        key = ProviderKey(provider=provider, label="from the environment", source=Source.ENVIRONMENT)
        seal_into(key, secret)
        key.save()
    if new:
        probe_soon(provider)
    return bool(gone or new)
