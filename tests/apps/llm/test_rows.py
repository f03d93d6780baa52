"""Where provider rows come from: the catalogue, the environment, a running Ollama; and what a person's edit outlives."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from django.db import connection

from llm import services, snapshots
from llm.core.catalogue import MODELS
from llm.core.configuration import BadInput
from llm.models import Model, Provider, ProviderKey

pytestmark = pytest.mark.django_db


def fingerprints(slug: str) -> list[tuple[str, str]]:
    keys = ProviderKey.objects.filter(provider__slug=slug)
    return [(key.fingerprint, key.source) for key in keys]


def secrets_of(slug: str) -> list[str]:
    found = [provider for provider in snapshots.build_snapshot().providers if provider.name == slug]
    return [key.secret for provider in found for key in provider.keys]


def test_seeding_again_changes_nothing_not_even_the_version() -> None:
    services.seed_catalogue()
    version, models = snapshots.configuration_version(), Model.objects.count()
    services.seed_catalogue()
    assert models == len(MODELS)
    assert snapshots.configuration_version() == version > 1_600_000_000_000


def test_seeding_leaves_edited_fields_alone_and_mends_the_others() -> None:
    services.seed_catalogue()
    model = Model.objects.get(model_id="gpt-4o")
    model.input_price, model.output_price = 1, 2
    services.save_model(model, ["input_price"])
    services.seed_catalogue()
    model.refresh_from_db()
    assert (model.input_price, model.output_price) == (1, 15 * 10**9)


def test_deleted_catalogue_row_is_back_as_built_in_after_the_next_seeding() -> None:
    services.seed_catalogue()
    services.delete_models([Model.objects.get(model_id="gpt-4o").pk])
    services.seed_catalogue()
    assert Model.objects.get(model_id="gpt-4o").input_price == 5 * 10**9


def test_environment_keys_are_added_and_removed_as_they_come_and_go() -> None:
    services.seed_catalogue()
    one_two = {"OPENAI_API_KEYS": "sk-aaaaaaaaaaaa1111,sk-aaaaaaaaaaaa2222"}
    assert services.sync_environment(one_two) == ["openai"]
    assert fingerprints("openai") == [("1111", "environment"), ("2222", "environment")]
    version = snapshots.configuration_version()
    services.sync_environment(one_two)
    assert snapshots.configuration_version() == version
    services.sync_environment({"OPENAI_API_KEY": "sk-aaaaaaaaaaaa2222"})
    assert secrets_of("openai") == ["sk-aaaaaaaaaaaa2222"]
    assert services.sync_environment({}) == []
    assert fingerprints("openai") == []


def test_what_a_person_set_on_an_environment_key_stays() -> None:
    services.seed_catalogue()
    environ = {"OPENAI_API_KEY": "sk-aaaaaaaaaaaa1111"}
    services.sync_environment(environ)
    key = ProviderKey.objects.get()
    key.enabled, key.weight = False, 5
    services.save_key(key)
    services.sync_environment(environ)
    key = ProviderKey.objects.get()
    assert (key.enabled, key.weight) == (False, 5)
    with pytest.raises(BadInput, match="set by the environment"):
        services.save_key(key, "sk-other")


def test_base_url_of_the_environment_holds_until_it_goes_and_never_against_an_edit() -> None:
    services.seed_catalogue()
    services.sync_environment({"ANTHROPIC_BASE_URL": "https://proxy.example"})
    assert Provider.objects.get(slug="anthropic").base_url == "https://proxy.example/v1"
    services.sync_environment({})
    provider = Provider.objects.get(slug="anthropic")
    assert provider.base_url == "https://api.anthropic.com/v1"
    provider.base_url = "https://edited.example/v1"
    services.save_provider(provider, ["base_url"])
    services.sync_environment({"ANTHROPIC_BASE_URL": "https://proxy.example"})
    assert Provider.objects.get(slug="anthropic").base_url == "https://edited.example/v1"


def test_azure_appears_once_the_environment_names_it() -> None:
    services.seed_catalogue()
    assert not Provider.objects.filter(slug="azure").exists()
    services.sync_environment({"AZURE_BASE_URL": "https://mine.openai.azure.com", "AZURE_API_KEY": "k" * 32})
    azure = Provider.objects.get(slug="azure")
    assert (azure.base_url, azure.auth, azure.configured) == (
        "https://mine.openai.azure.com/openai/v1",
        "api-key",
        True,
    )


def test_azures_version_comes_from_the_environment_and_reaches_the_gateways() -> None:
    environ = {"AZURE_BASE_URL": "https://mine.openai.azure.com/openai", "AZURE_API_KEY": "k" * 32}
    services.sync_environment({**environ, "AZURE_OPENAI_API_VERSION": " 2025-04-01-preview "})
    Model.objects.create(provider=Provider.objects.get(), model_id="m")
    (sent,) = snapshots.build_snapshot().providers
    assert sent.api_version == "2025-04-01-preview"
    services.sync_environment(environ)
    assert snapshots.build_snapshot().providers[0].api_version == "", "the default again"
    with pytest.raises(BadInput, match="AZURE_API_VERSION or AZURE_OPENAI_API_VERSION must be written like"):
        services.sync_environment({**environ, "AZURE_API_VERSION": "2025/04"})


@pytest.mark.parametrize(
    "environ",
    [{"OPENAI_API_KEY": "sk-bad key"}, {"OPENAI_BASE_URL": "nowhere"}, {"GROQ_BASE_URL": "https://u:p@host"}],
)
def test_impossible_environment_is_refused_by_name_with_nothing_changed(environ: dict[str, str]) -> None:
    services.seed_catalogue()
    version = snapshots.configuration_version()
    with pytest.raises(BadInput) as refusal:
        services.sync_environment({**environ, "XAI_API_KEY": "x" * 20})
    assert next(iter(environ)).rsplit("_", 2)[0] in str(refusal.value)
    assert "bad key" not in str(refusal.value)
    assert snapshots.configuration_version() == version
    assert not ProviderKey.objects.exists()


class FakeOllama:
    """A server that answers `/api/tags` with whatever `answer` holds."""

    def __init__(self) -> None:
        self.answer: bytes = b"{}"
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200 if self.path == "/api/tags" else 404)
                self.end_headers()
                self.wfile.write(outer.answer)

            def log_message(self, *args: object) -> None: ...

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def lists(self, *names: str) -> None:
        self.answer = json.dumps({"models": [{"name": name, "size": 1} for name in names]}).encode()


@pytest.fixture
def ollama() -> Iterator[FakeOllama]:
    fake = FakeOllama()
    services.seed_catalogue()
    services.sync_environment({"OLLAMA_BASE_URL": fake.url})
    yield fake
    fake.server.shutdown()
    fake.server.server_close()


def offered() -> list[tuple[str, str, str]]:
    return [(model.id, model.provider, model.upstream) for model in snapshots.build_snapshot().models]


def test_models_of_a_running_ollama_are_offered_free_of_charge(ollama: FakeOllama) -> None:
    ollama.lists("llama3.2:latest", "qwen3:8b")
    assert services.discover_ollama() == ["llama3.2:latest", "qwen3:8b"]
    assert offered() == [("llama3.2:latest", "ollama", "llama3.2:latest"), ("qwen3:8b", "ollama", "qwen3:8b")]
    model = snapshots.build_snapshot().models[0]
    assert model.aliases == ("llama3.2",)
    assert model.price is not None
    assert (model.price.input, model.price.output) == (0, 0)
    assert [provider.auth for provider in snapshots.build_snapshot().providers] == ["none"]


def test_models_of_ollama_that_embed_are_known_by_their_names(ollama: FakeOllama) -> None:
    names = ["nomic-embed-text:latest", "all-minilm:l6-v2", "bge-m3:567m", "qwen3-embedding:8b", "llama3.2:latest"]
    ollama.lists(*names)
    services.discover_ollama()
    words = [list(Model.objects.get(model_id=name).capabilities) for name in names]
    assert words == [["embeddings"]] * 4 + [["text_generation"]]


def test_a_model_that_is_gone_is_no_longer_offered_and_its_edits_wait(ollama: FakeOllama) -> None:
    ollama.lists("a:1", "b:1")
    services.discover_ollama()
    model = Model.objects.get(model_id="b:1")
    model.rank = 5
    services.save_model(model, ["rank"])
    ollama.lists("a:1")
    services.discover_ollama()
    assert [model[0] for model in offered()] == ["a:1"]
    ollama.lists("a:1", "b:1")
    version = snapshots.configuration_version()
    services.discover_ollama()
    assert snapshots.configuration_version() == version + 1
    assert [model[0] for model in offered()] == ["b:1", "a:1"]


@pytest.mark.parametrize("answer", [b"", b"<html>", b"[]", b'{"models": 3}', b"x" * 3_000_000])
def test_an_ollama_that_answers_nonsense_counts_as_absent(ollama: FakeOllama, answer: bytes) -> None:
    ollama.answer = answer
    assert services.discover_ollama() == []
    assert {provider for _, provider, _ in offered()} == {"sandbox"}


def test_models_with_unusable_names_are_skipped(ollama: FakeOllama) -> None:
    ollama.lists("ok:1", "bad name", "", "x" * 300)
    assert services.discover_ollama() == ["ok:1"]


def test_no_ollama_costs_no_more_than_its_time_out() -> None:
    services.seed_catalogue()
    services.sync_environment({"OLLAMA_BASE_URL": "http://127.0.0.1:9"})
    assert services.discover_ollama(timeout=0.2) == []


def test_secrets_are_encrypted_at_rest() -> None:
    services.seed_catalogue()
    services.sync_environment({"OPENAI_API_KEY": "sk-plaintext-never-stored"})
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names():
            cursor.execute(f'SELECT * FROM "{table}"')
            assert "plaintext" not in repr(cursor.fetchall()), table
    assert secrets_of("openai") == ["sk-plaintext-never-stored"]
