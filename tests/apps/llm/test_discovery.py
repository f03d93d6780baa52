"""Discovery: which listed models are offered, at which price; what a person's edit outlives; what a probe shows."""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from billing.models import Call
from llm import selectors, services, snapshots
from llm.models import Model, Provider, ProviderKey, ProviderProbe, Source
from tests.apps.llm.lists import ListServer

pytestmark = pytest.mark.django_db
KEY = "sk-list-me-0123456789"


@pytest.fixture
def server() -> Iterator[ListServer]:
    running = ListServer()
    yield running
    running.close()


def configure(server: ListServer, provider: str = "OPENAI", *keys: str) -> None:
    services.seed_catalogue()
    environ = {f"{provider}_BASE_URL": f"{server.url}/v1", f"{provider}_API_KEYS": ",".join(keys or [KEY])}
    services.sync_environment(environ)


def rows(provider: str) -> dict[str, tuple[bool, int | None]]:
    found = Model.objects.filter(provider__slug=provider, source=Source.DISCOVERED)
    return {model.model_id: (model.enabled and model.available, model.input_price) for model in found}


def probe(slug: str) -> ProviderProbe:
    return ProviderProbe.objects.get(provider__slug=slug)


def test_new_models_with_a_list_price_are_offered_and_others_wait(server: ListServer) -> None:
    configure(server)
    server.lists("gpt-5", "brand-new-thing", "text-embedding-3-small", "whisper-1", "gpt-4o-2024-08-06", "gpt-4-0613")
    answer = services.discover(["openai"])["openai"]
    assert (answer.ok, len(answer.models or ())) == (True, 6)
    assert rows("openai") == {
        "gpt-5": (True, 1_250_000_000),
        "gpt-4o-2024-08-06": (True, 2_500_000_000),
        "brand-new-thing": (False, None),
    }, "catalogue rows and their aliases are not made again; what is no text is left out"
    gpt_5 = Model.objects.get(model_id="gpt-5")
    assert (gpt_5.output_price, gpt_5.cached_input_price, gpt_5.context_window) == (10 * 10**9, 125_000_000, 400_000)
    assert server.requests == [("/v1/models", server.requests[0][1])]
    assert server.requests[0][1]["authorization"] == f"Bearer {KEY}"
    offered = [model.id for model in snapshots.build_snapshot().models]
    assert "gpt-5" in offered and "brand-new-thing" not in offered


def test_prices_that_rise_with_the_prompt_are_taken_with_their_steps(server: ListServer) -> None:
    configure(server)
    server.lists("gpt-6-sol")
    services.discover(["openai"])
    (price,) = [model.price for model in snapshots.build_snapshot().models if model.id == "gpt-6-sol"]
    assert price is not None
    (longer,) = price.long_prompts
    assert longer.above == 272_000
    assert (longer.input, longer.output) == (2 * price.input, price.output * 3 // 2)
    assert longer.cached_input == 2 * (price.cached_input or 0)


def test_prices_of_cache_writes_for_an_hour_and_of_searches_are_taken(server: ListServer) -> None:
    configure(server, "ANTHROPIC")
    server.lists("claude-sonnet-4-5")
    services.discover(["anthropic"])
    (price,) = [model.price for model in snapshots.build_snapshot().models if model.id == "claude-sonnet-4-5"]
    assert price is not None
    assert (price.input, price.cache_write, price.cache_write_1h) == (3 * 10**9, 375 * 10**7, 6 * 10**9)
    assert price.web_search == 10**7, "ten dollars for a thousand"
    assert price.long_prompts[0].cache_write_1h == 12 * 10**9


def test_the_catalogue_keeps_the_prices_of_the_guide(server: ListServer) -> None:
    configure(server)
    server.lists("gpt-4o", "gpt-4", "gpt-3.5-turbo")
    services.discover()
    prices = {
        row.model_id: (row.input_price, row.output_price) for row in Model.objects.filter(provider__slug="openai")
    }
    assert prices["gpt-4o"] == (5 * 10**9, 15 * 10**9)
    assert prices["gpt-4"] == (30 * 10**9, 60 * 10**9)
    assert prices["gpt-3.5-turbo"] == (1 * 10**9, 2 * 10**9)


def test_the_same_list_changes_nothing_and_an_edit_outlives_another(server: ListServer) -> None:
    configure(server)
    server.lists("gpt-5", "brand-new-thing")
    services.discover()
    version = snapshots.configuration_version()
    services.discover()
    assert snapshots.configuration_version() == version
    model = Model.objects.get(model_id="brand-new-thing")
    model.enabled, model.input_price, model.output_price = True, 7, 8
    services.save_model(model, ["enabled", "input_price", "output_price"])
    gpt_5 = Model.objects.get(model_id="gpt-5")
    gpt_5.input_price = 3
    services.save_model(gpt_5, ["input_price"])
    server.lists("gpt-5", "brand-new-thing", "gpt-5-mini")
    services.discover()
    found = rows("openai")
    assert found["brand-new-thing"] == (True, 7)
    assert found["gpt-5"] == (True, 3)


def test_a_model_that_is_listed_no_more_is_kept_but_not_offered(server: ListServer) -> None:
    configure(server)
    server.lists("gpt-5", "gpt-5-mini")
    services.discover()
    server.lists("gpt-5-mini")
    services.discover()
    assert {name: offered for name, (offered, _) in rows("openai").items()} == {"gpt-5": False, "gpt-5-mini": True}


def test_a_model_that_people_added_without_a_price_gets_the_one_of_the_list(server: ListServer) -> None:
    configure(server)
    openai = Provider.objects.get(slug="openai")
    Model.objects.create(provider=openai, model_id="mine", upstream="gpt-5", source=Source.ADMIN)
    kept = Model.objects.create(provider=openai, model_id="kept", upstream="gpt-5", edited=["input_price"])
    server.lists("gpt-5")
    services.discover()
    kept.refresh_from_db()
    assert Model.objects.get(model_id="mine").input_price == 1_250_000_000
    assert kept.input_price is None


def test_a_server_of_ones_own_is_free_and_needs_no_key(server: ListServer) -> None:
    services.seed_catalogue()
    services.sync_environment({"VLLM_BASE_URL": server.url})
    server.lists({"id": "qwen3", "max_model_len": 40960})
    assert services.discover()["vllm"].ok
    assert rows("vllm") == {"qwen3": (True, 0)}
    assert Model.objects.get(model_id="qwen3").context_window == 40960
    assert "authorization" not in server.requests[0][1]
    services.sync_environment({"VLLM_BASE_URL": server.url, "VLLM_API_KEY": KEY})
    assert Provider.objects.get(slug="vllm").auth == "bearer"


def test_models_of_azure_wait_as_they_are_no_deployments(server: ListServer) -> None:
    services.seed_catalogue()
    services.sync_environment({"AZURE_BASE_URL": f"{server.url}/openai", "AZURE_API_KEY": KEY})
    server.lists("gpt-4o")
    services.discover()
    assert (server.requests[0][0], server.requests[0][1]["api-key"]) == ("/openai/models?api-version=2024-10-21", KEY)
    assert [offered for offered, _ in rows("azure").values()] == [False]
    environ = {
        "AZURE_BASE_URL": f"{server.url}/openai",
        "AZURE_API_KEY": KEY,
        "AZURE_API_VERSION": "2025-04-01-preview",
    }
    services.sync_environment(environ)
    services.discover()
    assert server.requests[-1][0] == "/openai/models?api-version=2025-04-01-preview"


@pytest.mark.parametrize(
    ("answer", "ok", "problem"),
    [
        ((500, KEY.encode()), False, "HTTP 500"),
        ((401, KEY.encode()), False, "the key ••••6789 was refused (HTTP 401)"),
        ((404, b""), True, "lists no models (HTTP 404)"),
        ((302, b""), False, "redirects elsewhere"),
        ((200, b"<html>"), False, "answered with something that is no list of models"),
        ((200, b"x" * 9_000_000), False, "sent more than 8000000 bytes"),
    ],
    ids=["500", "401", "404", "302", "html", "long"],
)
def test_what_went_wrong_is_said_in_our_words_and_leaves_the_models(
    server: ListServer, answer: tuple[int, bytes], ok: bool, problem: str
) -> None:
    configure(server)
    server.lists("gpt-5")
    services.discover()
    server.answer = answer
    services.discover()
    assert (probe("openai").ok, probe("openai").problem) == (ok, problem)
    assert rows("openai") == {"gpt-5": (True, 1_250_000_000)}


def test_the_next_key_is_tried_when_one_is_refused(server: ListServer) -> None:
    configure(server, "OPENAI", "sk-revoked-00000001", KEY)
    server.refuse = {"Bearer sk-revoked-00000001"}
    server.lists("gpt-5")
    assert services.discover()["openai"].ok
    assert [sent["authorization"][-4:] for _, sent in server.requests] == ["0001", "6789"]


def test_each_provider_is_asked_when_its_turn_comes_and_at_once_after_its_key_is_new(server: ListServer) -> None:
    configure(server)
    server.lists("gpt-5")
    now = timezone.now()
    assert services.probe_due(now) == 2, "openai, and ollama, which needs no key"
    assert services.probe_due(now) == 0
    assert services.probe_due(now + timedelta(seconds=61)) == 2
    key = ProviderKey(provider=Provider.objects.get(slug="openai"), label="another")
    services.save_key(key, "sk-another-0123456789")
    assert services.probe_due(timezone.now()) == 1
    assert probe("openai").listed == 1


def test_health_rests_on_calls_then_on_the_probe(server: ListServer) -> None:
    configure(server)
    openai = Provider.objects.get(slug="openai")
    assert selectors.provider_health(openai, selectors.ProviderFigures()).observed_by == "nothing"
    server.answer = (500, b"")
    services.discover()
    openai = selectors.list_providers().get(slug="openai")
    seen = selectors.provider_health(openai, selectors.ProviderFigures())
    assert (seen.ok, seen.observed_by, seen.problem) == (False, "probe", "HTTP 500")
    busy = selectors.provider_health(openai, selectors.ProviderFigures(requests=10, errors=1, latency_us=50_000))
    assert (busy.ok, busy.observed_by, busy.latency_ms) == (True, "calls", 5.0)


def test_the_command_says_what_each_answered(server: ListServer) -> None:
    configure(server)
    server.lists("gpt-5", "gpt-5-mini")
    out = StringIO()
    call_command("discover", "openai", "groq", stdout=out)
    assert out.getvalue() == "openai: 2 models\ngroq: not configured, so not asked\n"
    server.answer = (401, b"")
    with pytest.raises(CommandError, match="did not answer"):
        call_command("discover", "openai", stdout=out)
    with pytest.raises(CommandError, match="No provider is called nobody"):
        call_command("discover", "nobody")


def test_a_new_price_leaves_booked_records_as_they_are(server: ListServer) -> None:
    from billing.services import book
    from tests.apps.billing.records import a_record

    services.seed_catalogue()
    book([a_record(number=1)], "gateway-0")
    before = list(Call.objects.values())
    model = Model.objects.get(model_id="gpt-4o")
    model.input_price = model.output_price = int(Decimal(99) * 10**9)
    services.save_model(model, ["input_price", "output_price"])
    assert list(Call.objects.values()) == before
