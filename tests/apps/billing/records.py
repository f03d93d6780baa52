"""Call records for tests: one factory with every field settable."""

import itertools
import uuid
from datetime import UTC, datetime
from typing import Any

from billing.core.pricing import Price, Usage
from billing.core.usage import CallRecord

NOON = datetime(2025, 3, 10, 12, tzinfo=UTC)
GPT_4 = Price(input=30 * 10**9, output=60 * 10**9)
_numbers = itertools.count(1)


def nanoseconds(moment: datetime) -> int:
    return int(moment.timestamp()) * 10**9


def a_record(at: datetime = NOON, **fields: Any) -> CallRecord:
    """A GPT-4 call of 100 tokens in and 50 out, 0.006 USD, finished at `at`."""
    usual: dict[str, Any] = {
        "number": next(_numbers),
        "id": uuid.uuid4().hex,
        "request_id": "req-1",
        "started_at": nanoseconds(at) - 10**9,
        "finished_at": nanoseconds(at),
        "provider": "openai",
        "model": "gpt-4",
        "requested_model": "auto",
        "status": 200,
        "outcome": "ok",
        "usage": Usage(input=100, output=50),
        "cost_nano": 6_000_000,
        "price": GPT_4,
    }
    return CallRecord(**{**usual, **fields})
