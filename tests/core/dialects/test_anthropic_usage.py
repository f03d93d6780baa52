"""What Anthropic says of a call's usage, in our buckets: how long a cache write is kept, and searches."""

from typing import Any

import msgspec
import pytest

from billing.core.pricing import Usage
from llm.core.dialects import anthropic, anthropic_messages
from llm.core.operations import messages
from llm.core.operations.anthropic_usage import WireUsage, usage_of

FIVE, HOUR = "ephemeral_5m_input_tokens", "ephemeral_1h_input_tokens"


@pytest.mark.parametrize(
    ("told", "usage"),
    [
        ({"cache_creation_input_tokens": 30}, Usage(5, cache_write=30)),
        ({"cache_creation_input_tokens": 30, "cache_creation": None}, Usage(5, cache_write=30)),
        (
            {"cache_creation_input_tokens": 30, "cache_creation": {FIVE: 10, HOUR: 20}},
            Usage(5, cache_write=10, cache_write_1h=20),
        ),
        ({"cache_creation": {FIVE: 10, HOUR: 20}}, Usage(5, cache_write=10, cache_write_1h=20)),
        ({"cache_creation_input_tokens": 30, "cache_creation": {HOUR: 99}}, Usage(5, cache_write_1h=30)),
        ({"cache_creation_input_tokens": 30, "cache_creation": {HOUR: -1}}, Usage(5, cache_write=30)),
        ({"server_tool_use": {"web_search_requests": 3}}, Usage(5, web_searches=3)),
        ({"server_tool_use": {"web_search_requests": None, "web_fetch_requests": 2}}, Usage(5)),
        ({"server_tool_use": None}, Usage(5)),
    ],
)
def test_each_token_is_in_one_bucket(told: dict[str, Any], usage: Usage) -> None:
    assert usage_of(msgspec.convert({"input_tokens": 5, **told}, WireUsage)) == usage


TOLD = {
    "input_tokens": 1,
    "cache_creation_input_tokens": 30,
    "cache_creation": {FIVE: 10, HOUR: 20},
    "output_tokens": 4,
    "server_tool_use": {"web_search_requests": 2},
}
USAGE = Usage(1, cache_write=10, output=4, cache_write_1h=20, web_searches=2)


def test_whole_passed_and_translated_answers_agree() -> None:
    answer = {"id": "m", "model": "c", "content": [{"type": "text", "text": "x"}], "usage": TOLD}
    body = msgspec.json.encode({**answer, "type": "message", "role": "assistant", "stop_reason": "end_turn"})
    assert messages.read_usage(body) == anthropic.decode(body, "s").usage == USAGE


def test_a_stream_that_counts_searches_at_its_end_keeps_what_was_said_of_the_cache() -> None:
    first = {**TOLD, "output_tokens": 1, "server_tool_use": None}
    last = {"output_tokens": 4, "server_tool_use": {"web_search_requests": 2}}
    events = [
        {"type": "message_start", "message": {"id": "m", "model": "c", "usage": first}},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": last},
        {"type": "message_stop"},
    ]
    decoder = anthropic.stream("s", "anthropic", None)
    for event in events:
        decoder.feed(b"data: " + msgspec.json.encode(event) + b"\n\n")
    assert decoder.usage == USAGE


def test_clients_of_the_same_wire_see_all_that_was_written() -> None:
    body = msgspec.json.encode({"id": "m", "model": "c", "content": [], "stop_reason": "end_turn", "usage": TOLD})
    written, _ = anthropic_messages.write(anthropic.decode(body, "s"), "m", "c")
    assert msgspec.json.decode(written)["usage"]["cache_creation_input_tokens"] == 30
