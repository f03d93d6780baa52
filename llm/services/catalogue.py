"""The built-in providers and models as rows: made when missing, brought up to date where nobody has edited them.

Running it again without a new release changes nothing, not even the version. `base_url` of a provider that exists is
left to `environment.py`, which owns it. A model's row that a person made under a catalogue id stays theirs.
"""

from typing import Any

import msgspec

from llm.core.catalogue import ModelRow, models_of
from llm.core.provider_row import ProviderRow
from llm.core.providers import PROVIDERS
from llm.models import Model, Provider, Source
from llm.services.configuration import writing


def seed_catalogue() -> None:
    """Bring the tables up to the built-in catalogue. One transaction; idempotent."""
    with writing() as change:
        for row in PROVIDERS:
            if not row.base_url and not Provider.objects.filter(slug=row.name).exists():
                continue  # azure, custom: there is nothing to show until someone names an address
            provider, changed = _seed_provider(row)
            change.made |= changed
            for model in models_of(row.name):
                change.made |= _seed_model(provider, model)


def update_unedited(row: Provider | Model, wanted: dict[str, Any]) -> bool:
    """Set the fields nobody has edited; save and say so if any of them changed."""
    changed = [name for name, value in wanted.items() if name not in row.edited and getattr(row, name) != value]
    for name in changed:
        setattr(row, name, wanted[name])
    if changed:
        row.save(update_fields=[*changed, "updated_at"])
    return bool(changed)


def _seed_provider(row: ProviderRow) -> tuple[Provider, bool]:
    wanted = {
        "name": row.title,
        "provider_type": row.provider_type,
        "dialect": row.dialect,
        "members": dict(row.members),
    }
    if not row.key_optional:  # else `environment.py` knows whether there is a key
        wanted["auth"] = row.auth
    provider, made = Provider.objects.get_or_create(
        slug=row.name, defaults={"auth": row.auth, **wanted, "base_url": row.base_url, "source": Source.CATALOGUE}
    )
    return provider, made or update_unedited(provider, wanted)


def _seed_model(provider: Provider, row: ModelRow) -> bool:
    wanted: dict[str, Any] = {
        "name": row.title,
        "upstream": row.upstream_name,
        "aliases": list(row.aliases),
        "context_window": row.limits[0],
        "max_output_tokens": row.limits[1],
        "capabilities": list(row.capabilities),
        "supports_function_calling": row.function_calling,
        "input_price": row.price.input,
        "output_price": row.price.output,
        "cached_input_price": row.price.cached_input,
        "cache_write_price": row.price.cache_write,
        "cache_write_1h_price": row.price.cache_write_1h,
        "audio_input_price": row.price.audio_input,
        "audio_output_price": row.price.audio_output,
        "web_search_price": row.price.web_search,
        "long_prompt_prices": msgspec.to_builtins(list(row.price.long_prompts)),
        "rank": row.rank,
        "released": row.created,
    }
    model, made = Model.objects.get_or_create(
        provider=provider, model_id=row.id, defaults={**wanted, "source": Source.CATALOGUE}
    )
    if not made and model.source != Source.CATALOGUE:
        return False
    return made or update_unedited(model, wanted)
