"""The provider rows, the model catalogue, the checks on what people configure, and secrets at rest."""

from decimal import ROUND_HALF_EVEN, Decimal

import pytest

from billing.core.pricing import Usage, cost_nano, usd
from llm.core import configuration as check
from llm.core import vault
from llm.core.catalogue import MODELS
from llm.core.dialects.registry import DIALECTS
from llm.core.provider_environment import read_environment
from llm.core.providers import PROVIDERS, complete_base_url, provider_row, wire_of

# The cost table of the product's guide, as printed: 100 tokens in, 50 out.
COST_TABLE = [
    ("google", "Gemini 1.5 Flash", "0.000022"),
    ("google", "Gemini Pro", "0.000125"),
    ("anthropic", "Claude 3 Haiku", "0.000088"),
    ("openai", "GPT-3.5 Turbo", "0.000200"),
    ("google", "Gemini 1.5 Pro", "0.000875"),
    ("anthropic", "Claude 3.5 Sonnet", "0.001050"),
    ("openai", "GPT-4o", "0.001250"),
    ("openai", "GPT-4", "0.006000"),
]
# Every model name the guide sends in a request or a setting.
NAMES = [
    "claude-3-haiku",
    "claude-3-haiku-20240307",
    "claude-3-sonnet",
    "claude-3.5-sonnet",
    "claude-3-5-sonnet-20241022",
    "gemini-flash",
    "gemini-pro",
    "gemini-1.5-flash",
    "gemini-1.5-pro",
    "gpt-3.5-turbo",
    "gpt-4",
    "gpt-4-turbo",
    "gpt-4o",
]


def row(name: str):  # type: ignore[no-untyped-def]
    found = provider_row(name)
    assert found is not None
    return found


@pytest.mark.parametrize(("provider", "title", "printed"), COST_TABLE)
def test_catalogue_gives_the_printed_cost_table(provider: str, title: str, printed: str) -> None:
    model = next(model for model in MODELS if (model.provider, model.title) == (provider, title))
    cost = usd(cost_nano(Usage(input=100, output=50), model.price))
    assert str(cost.quantize(Decimal("0.000001"), ROUND_HALF_EVEN)) == printed


@pytest.mark.parametrize("name", NAMES)
def test_each_name_of_the_guide_means_exactly_one_model(name: str) -> None:
    assert len([model for model in MODELS if name == model.id or name in model.aliases]) == 1


def test_no_name_means_two_models() -> None:
    names = [name for model in MODELS for name in {model.id, *model.aliases}]
    assert sorted(names) == sorted(set(names))


def test_every_model_belongs_to_a_known_provider_and_says_where_its_figures_come_from() -> None:
    providers = {provider.name for provider in PROVIDERS}
    assert {model.provider for model in MODELS} <= providers
    for model in MODELS:
        window, longest = model.limits
        embeds = model.capabilities == ("embeddings",)
        assert model.source and (longest is None if embeds else longest is not None and 0 < longest <= window)
    assert all(check.check_model_id(name) for model in MODELS for name in (model.id, model.upstream_name))


def test_gpt_4_costs_per_token_what_the_guide_lists() -> None:
    model = next(model for model in MODELS if model.id == "gpt-4")
    assert (model.price.input, model.price.output, model.limits[0]) == (30 * 10**9, 60 * 10**9, 8192)


def test_keys_come_from_both_variables_each_once_in_order() -> None:
    environ = {"OPENAI_API_KEY": "sk-one", "OPENAI_API_KEYS": "sk-two, sk-one ,,sk-three"}
    assert read_environment(row("openai"), environ).keys == ("sk-one", "sk-two", "sk-three")


def test_google_answers_to_two_prefixes() -> None:
    assert read_environment(row("google"), {"GEMINI_API_KEY": "g"}).keys == ("g",)
    assert read_environment(row("google"), {"GOOGLE_API_KEY": "a", "GEMINI_API_KEY": "b"}).keys == ("a", "b")


def test_ollama_takes_an_address_but_no_key() -> None:
    given = read_environment(row("ollama"), {"OLLAMA_BASE_URL": "http://box:11434", "OLLAMA_API_KEY": "x"})
    assert (given.keys, given.base_url) == ((), "http://box:11434")


@pytest.mark.parametrize(
    ("provider", "given", "complete"),
    [
        ("anthropic", "https://api.anthropic.com", "https://api.anthropic.com/v1"),
        ("openai", "https://api.openai.com/v1/", "https://api.openai.com/v1"),
        ("google", "https://example.com", "https://example.com/v1beta"),
        ("azure", "https://mine.openai.azure.com/", "https://mine.openai.azure.com/openai/v1"),
        ("custom", "http://10.0.0.1:8000/llm", "http://10.0.0.1:8000/llm"),
        ("custom", "http://[", "http://["),
    ],
)
def test_a_base_url_without_a_path_gets_the_version_path(provider: str, given: str, complete: str) -> None:
    assert complete_base_url(row(provider), given) == complete


def test_environment_settings_do_not_print_their_keys() -> None:
    assert "sk-secret" not in repr(read_environment(row("openai"), {"OPENAI_API_KEY": "sk-secret"}))


def test_sealed_secret_opens_again_and_shows_nothing() -> None:
    sealed = vault.seal("sk-very-secret-1234", "master")
    assert "secret" not in sealed
    assert vault.unseal(sealed, "master") == "sk-very-secret-1234"
    assert vault.seal("sk-very-secret-1234", "master") != sealed


def test_sealed_secret_opens_under_an_older_master_key_only_if_it_is_given() -> None:
    sealed = vault.seal("sk-1", "old")
    assert vault.unseal(sealed, "new", ["old"]) == "sk-1"
    with pytest.raises(vault.SecretUnreadable) as refusal:
        vault.unseal(sealed, "new")
    assert refusal.value.code == "SECRET_UNREADABLE"


def test_tampered_secret_is_refused() -> None:
    sealed = vault.seal("sk-1", "master")
    with pytest.raises(vault.SecretUnreadable):
        vault.unseal(sealed[:-4] + ("AAAA" if sealed[-4:] != "AAAA" else "BBBB"), "master")


def test_fingerprint_is_the_last_four_and_nothing_of_a_short_secret() -> None:
    assert vault.fingerprint("sk-abcdefgh1234") == "1234"
    assert vault.fingerprint("shortsecret") == ""


@pytest.mark.parametrize(
    "url",
    ["", "ftp://x/v1", "api.openai.com", "http://", "https://user:pw@host/v1", "https://host/v1?key=1", "http://[", "http://a b", "https://host:99999/"],
)  # fmt: skip
def test_unusable_base_urls_are_refused(url: str) -> None:
    with pytest.raises(check.BadInput) as refusal:
        check.check_base_url(url)
    assert refusal.value.details == {"field": "baseUrl"}


@pytest.mark.parametrize("secret", ["", "  ", "two words", "line\nbreak", "sk-ü", "x" * 4001])
def test_unusable_secrets_are_refused_without_being_repeated(secret: str) -> None:
    with pytest.raises(check.BadInput) as refusal:
        check.check_secret(secret)
    assert str(refusal.value) == "apiKey must be 1 to 4000 visible ASCII characters without spaces."


@pytest.mark.parametrize("price", [float("inf"), float("nan"), -0.1, 1.5, "much"])
def test_impossible_costs_are_refused(price: float | str) -> None:
    with pytest.raises(check.BadInput, match=r"^costPerInputToken is .*[^.]\.$"):
        check.check_price("costPerInputToken", price)


def test_names_that_look_alike_are_one_provider() -> None:
    assert check.slug_of("OpenAI") == check.slug_of(" openai ") == "openai"
    assert check.slug_of("My vLLM (Berlin)") == "my-vllm-berlin"


@pytest.mark.parametrize("name", ["", "   ", "…", "Sandbox", "x" * 101, "a\x00b"])
def test_unusable_provider_names_are_refused(name: str) -> None:
    with pytest.raises(check.BadInput):
        check.check_name(name)


def test_model_named_twice_is_refused() -> None:
    model = check.ModelSettings("m", "", None, None, None, None, None, None, None)
    with pytest.raises(check.BadInput, match="names m more than once"):
        check.check_model_list((model, model))


@pytest.mark.parametrize(
    ("dialect", "url", "spoken"),
    [
        ("google", "https://generativelanguage.googleapis.com/v1beta", "google"),
        ("google", "https://generativelanguage.googleapis.com/v1beta/openai/", "openai_chat"),
        ("ollama", "http://box:11434", "ollama"),
        ("ollama", "http://box:11434/v1", "openai"),
        ("anthropic", "https://api.anthropic.com/v1", "anthropic"),
        ("azure", "https://x.openai.azure.com/openai/v1/", "azure"),
        ("azure", "https://x.openai.azure.com/openai", "azure_chat"),
        ("openai", "https://api.openai.com/v1", "openai"),
    ],
)
def test_an_openai_compatible_address_is_called_as_one(dialect: str, url: str, spoken: str) -> None:
    assert wire_of(dialect, url) == spoken


def test_every_rows_dialect_exists() -> None:
    assert {row.dialect for row in PROVIDERS} <= DIALECTS.keys()
