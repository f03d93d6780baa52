"""`configureLlmProvider`: make a provider, or change the one of that name, with its key and models, all or nothing.

A provider is the one whose slug the name gives: "OpenAI" changes the built-in `openai`. What is given is set and counts
as edited; what is left out stays. Models named are added or changed, others are left alone. One key belongs to this
mutation: giving another one replaces it. Settings arrive checked (`core/configuration.py`).
"""

from typing import Any
from urllib.parse import urlsplit

from llm.core.configuration import ModelSettings, ProviderSettings, bad, slug_of
from llm.core.providers import provider_defaults
from llm.models import Model, Provider, ProviderKey, Source
from llm.services.configuration import holds, probe_soon, seal_into, writing

KEY_LABEL = "configureLlmProvider"
PRICES_OF_THEIR_OWN = {
    *("cached_input_price", "cache_write_price", "cache_write_1h_price", "audio_input_price", "audio_output_price")
}


def configure_provider(wanted: ProviderSettings) -> Provider:
    """Apply it in one transaction. Raises BadInput with nothing changed."""
    with writing() as change:
        provider = _provider(wanted)
        if wanted.api_key is not None:
            _set_key(provider, wanted.api_key)
        for model in wanted.models:
            _set_model(provider, model)
        probe_soon(provider)
        change.made = True
    return provider


def _provider(wanted: ProviderSettings) -> Provider:
    slug = slug_of(wanted.name)
    row = provider_defaults(wanted.provider_type)
    provider = Provider.objects.filter(slug=slug).first()
    if provider is None:
        if not (wanted.base_url or row.base_url):
            raise bad("baseUrl", f"is required for a new provider of type {wanted.provider_type}")
        provider = Provider(
            slug=slug,
            provider_type=row.provider_type,
            dialect=row.dialect,
            base_url=row.base_url,
            auth=row.auth if wanted.api_key or not row.key_optional else "none",
            members=dict(row.members),
            source=Source.API,
        )
    elif provider.provider_type != row.provider_type:
        raise bad(
            "providerType", f"is {wanted.provider_type}, but {slug!r} is {provider.provider_type}; choose another name"
        )
    edited = {*provider.edited, "name", "provider_type"}
    provider.name = wanted.name
    if wanted.base_url:
        _refuse_to_carry_keys_away(provider, wanted)
        provider.base_url = wanted.base_url
        edited.add("base_url")
    if wanted.api_version is not None:
        provider.api_version = wanted.api_version
        edited.add("api_version")
    if wanted.api_key and provider.auth == "none" and provider.source == Source.API:
        provider.auth = "bearer"
    provider.edited = sorted(edited)
    provider.save()
    return provider


def _refuse_to_carry_keys_away(provider: Provider, wanted: ProviderSettings) -> None:
    """Keys are write-only: whoever may change an address must not thereby have the stored keys sent to it."""
    here, there = urlsplit(provider.base_url), urlsplit(wanted.base_url or "")
    if provider.pk is None or (here.scheme, here.netloc) == (there.scheme, there.netloc):
        return
    if not provider.keys.filter(enabled=True).exists():
        return
    raise bad("baseUrl", f"would send the keys stored for {provider.slug!r} to another host; disable them in the admin")


def _set_key(provider: Provider, secret: str) -> None:
    rows = list(provider.keys.all())
    own = next((row for row in rows if row.source == Source.API), None)
    if any(holds(row, secret) for row in rows):
        return
    key = own or ProviderKey(provider=provider, label=KEY_LABEL, source=Source.API)
    seal_into(key, secret)
    key.save()


def _set_model(provider: Provider, wanted: ModelSettings) -> None:
    model = provider.models.filter(model_id=wanted.id).first()
    if model is None:
        model = Model(provider=provider, model_id=wanted.id, name=wanted.id, upstream=wanted.id, source=Source.API)
    given: dict[str, Any] = {
        "name": wanted.name or None,
        "context_window": wanted.context_window,
        "max_output_tokens": wanted.max_output_tokens,
        "input_price": wanted.input_nano,
        "output_price": wanted.output_nano,
        "supports_streaming": wanted.supports_streaming,
        "supports_function_calling": wanted.supports_function_calling,
        "capabilities": None if wanted.capabilities is None else list(wanted.capabilities),
    }
    chosen = {name: value for name, value in given.items() if value is not None}
    if chosen.keys() & {"input_price", "output_price"}:
        # The list prices of cached tokens, sound and long prompts belong to the list price that has just been replaced.
        chosen |= dict.fromkeys(PRICES_OF_THEIR_OWN - set(model.edited))
        if "long_prompt_prices" not in model.edited:
            chosen["long_prompt_prices"] = []
    for name, value in chosen.items():
        setattr(model, name, value)
    _check(model)
    model.edited = sorted({*model.edited, *chosen})
    model.save()


def _check(model: Model) -> None:
    if (model.input_price is None) != (model.output_price is None):
        raise bad("models", f"gives {model.model_id} one price only; it needs costPerInputToken and costPerOutputToken")
    if model.max_output_tokens is not None and model.max_output_tokens > model.context_window:
        raise bad(
            "maxTokens",
            f"of {model.model_id} is {model.max_output_tokens}, more than its contextWindow of {model.context_window}",
        )
