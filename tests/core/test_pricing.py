"""Prices and costs are exact: integers inside, decimals at the edges."""

from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.core.pricing import LongPrompt, Price, Usage, cost_nano, nano_per_million, per_token_usd, usd

COUNT = st.integers(0, 10_000_000)
PRICE = st.integers(0, 10**12)


def test_cost_of_every_bucket_is_summed_once() -> None:
    price = Price(input=10**9, output=2 * 10**9, cached_input=10**8, cache_write=5 * 10**9, reasoning=3 * 10**9)
    usage = Usage(input=1, cached_input=10, cache_write=100, output=1_000, reasoning=10_000)
    assert cost_nano(usage, price) == 1_000 + 10 * 100 + 100 * 5_000 + 1_000 * 2_000 + 10_000 * 3_000


def test_buckets_without_a_price_cost_as_much_as_plain_ones() -> None:
    price = Price(input=7 * 10**9, output=11 * 10**9)
    assert cost_nano(Usage(cached_input=1, cache_write=1, reasoning=1), price) == 7_000 + 7_000 + 11_000


def test_cache_writes_for_an_hour_and_searches_have_prices_of_their_own() -> None:
    price = Price(
        input=3 * 10**9, output=15 * 10**9, cache_write=375 * 10**7, cache_write_1h=6 * 10**9, web_search=10**7
    )
    usage = Usage(input=1, cache_write=10, cache_write_1h=100, output=2, web_searches=3)
    assert usage.prompt_total == 111
    assert cost_nano(usage, price) == 3_000 + 10 * 3_750 + 100 * 6_000 + 2 * 15_000 + 3 * 10_000_000


def test_cache_writes_for_an_hour_cost_twice_the_input_where_no_price_says_otherwise() -> None:
    price = Price(input=7 * 10**9, output=0, long_prompts=(LongPrompt(100, 9 * 10**9, 0),))
    assert cost_nano(Usage(cache_write_1h=100), price) == 100 * 14_000
    assert cost_nano(Usage(cache_write_1h=101), price) == 101 * 18_000, "it counts as prompt"
    assert cost_nano(Usage(web_searches=5), price) == 0


LONG = Price(
    input=10**9,
    output=10 * 10**9,
    cached_input=10**8,
    per_request=5,
    long_prompts=(LongPrompt(100, 2 * 10**9, 15 * 10**9, 2 * 10**8), LongPrompt(1_000, 4 * 10**9, 20 * 10**9)),
)


@pytest.mark.parametrize(
    ("usage", "cost"),
    [
        (Usage(input=100, output=1), 100 * 1_000 + 10_000),
        (Usage(input=101, output=1), 101 * 2_000 + 15_000),
        (Usage(input=1, cached_input=100, output=1), 2_000 + 100 * 200 + 15_000),
        (Usage(input=1_000, output=1), 1_000 * 2_000 + 15_000),
        (Usage(input=1, cached_input=1_000, reasoning=2), 1_001 * 4_000 + 2 * 20_000),
    ],
)
def test_a_long_prompt_makes_all_tokens_of_its_call_cost_more(usage: Usage, cost: int) -> None:
    assert cost_nano(usage, LONG) == cost + 5


@given(COUNT, COUNT)
def test_a_longer_prompt_never_costs_less_where_its_prices_rise(a: int, b: int) -> None:
    assert cost_nano(Usage(input=min(a, b)), LONG) <= cost_nano(Usage(input=max(a, b)), LONG)


def test_a_price_with_long_prompts_is_kept_as_json() -> None:
    assert msgspec.json.decode(msgspec.json.encode(LONG), type=Price) == LONG
    assert msgspec.convert(msgspec.to_builtins(LONG), Price) == LONG


def test_cost_is_rounded_half_up_once() -> None:
    assert cost_nano(Usage(input=1, output=1), Price(input=250_000, output=250_000)) == 1
    assert cost_nano(Usage(input=1), Price(input=499_999, output=0)) == 0


@given(COUNT, COUNT, PRICE, PRICE)
def test_splitting_a_call_changes_its_cost_by_less_than_a_nano_dollar(
    a: int, b: int, inward: int, outward: int
) -> None:
    price = Price(input=inward, output=outward)
    whole = cost_nano(Usage(input=a, output=b), price)
    parts = cost_nano(Usage(input=a), price) + cost_nano(Usage(output=b), price)
    assert abs(whole - parts) <= 1


@given(PRICE)
def test_price_survives_the_way_to_usd_and_back(nano: int) -> None:
    assert nano_per_million(per_token_usd(nano)) == nano


def test_float_prices_of_the_api_are_exact_through_their_text() -> None:
    assert nano_per_million(Decimal(str(0.000005))) == 5 * 10**9
    assert nano_per_million(Decimal(str(0.000015))) == 15 * 10**9


@pytest.mark.parametrize("price", ["-1", "NaN", "Infinity", "1e-16"])
def test_impossible_prices_are_refused(price: str) -> None:
    with pytest.raises(ValueError, match=r"price|USD"):
        nano_per_million(Decimal(price))


def test_usd_is_exact() -> None:
    assert usd(22_500) == Decimal("0.0000225")
