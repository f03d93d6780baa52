"""Asks the kept price list (`llm/price_list.py`) in a process of its own, and remembers nothing.

A list that cannot be asked (the package is missing, the process broke) is a warning and no prices: models then stay
without one, which is shown. Prices are filled in where nobody has edited them and the built-in catalogue has none.
"""

import importlib.metadata
import logging
import subprocess
import sys
from collections.abc import Iterable
from typing import Any

import msgspec

from llm.core.providers import provider_row
from llm.models import Provider

SECONDS = 60.0
COLUMNS = {
    "input": "input_price",
    "output": "output_price",
    "cached_input": "cached_input_price",
    "cache_write": "cache_write_price",
    "cache_write_1h": "cache_write_1h_price",
    "audio_input": "audio_input_price",
    "audio_output": "audio_output_price",
    "per_request": "request_price",
    "web_search": "web_search_price",
    "long_prompts": "long_prompt_prices",
}
"""Bucket of the list -> our column. Reasoning has no column: it costs as much as output, as everywhere in the list."""

Prices = dict[str, dict[str, Any]]
"""By model: columns of its price, and `context_window` if the list says."""

logger = logging.getLogger(__name__)


def list_version() -> str:
    """Which price list is installed."""
    try:
        return importlib.metadata.version("genai-prices")
    except importlib.metadata.PackageNotFoundError:
        return ""


def list_prices(wanted: Iterable[tuple[Provider, list[str]]]) -> list[Prices]:
    """For each provider, the prices of those of its models (upstream names) that the list knows."""
    questions = []
    for provider, models in wanted:
        row = provider_row(provider.slug)
        name = (row.prices or row.name) if row else ""
        questions.append({"provider": name, "base_url": provider.base_url, "models": models})
    if not any(question["models"] for question in questions):
        return [{} for _ in questions]
    try:
        done = subprocess.run(
            [sys.executable, "-m", "llm.price_list"],
            input=msgspec.json.encode(questions),
            capture_output=True,
            timeout=SECONDS,
            check=True,
        )
        answers = msgspec.json.decode(done.stdout, type=list[dict[str, dict[str, Any]]])
    except (OSError, subprocess.SubprocessError, msgspec.MsgspecError) as failure:
        problem = type(failure).__name__
        logger.warning("the price list could not be asked (%s): new models stay without a price", problem)
        return [{} for _ in questions]
    return [{name: _columns(price) for name, price in answer.items()} for answer in answers]


def _columns(price: dict[str, Any]) -> dict[str, Any]:
    columns = {column: price[bucket] for bucket, column in COLUMNS.items() if bucket in price}
    if "context_window" in price:
        columns["context_window"] = price["context_window"]
    return columns
