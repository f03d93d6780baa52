"""Names and options to deployments: who may answer, and in which order."""

import time
from typing import Any

import msgspec
import pytest

from billing.core.pricing import Price
from llm.core.errors import InvalidRequest, ModelNotFound, Unavailable
from llm.core.operations import chat
from llm.core.routing import VIRTUAL, Catalogue, choose
from llm.core.snapshot import Model, Provider, ProviderKey, Snapshot

KEY = (ProviderKey("1", "sk"),)
CHEAP, DEAR = Price(input=100_000_000, output=400_000_000), Price(input=30_000_000_000, output=60_000_000_000)
PROVIDERS = (
    Provider("openai", "openai", "openai", "https://api.openai.test/v1", keys=KEY),
    Provider("acme", "custom", "openai", "https://acme.test/v1", keys=KEY),
    Provider("keyless", "custom", "openai", "https://keyless.test/v1"),
    Provider("box", "sandbox", "openai", "http://127.0.0.1:1/v1", auth="none"),
)
MODELS = (
    Model("gpt-4", "openai", "gpt-4", aliases=("gpt-4-0613",), price=DEAR, rank=2, context_window=8_192),
    Model("gpt-4", "acme", "acme-gpt4", price=DEAR, rank=3, context_window=8_192),
    Model("flash", "acme", "flash-1", aliases=("gpt-4",), price=CHEAP, rank=5, context_window=1_000_000),
    Model("whole-only", "acme", "whole", price=CHEAP, rank=1, supports_streaming=False),
    Model("unpriced", "acme", "unpriced", rank=9),
    Model("hidden", "keyless", "hidden", price=CHEAP, rank=0),
    Model("sandbox", "box", "sandbox", price=Price(input=0, output=0), rank=1_000_000),
)
CATALOGUE = Catalogue(Snapshot(1, time.time_ns(), PROVIDERS, MODELS))


def chosen(model: str, stream: bool = False, **options: Any) -> list[str]:
    body = {"model": model, "messages": [{"role": "user", "content": "x"}], "stream": stream}
    if options:
        body["circuit_breaker"] = options
    found = choose(chat, chat.read(msgspec.json.encode(body)), CATALOGUE)
    return [f"{one.provider.name}/{one.model.id}" for one in found]


def test_an_id_means_every_provider_that_offers_it_best_rank_first() -> None:
    assert chosen("gpt-4") == ["openai/gpt-4", "acme/gpt-4"]


def test_an_alias_never_hides_a_models_own_id() -> None:
    assert "acme/flash" not in chosen("gpt-4")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("gpt-4-0613", "openai/gpt-4"),
        ("openai/gpt-4", "openai/gpt-4"),
        ("acme/gpt-4", "acme/gpt-4"),
        ("openai/gpt-4-0613", "openai/gpt-4"),
        ("flash", "acme/flash"),
    ],
)
def test_other_names_lead_to_the_same_model(name: str, expected: str) -> None:
    assert chosen(name) == [expected]


@pytest.mark.parametrize("name", ["no-such", "openai/flash", "hidden", "keyless/hidden", "GPT-4", "auto "])
def test_a_name_nobody_offers_is_not_found(name: str) -> None:
    with pytest.raises(ModelNotFound):
        chosen(name)


@pytest.mark.parametrize("name", [name for name, strategy in VIRTUAL.items() if strategy != "cost_optimized"])
def test_virtual_names_take_the_lowest_rank(name: str) -> None:
    assert chosen(name)[0] == "acme/whole-only"


def test_a_stream_goes_only_where_streaming_is_offered() -> None:
    assert chosen("auto", stream=True)[0] == "openai/gpt-4"
    with pytest.raises(InvalidRequest) as refused:
        chosen("whole-only", stream=True)
    assert refused.value.param == "stream"


def test_the_cheapest_comes_first_and_the_sandbox_last() -> None:
    order = chosen("cb:cost-optimal")
    assert order[:2] == ["acme/whole-only", "acme/flash"]
    assert order[-1] == "box/sandbox", "free, but a last resort"
    assert chosen("auto", routing_strategy="cost_optimized") == order


def test_a_strategy_in_the_request_wins_over_the_virtual_names_own() -> None:
    assert chosen("cb:cost-optimal", routing_strategy="balanced") == chosen("auto")


def test_the_price_limit_holds_for_input_and_output_and_unpriced_models_do_not_fit() -> None:
    assert chosen("auto", max_cost_per_1k_tokens=0.0004) == ["acme/whole-only", "acme/flash", "box/sandbox"]
    assert chosen("gpt-4", max_cost_per_1k_tokens=0.06) == ["openai/gpt-4", "acme/gpt-4"]
    with pytest.raises(InvalidRequest) as refused:
        chosen("gpt-4", max_cost_per_1k_tokens=0.0599)
    assert refused.value.param == "circuit_breaker.max_cost_per_1k_tokens"


def test_fallbacks_follow_in_order_once_each_and_unknown_ones_are_passed_over() -> None:
    fallbacks = ["no-such", "flash", "gpt-4", "unpriced"]
    assert chosen("acme/gpt-4", fallback_models=fallbacks) == [
        "acme/gpt-4",
        "acme/flash",
        "openai/gpt-4",
        "acme/unpriced",
    ]


def test_preferences_move_candidates_to_the_front() -> None:
    assert chosen("auto", prefer_models=["unpriced", "flash"])[:2] == ["acme/unpriced", "acme/flash"]
    assert chosen("auto", preferred_providers=["openai"])[0] == "openai/gpt-4"
    assert chosen("auto", prefer_large_context=True)[0] == "acme/flash"


def test_the_sandbox_takes_directives_with_its_name() -> None:
    body = {"model": "sandbox?status=503", "messages": [{"role": "user", "content": "x"}]}
    (one,) = choose(chat, chat.read(msgspec.json.encode(body)), CATALOGUE)
    assert one.model_json == b'"sandbox?status=503"'
    with pytest.raises(ModelNotFound):
        chosen("gpt-4?status=503")


def test_without_any_provider_a_virtual_name_is_unavailable() -> None:
    empty = Catalogue(Snapshot(1, 0))
    with pytest.raises(Unavailable):
        choose(chat, chat.read(b'{"model":"auto","messages":[{"role":"user","content":"x"}]}'), empty)


def test_a_fallback_that_cannot_do_the_operation_is_passed_over() -> None:
    embeds = Model("embeds", "acme", "embeds", capabilities=("embeddings",), rank=0)
    catalogue = Catalogue(Snapshot(1, 0, PROVIDERS, (*MODELS, embeds)))
    body = {
        "model": "flash",
        "messages": [{"role": "user"}],
        "circuit_breaker": {"fallback_models": ["embeds", "auto"]},
    }
    found = choose(chat, chat.read(msgspec.json.encode(body)), catalogue)
    assert len(found) == len(MODELS) - 1, "all but the one whose provider has no key"
    assert "embeds" not in [one.model.id for one in found]
