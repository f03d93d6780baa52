"""`configureLlmProvider`, `llmProviders`, `llmProvider` and `models`, run against the schema of this app alone."""

from typing import Any

import graphene
import pytest

from llm import services, snapshots
from llm.core.configuration import BadInput
from llm.core.uplink import ProviderFigures
from llm.models import Model, Provider, ProviderKey
from llm.schema import Mutation, Query
from tests.apps.llm.test_gateways import NOW, a_hello, an_observation

pytestmark = pytest.mark.django_db
schema = graphene.Schema(query=Query, mutation=Mutation)

# Both as printed in the product's guide.
CONFIGURE = """
mutation ConfigureProvider {
  configureLlmProvider(input: {
    providerType: "openai"
    name: "OpenAI"
    baseUrl: "https://api.openai.com/v1"
    models: [
      {
        id: "gpt-4o"
        name: "GPT-4o"
        maxTokens: 16384
        contextWindow: 128000
        costPerInputToken: 0.000005
        costPerOutputToken: 0.000015
        supportsStreaming: true
        supportsFunctionCalling: true
        capabilities: ["text_generation", "vision", "multimodal"]
      }
    ]
  }) {
    id
    name
    models {
      id
      name
      costPerInputToken
      costPerOutputToken
    }
  }
}
"""
PROVIDERS = """
query GetProviders {
  llmProviders {
    id
    providerType
    name
    healthStatus {
      isHealthy
      errorRate
      averageLatencyMs
    }
    models {
      id
      name
      contextWindow
      costPerInputToken
      costPerOutputToken
      supportsStreaming
      capabilities
    }
  }
}
"""
WITH_INPUT = """mutation($input: LlmProviderConfigInput!) {
  configureLlmProvider(input: $input) { id name baseUrl configured keyCount models { id costPerInputToken } }
}"""
GPT_4O = {"id": "gpt-4o", "name": "GPT-4o", "costPerInputToken": 0.000005, "costPerOutputToken": 0.000015}


def run(query: str, **variables: Any) -> Any:
    result = schema.execute(query, variables=variables)
    assert result.errors is None, result.errors
    return result.data


def refusal(**given: Any) -> BadInput:
    """The error of a configureLlmProvider with this input, which must be a BadInput."""
    result = schema.execute(WITH_INPUT, variables={"input": given})
    assert result.errors is not None
    error = result.errors[0].original_error
    assert isinstance(error, BadInput), error
    assert error.code == "BAD_INPUT"
    return error


def test_the_mutation_of_the_guide_on_an_empty_database() -> None:
    assert run(CONFIGURE)["configureLlmProvider"] == {"id": "openai", "name": "OpenAI", "models": [GPT_4O]}
    model = Model.objects.get()
    assert (model.input_price, model.output_price) == (5 * 10**9, 15 * 10**9)
    assert (model.max_output_tokens, model.context_window) == (16384, 128000)
    assert model.capabilities == ["text_generation", "vision", "multimodal"]
    assert (model.supports_streaming, model.supports_function_calling) == (True, True)


def test_the_mutation_of_the_guide_changes_the_built_in_provider_and_keeps_its_other_models() -> None:
    services.seed_catalogue()
    configured = run(CONFIGURE)["configureLlmProvider"]
    assert GPT_4O in configured["models"]
    assert "gpt-4" in [model["id"] for model in configured["models"]]
    assert Provider.objects.filter(provider_type="openai").count() == 1
    services.seed_catalogue()
    assert run(CONFIGURE)["configureLlmProvider"] == configured


def test_an_api_key_goes_in_encrypted_and_a_second_one_replaces_it() -> None:
    services.seed_catalogue()
    given = {"providerType": "openai", "name": "OpenAI", "apiKey": "sk-from-graphql-0001"}
    assert run(WITH_INPUT, input=given)["configureLlmProvider"]["keyCount"] == 1
    run(WITH_INPUT, input={**given, "apiKey": "sk-from-graphql-0002"})
    key = ProviderKey.objects.get()
    assert (key.fingerprint, key.source) == ("0002", "api")
    assert [key.secret for key in snapshots.build_snapshot().providers[0].keys] == ["sk-from-graphql-0002"]


def test_a_custom_provider_needs_no_key() -> None:
    given = {
        "providerType": "custom",
        "name": "My vLLM",
        "baseUrl": "http://10.0.0.1:8000/v1/",
        "models": [{"id": "qwen/qwen3-8b"}],
    }
    configured = run(WITH_INPUT, input=given)["configureLlmProvider"]
    assert configured == {
        "id": "my-vllm",
        "name": "My vLLM",
        "baseUrl": "http://10.0.0.1:8000/v1",
        "configured": True,
        "keyCount": 0,
        "models": [{"id": "qwen/qwen3-8b", "costPerInputToken": None}],
    }
    assert [(p.name, p.auth) for p in snapshots.build_snapshot().providers] == [("my-vllm", "none")]
    run(WITH_INPUT, input={**given, "apiKey": "sk-now-with-a-key"})
    assert [(p.name, p.auth) for p in snapshots.build_snapshot().providers] == [("my-vllm", "bearer")]


def test_a_new_price_drops_the_list_prices_of_cached_tokens() -> None:
    services.seed_catalogue()
    model = {"id": "gpt-4o-mini", "costPerInputToken": 1e-8, "costPerOutputToken": 1e-8}
    run(WITH_INPUT, input={"providerType": "openai", "name": "OpenAI", "models": [model]})
    stored = Model.objects.get(model_id="gpt-4o-mini")
    assert (stored.input_price, stored.output_price, stored.cached_input_price) == (10**7, 10**7, None)


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"providerType": "skynet"}, "providerType"),
        ({"name": "  "}, "name"),
        ({"name": "sandbox"}, "name"),
        ({"baseUrl": "api.openai.com"}, "baseUrl"),
        ({"apiKey": "two words"}, "apiKey"),
        ({"providerType": "azure", "name": "Azure"}, "baseUrl"),
        ({"providerType": "anthropic", "name": "OpenAI"}, "providerType"),
        ({"models": [{"id": "spaced out"}]}, "models.id"),
        ({"models": [{"id": "a"}, {"id": "a"}]}, "models"),
        ({"models": [{"id": "a", "maxTokens": 0}]}, "maxTokens"),
        ({"models": [{"id": "a", "maxTokens": 20, "contextWindow": 10}]}, "maxTokens"),
        ({"models": [{"id": "a", "costPerInputToken": -0.1, "costPerOutputToken": 0}]}, "costPerInputToken"),
        ({"models": [{"id": "a", "costPerInputToken": 30, "costPerOutputToken": 60}]}, "costPerInputToken"),
        ({"models": [{"id": "good"}, {"id": "a", "costPerInputToken": 1e-6}]}, "models"),
        ({"models": [{"id": "a", "capabilities": ["Not A Word"]}]}, "models.capabilities"),
    ],
)  # fmt: skip
def test_bad_input_names_the_field_and_leaves_nothing_half_made(given: dict[str, Any], field: str) -> None:
    services.seed_catalogue()
    rows = (Provider.objects.count(), Model.objects.count(), snapshots.configuration_version())
    error = refusal(**{"providerType": "openai", "name": "OpenAI", "apiKey": "sk-half-made-000", **given})
    assert error.details == {"field": field}
    assert (Provider.objects.count(), Model.objects.count(), snapshots.configuration_version()) == rows
    assert not ProviderKey.objects.exists()


def test_the_query_of_the_guide_shows_what_gateways_observed() -> None:
    services.seed_catalogue()
    services.sync_environment({"OPENAI_API_KEY": "sk-1", "ANTHROPIC_API_KEY": "sk-2"})
    services.connect_gateway(a_hello(), NOW())
    observed = {"openai": ProviderFigures(10, 1, 2_000_000), "anthropic": ProviderFigures(4, 2, 400_000)}
    services.observe_gateway("gateway-0", an_observation(providers=observed), 1, NOW())
    providers = {row["id"]: row for row in run(PROVIDERS)["llmProviders"]}
    assert providers["openai"]["healthStatus"] == {"isHealthy": True, "errorRate": 0.1, "averageLatencyMs": 200.0}
    assert providers["anthropic"]["healthStatus"] == {"isHealthy": False, "errorRate": 0.5, "averageLatencyMs": 100.0}
    assert providers["groq"]["healthStatus"] == {"isHealthy": None, "errorRate": 0.0, "averageLatencyMs": 0.0}
    assert providers["google"]["providerType"] == "google"
    gpt_4 = next(model for model in providers["openai"]["models"] if model["id"] == "gpt-4")
    assert gpt_4 == {
        "id": "gpt-4",
        "name": "GPT-4",
        "contextWindow": 8192,
        "costPerInputToken": 0.00003,
        "costPerOutputToken": 0.00006,
        "supportsStreaming": True,
        "capabilities": ["text_generation"],
    }


def test_number_of_queries_does_not_grow_with_the_rows(django_assert_num_queries: Any) -> None:
    services.seed_catalogue()
    services.sync_environment({"OPENAI_API_KEYS": "sk-1,sk-2,sk-3", "XAI_API_KEY": "x"})
    with django_assert_num_queries(4):
        run(PROVIDERS)


@pytest.mark.parametrize("name", ["openai", "OpenAI", "OPENAI"])
def test_one_provider_by_name(name: str) -> None:
    services.seed_catalogue()
    answer = run("query($name: String!) { llmProvider(name: $name) { id } }", name=name)
    assert answer["llmProvider"] == {"id": "openai"}


def test_unknown_provider_is_null() -> None:
    assert run('{ llmProvider(name: "nobody") { id } }')["llmProvider"] is None


def test_models_best_ranked_first_and_only_of_enabled_providers() -> None:
    services.seed_catalogue()
    services.set_enabled(Provider.objects.filter(slug="openai"), False)
    models = run("{ models { id provider aliases maxTokens supportsFunctionCalling } }")["models"]
    assert models[0]["id"] == "gemini-2.5-flash"
    assert "openai" not in {model["provider"] for model in models}


def test_no_field_of_the_schema_is_a_secret() -> None:
    services.seed_catalogue()
    services.sync_environment({"OPENAI_API_KEY": "sk-never-in-graphql"})
    everything = run("{ llmProviders { id name baseUrl keyCount models { id name provider } } }")
    assert "never-in" not in repr(everything)
    outputs = str(schema).split("input LlmProviderConfigInput")[0]
    assert "apiKey" not in outputs
    assert "secret" not in outputs.lower()


def test_an_address_on_another_host_does_not_carry_stored_keys_away(db: None) -> None:
    from llm.core.configuration import ConfigurationError, ProviderSettings
    from llm.models import Provider
    from llm.services.configure import configure_provider

    def mine(address: str, key: str | None = None) -> None:
        configure_provider(ProviderSettings("openai", "Mine", address, key, ()))

    mine("https://one.test/v1", "sk-stored-secret-1")
    with pytest.raises(ConfigurationError, match="another host"):
        mine("http://elsewhere.test/v1")
    assert Provider.objects.get(slug="mine").base_url == "https://one.test/v1"
    mine("https://one.test/v2")
    assert Provider.objects.get(slug="mine").base_url == "https://one.test/v2"


def test_azures_version_is_set_by_the_mutation() -> None:
    given = {"providerType": "azure", "name": "Azure", "baseUrl": "https://mine.openai.azure.com/openai"}
    run(WITH_INPUT, input={**given, "apiKey": "k" * 32, "apiVersion": "2025-04-01-preview"})
    run(WITH_INPUT, input=given)
    assert Provider.objects.get(slug="azure").api_version == "2025-04-01-preview", "what is left out stays"
    assert "apiVersion is 'v 1'" in str(refusal(**given, apiVersion="v 1"))
