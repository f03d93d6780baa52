"""What is in a snapshot: only what can be used, or the sandbox in place of everything."""

import logging

import pytest
from django.test import override_settings

from billing.core.pricing import Price
from llm import services, snapshots
from llm.core.catalogue import MODELS
from llm.core.providers import OF_OTHERS
from llm.core.routing import Catalogue
from llm.models import Model, Provider, ProviderKey
from tests.apps.llm.conftest import SANDBOX

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def seeded() -> None:
    services.seed_catalogue()


def names() -> set[str]:
    return {provider.name for provider in snapshots.build_snapshot().providers}


def test_without_any_key_the_sandbox_stands_in_for_every_model_at_list_prices() -> None:
    snapshot = snapshots.build_snapshot()
    assert [(p.name, p.provider_type, p.base_url, p.auth, p.keys) for p in snapshot.providers] == [
        ("sandbox", "sandbox", SANDBOX, "none", ())
    ]
    assert len(snapshot.models) == len(MODELS) + 1
    gpt_4 = next(model for model in snapshot.models if model.id == "gpt-4")
    assert (gpt_4.provider, gpt_4.upstream, gpt_4.price) == ("sandbox", "sandbox/gpt-4", MODELS_BY_ID["gpt-4"].price)
    own = snapshot.models[-1]
    assert (own.id, own.upstream, own.price) == ("sandbox", "sandbox", Price(input=0, output=0))
    assert snapshot.models[0].id == "gpt-4o-mini"


def test_the_sandbox_answers_to_the_names_of_the_providers_it_stands_in_for() -> None:
    catalogue = Catalogue(snapshots.build_snapshot())
    for name in (
        "anthropic/claude-3-haiku",
        "anthropic/claude-3-haiku-20240307",
        "anthropic/claude-haiku",
        "openai/gpt-4",
        "sandbox/gpt-4",
        "anthropic/claude-3-haiku?status=503",
    ):
        (found, *_) = catalogue.find(name)
        assert (found.provider.name, found.model.id) == ("sandbox", name.rpartition("/")[2].partition("?")[0]) or (
            found.model.id == "claude-3-haiku"
        )
    assert catalogue.find("openai/claude-3-haiku") == ()


def test_what_translated_requests_leave_out_comes_from_the_row_of_the_provider() -> None:
    services.sync_environment({"OPENAI_API_KEY": "sk-1", "ANTHROPIC_API_KEY": "sk-2"})
    found = {provider.name: provider.leaves_out for provider in snapshots.build_snapshot().providers}
    assert found == {"openai": OF_OTHERS, "anthropic": ()}


MODELS_BY_ID = {model.id: model for model in MODELS}


def test_one_real_key_and_the_sandbox_is_gone() -> None:
    services.sync_environment({"ANTHROPIC_API_KEY": "sk-ant-1"})
    snapshot = snapshots.build_snapshot()
    assert [(p.name, [key.secret for key in p.keys]) for p in snapshot.providers] == [("anthropic", ["sk-ant-1"])]
    assert {model.provider for model in snapshot.models} == {"anthropic"}
    haiku = next(model for model in snapshot.models if model.id == "claude-3-haiku")
    assert haiku.upstream == "claude-3-haiku-20240307"
    assert "claude-3-haiku-20240307" in haiku.aliases
    assert haiku.capabilities == ("text_generation", "vision", "multimodal", "function_calling")
    assert haiku.price == Price(
        input=25 * 10**7,
        output=125 * 10**7,
        cached_input=3 * 10**7,
        cache_write=3 * 10**8,
        cache_write_1h=5 * 10**8,
        web_search=10**7,
    )


@override_settings(SANDBOX_URL="")
def test_without_key_and_sandbox_there_is_nothing() -> None:
    snapshot = snapshots.build_snapshot()
    assert (snapshot.providers, snapshot.models) == ((), ())


def test_disabled_provider_key_or_model_is_left_out() -> None:
    services.sync_environment({"ANTHROPIC_API_KEY": "sk-ant-1", "OPENAI_API_KEY": "sk-1"})
    services.set_enabled(Provider.objects.filter(slug="openai"), False)
    assert names() == {"anthropic"}
    services.set_enabled(Model.objects.filter(model_id="claude-3-haiku"), False)
    assert "claude-3-haiku" not in {model.id for model in snapshots.build_snapshot().models}
    key = ProviderKey.objects.get(provider__slug="anthropic")
    key.enabled = False
    services.save_key(key)
    assert names() == {"sandbox"}


def test_key_sealed_under_another_master_is_left_out_and_said(caplog: pytest.LogCaptureFixture) -> None:
    services.sync_environment({"OPENAI_API_KEY": "sk-secret-of-old"})
    with override_settings(SECRET_KEY="rotated"), caplog.at_level(logging.ERROR):
        assert names() == {"sandbox"}
    assert "of provider openai is left out" in caplog.text
    assert "sk-secret" not in caplog.text


def test_old_master_key_as_a_fallback_still_opens(settings: object) -> None:
    services.sync_environment({"OPENAI_API_KEY": "sk-1"})
    from django.conf import settings as present

    with override_settings(SECRET_KEY="rotated", SECRET_KEY_FALLBACKS=[present.SECRET_KEY]):
        assert names() == {"openai"}


def test_version_grows_with_every_write() -> None:
    versions = [snapshots.build_snapshot().version]
    services.sync_environment({"OPENAI_API_KEY": "sk-1"})
    versions.append(snapshots.build_snapshot().version)
    services.set_enabled(Model.objects.filter(model_id="gpt-4"), False)
    versions.append(snapshots.build_snapshot().version)
    services.delete_keys(ProviderKey.objects.values_list("pk", flat=True))
    versions.append(snapshots.build_snapshot().version)
    services.delete_providers(Provider.objects.filter(slug="xai").values_list("pk", flat=True))
    versions.append(snapshots.build_snapshot().version)
    assert versions == list(range(versions[0], versions[0] + 5))


def test_secrets_are_in_no_repr() -> None:
    services.sync_environment({"OPENAI_API_KEY": "sk-not-to-be-printed"})
    key = ProviderKey.objects.get()
    shown = repr(snapshots.build_snapshot()) + repr(key) + str(key) + repr(key.provider)
    assert "not-to-be" not in shown
    assert str(key) == "••••nted"
