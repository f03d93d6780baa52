"""The admin of providers, models and gateways: works through services, and never shows a secret."""

import json
import logging
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from billing.core.pricing import LongPrompt
from llm import services, snapshots
from llm.models import GatewayState, Model, Provider, ProviderKey
from tests.apps.llm.test_gateways import a_hello

pytestmark = pytest.mark.django_db
SECRET = "sk-admin-typed-secret-9876"


@pytest.fixture
def browser(client: Client) -> Client:
    """Logged in as someone who may do everything."""
    services.seed_catalogue()
    client.force_login(get_user_model().objects.create_superuser("root", "root@example.com", "pw"))
    return client


def provider_form(provider: Provider, keys: list[dict[str, Any]] | None = None, **fields: Any) -> dict[str, Any]:
    """What the browser posts from a provider's page: its fields, and its keys by row."""
    rows = keys or []
    form: dict[str, Any] = {
        "name": provider.name,
        "provider_type": provider.provider_type,
        "base_url": provider.base_url,
        "auth": provider.auth,
        "dialect": provider.dialect,
        "on_hang_up": "cancel",
        "enabled": "on",
        "keys-TOTAL_FORMS": len(rows),
        "keys-INITIAL_FORMS": sum("id" in row for row in rows),
        "keys-MIN_NUM_FORMS": 0,
        "keys-MAX_NUM_FORMS": 1000,
    }
    for number, row in enumerate(rows):
        filled = {"provider": provider.pk or "", "label": "", "weight": 1, "enabled": "on", **row}
        form |= {f"keys-{number}-{name}": value for name, value in filled.items()}
    return form | fields


def page(provider: Provider) -> str:
    return reverse("admin:llm_provider_change", args=[provider.pk])


def openai() -> Provider:
    return Provider.objects.get(slug="openai")


@pytest.mark.parametrize("name", ["provider", "model", "gatewaystate"])
def test_lists_load_and_search(browser: Client, name: str) -> None:
    services.connect_gateway(a_hello("gateway-of-openai"), timezone.now())
    answer = browser.get(reverse(f"admin:llm_{name}_changelist"), {"q": "openai"})
    assert answer.status_code == 200
    assert "openai" in answer.content.decode()


def test_a_key_typed_in_is_stored_encrypted_and_shown_by_its_last_four_only(
    browser: Client, caplog: pytest.LogCaptureFixture
) -> None:
    version = snapshots.configuration_version()
    with caplog.at_level(logging.DEBUG):
        posted = browser.post(page(openai()), provider_form(openai(), [{"secret": SECRET, "label": "mine"}]))
    assert posted.status_code == 302
    assert snapshots.configuration_version() > version
    assert [key.secret for key in snapshots.build_snapshot().providers[0].keys] == [SECRET]
    shown = browser.get(page(openai())).content.decode()
    everywhere = shown + browser.get(reverse("admin:llm_provider_changelist")).content.decode()
    everywhere += browser.get(reverse("admin:llm_provider_history", args=[openai().pk])).content.decode()
    everywhere += browser.get(reverse("admin:llm_provider_delete", args=[openai().pk])).content.decode()
    assert "••••9876" in shown
    assert "admin-typed" not in everywhere
    assert ProviderKey.objects.get().sealed not in everywhere
    assert "admin-typed" not in caplog.text


def test_an_empty_secret_keeps_the_stored_one(browser: Client) -> None:
    browser.post(page(openai()), provider_form(openai(), [{"secret": SECRET}]))
    key = ProviderKey.objects.get()
    browser.post(page(openai()), provider_form(openai(), [{"id": key.pk, "secret": "", "weight": 3}]))
    kept = snapshots.build_snapshot().providers[0].keys
    assert [(key.secret, key.weight) for key in kept] == [(SECRET, 3)]


def test_a_new_secret_replaces_the_stored_one(browser: Client) -> None:
    browser.post(page(openai()), provider_form(openai(), [{"secret": SECRET}]))
    key = ProviderKey.objects.get()
    browser.post(page(openai()), provider_form(openai(), [{"id": key.pk, "secret": "sk-the-next-one-0001"}]))
    assert [key.secret for key in snapshots.build_snapshot().providers[0].keys] == ["sk-the-next-one-0001"]


def test_a_key_ticked_for_deletion_is_deleted(browser: Client) -> None:
    browser.post(page(openai()), provider_form(openai(), [{"secret": SECRET}]))
    key = ProviderKey.objects.get()
    browser.post(page(openai()), provider_form(openai(), [{"id": key.pk, "secret": "", "DELETE": "on"}]))
    assert not ProviderKey.objects.exists()


@pytest.mark.parametrize(
    ("row", "said"),
    [({"secret": "", "label": "x"}, "A new key needs its secret."), ({"secret": "two words"}, "visible ASCII")],
)
def test_an_unusable_secret_is_refused_without_being_repeated(browser: Client, row: dict[str, str], said: str) -> None:
    answer = browser.post(page(openai()), provider_form(openai(), [row]))
    assert answer.status_code == 200
    assert said in answer.content.decode()
    assert "two words" not in answer.content.decode()
    assert not ProviderKey.objects.exists()


def test_the_secret_of_an_environment_key_cannot_be_typed_over(browser: Client) -> None:
    services.sync_environment({"OPENAI_API_KEY": "sk-of-the-environment"})
    key = ProviderKey.objects.get()
    answer = browser.post(page(openai()), provider_form(openai(), [{"id": key.pk, "secret": SECRET}]))
    assert "This key comes from the environment" in answer.content.decode()
    assert [key.secret for key in snapshots.build_snapshot().providers[0].keys] == ["sk-of-the-environment"]


def test_edited_provider_fields_are_remembered_as_edited(browser: Client) -> None:
    browser.post(page(openai()), provider_form(openai(), base_url="https://proxy.example/v1/"))
    provider = openai()
    assert (provider.base_url, provider.edited) == ("https://proxy.example/v1", ["base_url"])


def test_azures_version_is_set_and_checked_on_the_page(browser: Client) -> None:
    services.sync_environment({"AZURE_BASE_URL": "https://mine.openai.azure.com/openai", "AZURE_API_KEY": "k" * 32})
    azure = Provider.objects.get(slug="azure")
    browser.post(page(azure), provider_form(azure, api_version="preview"))
    azure.refresh_from_db()
    assert (azure.api_version, azure.edited) == ("preview", ["api_version"])
    answer = browser.post(page(azure), provider_form(azure, api_version="2024/10/21"))
    assert "write it like 2024-10-21" in answer.content.decode()


@pytest.mark.parametrize("url", ["nonsense", "https://user:pw@host/v1"])
def test_an_unusable_base_url_is_refused_on_the_page(browser: Client, url: str) -> None:
    answer = browser.post(page(openai()), provider_form(openai(), base_url=url))
    assert answer.status_code == 200
    assert openai().base_url == "https://api.openai.com/v1"


def test_a_new_provider_with_a_key(browser: Client) -> None:
    new = Provider(name="My vLLM", provider_type="custom", base_url="http://10.0.0.1:8000/v1", auth="bearer")
    posted = browser.post(reverse("admin:llm_provider_add"), provider_form(new, [{"secret": SECRET}]))
    assert posted.status_code == 302
    made = Provider.objects.get(slug="my-vllm")
    assert (made.source, made.keys.count(), made.configured) == ("admin", 1, True)
    again = browser.post(reverse("admin:llm_provider_add"), provider_form(new))
    assert "There is a provider" in again.content.decode()


@pytest.mark.parametrize("action", ["disable", "delete_selected"])
def test_actions_on_providers_reach_the_snapshot(browser: Client, action: str) -> None:
    services.sync_environment({"OPENAI_API_KEY": "sk-1"})
    chosen = {"action": action, "_selected_action": [openai().pk], "post": "yes"}
    version = snapshots.configuration_version()
    assert browser.post(reverse("admin:llm_provider_changelist"), chosen).status_code == 302
    assert snapshots.configuration_version() > version
    assert [provider.name for provider in snapshots.build_snapshot().providers] == ["sandbox"]


def test_deleting_one_provider_reaches_the_snapshot(browser: Client) -> None:
    version = snapshots.configuration_version()
    browser.post(reverse("admin:llm_provider_delete", args=[openai().pk]), {"post": "yes"})
    assert not Provider.objects.filter(slug="openai").exists()
    assert snapshots.configuration_version() > version


def model_form(model: Model, **fields: Any) -> dict[str, Any]:
    form = {
        "provider": model.provider_id,
        "model_id": model.model_id,
        "name": model.name,
        "upstream": model.upstream,
        "aliases": ", ".join(model.aliases),
        "context_window": model.context_window,
        "max_output_tokens": model.max_output_tokens,
        "capabilities": ", ".join(model.capabilities),
        "supports_streaming": "on",
        "supports_function_calling": "on",
        "rank": model.rank,
        "enabled": "on",
        "input_usd": Decimal(model.input_price or 0) / 10**9,
        "output_usd": Decimal(model.output_price or 0) / 10**9,
        "cached_input_usd": "",
        "cache_write_usd": "",
        "cache_write_1h_usd": "",
        "audio_input_usd": "",
        "audio_output_usd": "",
        "request_usd": "",
        "web_search_usd": "",
        "long_prompts": "[]",
    }
    return form | fields


def test_prices_are_shown_and_typed_as_usd_per_million_tokens(browser: Client) -> None:
    model = Model.objects.get(model_id="gpt-4")
    address = reverse("admin:llm_model_change", args=[model.pk])
    shown = browser.get(address).content.decode()
    assert 'name="input_usd" value="30"' in " ".join(shown.split())
    browser.post(address, model_form(model, input_usd="0.0375", cached_input_usd="0.000000001"))
    model.refresh_from_db()
    assert (model.input_price, model.output_price, model.cached_input_price) == (37_500_000, 60 * 10**9, 1)
    assert model.edited == ["cached_input_price", "input_price", "long_prompt_prices"]
    price = next(model.price for model in snapshots.build_snapshot().models if model.id == "gpt-4")
    assert price is not None
    assert price.input == 37_500_000


def test_what_an_hour_in_the_cache_and_a_search_cost_is_typed_as_usd(browser: Client) -> None:
    model = Model.objects.get(model_id="gpt-4")
    address = reverse("admin:llm_model_change", args=[model.pk])
    browser.post(address, model_form(model, cache_write_1h_usd="60.5", web_search_usd="0.01"))
    model.refresh_from_db()
    assert (model.cache_write_1h_price, model.web_search_price) == (60_500_000_000, 10_000_000)
    assert model.edited == ["cache_write_1h_price", "web_search_price"]
    assert model.price is not None
    assert (model.price.cache_write_1h, model.price.web_search) == (60_500_000_000, 10_000_000)
    assert 'name="web_search_usd" value="0.01"' in " ".join(browser.get(address).content.decode().split())


def test_prices_of_long_prompts_are_shown_typed_and_end_with_the_price_they_belong_to(browser: Client) -> None:
    model = Model.objects.get(model_id="gpt-4")
    address = reverse("admin:llm_model_change", args=[model.pk])
    typed = '[{"above": 200000, "input": 45, "output": 90.5}, {"above": 1000, "input": 31, "output": 61}]'
    browser.post(address, model_form(model, long_prompts=typed))
    model.refresh_from_db()
    price = next(model.price for model in snapshots.build_snapshot().models if model.id == "gpt-4")
    assert price is not None
    assert price.long_prompts == (
        LongPrompt(1_000, 31 * 10**9, 61 * 10**9),
        LongPrompt(200_000, 45 * 10**9, 90_500_000_000),
    )
    shown = browser.get(address).content.decode()
    assert "&quot;above&quot;: 200000, &quot;input&quot;: 45.0" in shown
    browser.post(address, model_form(model, input_usd="20", long_prompts=typed))
    model.refresh_from_db()
    assert len(model.long_prompt_prices) == 2, "typed anew, so meant"
    kept = json.dumps(
        [{"above": 1000, "input": 31.0, "output": 61.0}, {"above": 200000, "input": 45.0, "output": 90.5}]
    )
    browser.post(address, model_form(model, input_usd="10", long_prompts=kept))
    model.refresh_from_db()
    assert (model.input_price, model.long_prompt_prices) == (10 * 10**9, [])


@pytest.mark.parametrize(
    "fields",
    [
        {"input_usd": ""},
        {"long_prompts": '[{"above": 5}]'},
        {"long_prompts": '[{"above": 0, "input": 1, "output": 1}]'},
        {"long_prompts": '{"above": 5}'},
        {"long_prompts": '[{"above": 5, "input": "x", "output": 1}]'},
        {"input_usd": "-1"},
        {"input_usd": "0.0000000001"},
        {"input_usd": "NaN"},
        {"model_id": "spaced out"},
        {"aliases": "good, not good"},
        {"max_output_tokens": 99_999_999},
    ],
)
def test_bad_model_input_is_refused_on_the_page(browser: Client, fields: dict[str, str]) -> None:
    model = Model.objects.get(model_id="gpt-4")
    version = snapshots.configuration_version()
    answer = browser.post(reverse("admin:llm_model_change", args=[model.pk]), model_form(model, **fields))
    assert answer.status_code == 200
    assert "error" in answer.content.decode()
    assert snapshots.configuration_version() == version


def test_models_are_disabled_and_deleted_through_services(browser: Client) -> None:
    gpt_4, gpt_4o = Model.objects.get(model_id="gpt-4"), Model.objects.get(model_id="gpt-4o")
    version = snapshots.configuration_version()
    address = reverse("admin:llm_model_changelist")
    browser.post(address, {"action": "disable", "_selected_action": [gpt_4.pk]})
    browser.post(address, {"action": "delete_selected", "_selected_action": [gpt_4o.pk], "post": "yes"})
    assert {"gpt-4", "gpt-4o"}.isdisjoint({model.id for model in snapshots.build_snapshot().models})
    assert snapshots.configuration_version() == version + 2


def test_gateways_can_be_looked_at_and_forgotten_but_not_changed(browser: Client) -> None:
    services.connect_gateway(a_hello(), timezone.now())
    address = reverse("admin:llm_gatewaystate_change", args=["gateway-0"])
    assert browser.get(address).status_code == 200
    assert browser.post(address, {"pid": 9}).status_code == 403
    browser.post(reverse("admin:llm_gatewaystate_delete", args=["gateway-0"]), {"post": "yes"})
    assert not GatewayState.objects.exists()


def test_nobody_gets_in_without_a_login(client: Client) -> None:
    assert client.get(reverse("admin:llm_provider_changelist")).status_code == 302
