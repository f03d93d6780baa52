"""GraphQL of providers and models. Prices are USD per token as floats, made from integers at this edge only.

No resolver can reach a secret: keys appear as a count. Health is what live gateways observed of real
calls; where there was none lately, what the last probe (asking for the list of models) gave.
"""

from collections.abc import Iterable
from typing import Any

import graphene
from django.utils import timezone

from billing.core.pricing import per_token_usd
from llm import models as tables
from llm import selectors, services
from llm.core import configuration as check


class ProviderHealth(graphene.ObjectType):
    """What live gateways saw of the provider in the last minutes; where no call was made, what the last probe gave."""

    is_healthy = graphene.Boolean(
        description="Half of its recent calls succeeded; without calls: it answers probes. Null: it is not configured.",
    )
    observed_by = graphene.String(required=True, description="What `isHealthy` rests on: calls, probe, or nothing yet.")
    checked_at = graphene.DateTime(description="When it was last asked for its list of models; null: never.")
    problem = graphene.String(description="What was wrong at that time; null: nothing.")
    error_rate = graphene.Float(required=True, description="Failed calls by all calls, 0 to 1.")
    average_latency_ms = graphene.Float(required=True)
    requests = graphene.Int(required=True, description="Recent calls the figures rest on.")


class Model(graphene.ObjectType):
    id = graphene.String(required=True, description="The name clients send.")
    name = graphene.String(required=True)
    provider = graphene.String(required=True, description="Id of the provider.")
    aliases = graphene.List(graphene.NonNull(graphene.String), required=True)
    context_window = graphene.Int(required=True)
    max_tokens = graphene.Int(description="The longest answer in tokens.")
    cost_per_input_token = graphene.Float(description="USD; null when the model has no price.")
    cost_per_output_token = graphene.Float(description="USD; null when the model has no price.")
    supports_streaming = graphene.Boolean(required=True)
    supports_function_calling = graphene.Boolean(required=True)
    capabilities = graphene.List(graphene.NonNull(graphene.String), required=True)

    @staticmethod
    def resolve_id(row: tables.Model, info: graphene.ResolveInfo) -> str:
        return row.model_id

    @staticmethod
    def resolve_name(row: tables.Model, info: graphene.ResolveInfo) -> str:
        return row.name or row.model_id

    @staticmethod
    def resolve_provider(row: tables.Model, info: graphene.ResolveInfo) -> str:
        return row.provider.slug

    @staticmethod
    def resolve_max_tokens(row: tables.Model, info: graphene.ResolveInfo) -> int | None:
        return row.max_output_tokens

    @staticmethod
    def resolve_cost_per_input_token(row: tables.Model, info: graphene.ResolveInfo) -> float | None:
        return _usd_per_token(row.input_price)

    @staticmethod
    def resolve_cost_per_output_token(row: tables.Model, info: graphene.ResolveInfo) -> float | None:
        return _usd_per_token(row.output_price)


class LLMProvider(graphene.ObjectType):
    id = graphene.String(required=True, description="As in `provider/model` and in cost breakdowns.")
    provider_type = graphene.String(required=True)
    name = graphene.String(required=True)
    base_url = graphene.String(required=True)
    enabled = graphene.Boolean(required=True)
    configured = graphene.Boolean(required=True, description="Calls can be sent: switched on, an address, a key.")
    key_count = graphene.Int(required=True, description="Enabled keys. Keys themselves are never shown.")
    health_status = graphene.Field(ProviderHealth, required=True)
    models = graphene.List(graphene.NonNull(Model), required=True)


class LlmModelConfigInput(graphene.InputObjectType):
    id = graphene.String(required=True)
    name = graphene.String()
    max_tokens = graphene.Int()
    context_window = graphene.Int()
    cost_per_input_token = graphene.Float(description="USD.")
    cost_per_output_token = graphene.Float(description="USD.")
    supports_streaming = graphene.Boolean()
    supports_function_calling = graphene.Boolean()
    capabilities = graphene.List(graphene.NonNull(graphene.String))


class LlmProviderConfigInput(graphene.InputObjectType):
    provider_type = graphene.String(
        required=True, description="openai, anthropic, google, ollama, azure, custom, or the name of a known provider."
    )
    name = graphene.String(required=True, description="A provider of this name, if there is one, is changed.")
    base_url = graphene.String(description="With the version path; required for azure and custom.")
    api_version = graphene.String(description="Azure's, e.g. 2024-10-21; empty for the default.")
    api_key = graphene.String(description="Stored encrypted and never shown again.")
    models = graphene.List(graphene.NonNull(LlmModelConfigInput), description="Added or changed; others stay.")


class ConfigureLlmProvider(graphene.Mutation):
    """Make a provider or change the one of that name, all or nothing."""

    class Arguments:
        input = LlmProviderConfigInput(required=True)

    Output = LLMProvider

    @staticmethod
    def mutate(root: object, info: graphene.ResolveInfo, input: dict[str, Any]) -> LLMProvider:  # noqa: A002
        provider = services.configure_provider(_provider_settings(input))
        return _shown(selectors.list_providers().filter(pk=provider.pk))[0]


class Query(graphene.ObjectType):
    llm_providers = graphene.List(graphene.NonNull(LLMProvider), required=True)
    llm_provider = graphene.Field(LLMProvider, name=graphene.String(required=True))
    models = graphene.List(graphene.NonNull(Model), required=True)

    @staticmethod
    def resolve_llm_providers(root: object, info: graphene.ResolveInfo) -> list[LLMProvider]:
        return _shown(selectors.list_providers())

    @staticmethod
    def resolve_llm_provider(root: object, info: graphene.ResolveInfo, name: str) -> LLMProvider | None:
        found = selectors.find_provider(name)
        return None if found is None else _shown([found])[0]

    @staticmethod
    def resolve_models(root: object, info: graphene.ResolveInfo) -> list[tables.Model]:
        return list(selectors.list_models())


class Mutation(graphene.ObjectType):
    configure_llm_provider = ConfigureLlmProvider.Field(required=True)


def _provider_settings(given: dict[str, Any]) -> check.ProviderSettings:
    """The input, checked. Raises BadInput naming the field."""
    base_url, api_key, api_version = given.get("base_url"), given.get("api_key"), given.get("api_version")
    return check.ProviderSettings(
        provider_type=check.check_provider_type(given["provider_type"]),
        name=check.check_name(given["name"]),
        base_url=None if base_url is None else check.check_base_url(base_url),
        api_key=None if api_key is None else check.check_secret(api_key),
        models=check.check_model_list(tuple(_model_settings(model) for model in given.get("models") or ())),
        api_version=None if api_version is None else check.check_api_version(api_version),
    )


def _model_settings(given: dict[str, Any]) -> check.ModelSettings:
    return check.ModelSettings(
        id=check.check_model_id(given["id"]),
        name=check.check_title(given.get("name") or ""),
        context_window=check.check_tokens("contextWindow", given.get("context_window")),
        max_output_tokens=check.check_tokens("maxTokens", given.get("max_tokens")),
        input_nano=check.check_price("costPerInputToken", given.get("cost_per_input_token")),
        output_nano=check.check_price("costPerOutputToken", given.get("cost_per_output_token")),
        supports_streaming=given.get("supports_streaming"),
        supports_function_calling=given.get("supports_function_calling"),
        capabilities=check.check_capabilities(given.get("capabilities")),
    )


def _shown(rows: Iterable[tables.Provider]) -> list[LLMProvider]:
    """Providers with their health; the gateways' figures are read once for all of them."""
    observed = selectors.gateway_figures(timezone.now()).providers
    return [_with_health(row, observed.get(row.slug, selectors.ProviderFigures())) for row in rows]


def _with_health(row: tables.Provider, figures: selectors.ProviderFigures) -> LLMProvider:
    health = selectors.provider_health(row, figures)
    usable = row.configured and _reachable(row)
    return LLMProvider(
        id=row.slug,
        provider_type=row.provider_type,
        name=row.name,
        base_url=row.base_url,
        enabled=row.enabled,
        configured=row.configured,
        key_count=sum(key.enabled for key in row.keys.all()),
        health_status=ProviderHealth(
            is_healthy=health.ok if usable else None,
            observed_by=health.observed_by,
            checked_at=health.checked_at,
            problem=health.problem or (None if usable else _unusable(row)),
            error_rate=figures.error_rate,
            average_latency_ms=health.latency_ms,
            requests=figures.requests,
        ),
        models=list(row.models.all()),
    )


def _reachable(row: tables.Provider) -> bool:
    """A provider without keys (Ollama) counts only when it was found: its models are known from itself."""
    return row.auth != "none" or bool(row.models.all())


def _unusable(row: tables.Provider) -> str:
    if row.configured:
        return "Not configured: no server of it was found at its address."
    return "Not configured: it has no address or no key yet."


def _usd_per_token(nano_per_million: int | None) -> float | None:
    return None if nano_per_million is None else float(per_token_usd(nano_per_million))
