"""Today's list prices from the kept data package `genai-prices`, as a program of its own: JSON in, JSON out.

The package's data takes a third of a second and 100 MB to load, so no process that lives on ever loads it:
`services/prices.py` starts this, asks once and lets it go. Promised: amounts are exact nano-dollars per million tokens;
what our prices cannot hold is left out by the rules at `_price`. Not promised: that a list price is today's.
"""

import re
import sys
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
from genai_prices.data import providers
from genai_prices.types import ModelInfo, ModelPrice, Provider, TieredPrices, TimeOfDateConstraint

NANO = 1_000_000_000
BUCKETS = {
    "input": "input_mtok",
    "output": "output_mtok",
    "cached_input": "cache_read_mtok",
    "cache_write": "cache_write_mtok",
    "cache_write_1h": "cache_write_1h_mtok",
    "reasoning": "output_reasoning_mtok",
    "audio_input": "input_audio_mtok",
    "audio_output": "output_audio_mtok",
}


class Question(msgspec.Struct, frozen=True):
    """One provider and the models whose prices are wanted."""

    provider: str
    """Its name in the price list, if it is one of ours."""
    base_url: str
    """By which it is known else."""
    models: tuple[str, ...]


def answer(question: Question, now: datetime) -> dict[str, dict[str, Any]]:
    """By model: the price's buckets, `long_prompts` where it rises with the prompt (each as a
    `billing.core.pricing.LongPrompt`), and `context_window` if the list says."""
    listed = next((one for one in providers if one.id == question.provider), None) or _by_address(question.base_url)
    found: dict[str, dict[str, Any]] = {}
    if listed is None:
        return found
    for name in question.models:
        model = listed.find_model(name, all_providers=providers)
        price = _price(model, now) if model is not None else None
        if model is not None and price is not None:
            window = {"context_window": model.context_window} if model.context_window else {}
            found[name] = price | window
    return found


def _by_address(base_url: str) -> Provider | None:
    return next((one for one in providers if base_url and re.match(one.api_pattern, base_url)), None)


def _price(model: ModelInfo, now: datetime) -> dict[str, Any] | None:
    """The price in force. None for a model that is not paid by the token, such as one paid by hours of sound.

    A price that depends on the time of day is the dearest.
    """
    prices = model.get_prices(now)
    if isinstance(model.prices, list) and any(isinstance(one.constraint, TimeOfDateConstraint) for one in model.prices):
        prices = max((one.prices for one in model.prices), key=lambda one: _amount(one, "input_mtok") or 0)
    amounts = {bucket: _amount(prices, key) for bucket, key in BUCKETS.items()}
    if amounts["input"] is None:
        return None
    amounts["output"] = amounts["output"] or 0
    requests = _amount(prices, "requests_kcount")
    known: dict[str, Any] = {bucket: amount for bucket, amount in amounts.items() if amount is not None}
    known["per_request"] = (requests or 0) // 1000
    known["web_search"] = (_amount(prices, "web_searches_kcount") or 0) // 1000
    longer = _long_prompts(prices)
    return {**known, "long_prompts": longer} if longer else known


def _long_prompts(prices: ModelPrice) -> list[dict[str, int]]:
    """What each length from which a bucket costs more makes of all buckets."""
    tiered = [value for key in BUCKETS.values() if isinstance(value := getattr(prices, key, None), TieredPrices)]
    found: list[dict[str, int]] = []
    for above in sorted({tier.start for value in tiered for tier in value.tiers}):
        amounts = {bucket: _amount(prices, key, above) for bucket, key in BUCKETS.items()}
        amounts["output"] = amounts["output"] or 0
        found.append({"above": above, **{name: amount for name, amount in amounts.items() if amount is not None}})
    return found


def _amount(prices: ModelPrice, key: str, above: int = 0) -> int | None:
    """For prompts of at most the first tier's length, or of more than `above` tokens."""
    value: Any = getattr(prices, key, None)
    if isinstance(value, TieredPrices):
        value = [value.base, *[tier.price for tier in value.tiers if tier.start <= above]][-1]
    return int(Decimal(value) * NANO) if value is not None else None


def main() -> None:
    questions = msgspec.json.decode(sys.stdin.buffer.read(), type=list[Question])
    now = datetime.now(UTC)
    sys.stdout.buffer.write(msgspec.json.encode([answer(question, now) for question in questions]))


if __name__ == "__main__":
    main()
