"""Usage in buckets: never negative, never double, the totals equal what the provider reported."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.core.pricing import Price, Usage, cost_nano
from llm.core.buckets import in_buckets
from llm.core.operations import usage as wire_usage

FIGURE = st.none() | st.integers(-5, 200)


@given(st.integers(0, 100), st.integers(0, 100), FIGURE, FIGURE, FIGURE, FIGURE, FIGURE)
def test_buckets_sum_to_the_totals_whatever_is_said_of_the_parts(
    prompt: int, completion: int, cached: int, written: int, heard: int, reasoning: int, spoken: int
) -> None:
    usage = in_buckets(
        prompt, completion, cached=cached, cache_write=written, heard=heard, reasoning=reasoning, spoken=spoken
    )
    assert usage is not None
    assert (usage.prompt_total, usage.completion_total) == (prompt, completion)
    assert min(msgspec.structs.astuple(usage)) >= 0


@pytest.mark.parametrize(
    ("wire", "usage"),
    [
        (
            {
                "prompt_tokens": 100,
                "completion_tokens": 50,
                "prompt_tokens_details": {"cached_tokens": 10, "audio_tokens": 60},
                "completion_tokens_details": {"reasoning_tokens": 5, "audio_tokens": 30},
            },
            Usage(input=30, cached_input=10, audio_input=60, output=15, reasoning=5, audio_output=30),
        ),
        (  # predicted tokens, taken or not, are in the completion's total already
            {
                "prompt_tokens": 9,
                "completion_tokens": 20,
                "completion_tokens_details": {"accepted_prediction_tokens": 4, "rejected_prediction_tokens": 8},
            },
            Usage(input=9, output=20),
        ),
        (
            {"prompt_tokens": 9, "prompt_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 3}},
            Usage(input=2, cached_input=4, cache_write=3),
        ),
        ({"prompt_tokens": 3, "prompt_tokens_details": None}, Usage(input=3)),
        ({"prompt_tokens": -3}, None),
        ({"completion_tokens": 3}, None),
    ],
)
def test_the_wire_is_read_into_buckets(wire: dict[str, Any], usage: Usage | None) -> None:
    assert wire_usage.in_buckets(msgspec.json.encode(wire)) == usage


def test_sound_has_a_price_of_its_own_or_that_of_text() -> None:
    usage = Usage(audio_input=10, audio_output=100)
    plain = Price(input=10**9, output=2 * 10**9)
    assert cost_nano(usage, plain) == 10 * 1_000 + 100 * 2_000
    own = msgspec.structs.replace(plain, audio_input=40 * 10**9, audio_output=80 * 10**9, per_request=7)
    assert cost_nano(usage, own) == 10 * 40_000 + 100 * 80_000 + 7
