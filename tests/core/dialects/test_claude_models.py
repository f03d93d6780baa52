"""What newer Claude models refuse is not sent, and what no inner language holds may be tried elsewhere."""

import json
from typing import Any

import pytest

from llm.core.dialects import anthropic, anthropic_messages, google_contents
from llm.core.dialects.translation import Target
from llm.core.errors import InvalidRequest

HI = [{"role": "user", "content": "Hi"}]


def sent(model: str, **more: Any) -> tuple[dict[str, Any], tuple[str, ...]]:
    body = json.dumps({"model": "m", "max_tokens": 9, "messages": HI, **more}).encode()
    outgoing = anthropic.encode(anthropic_messages.read(body), Target(model))
    found = json.loads(outgoing.body)
    return {name: found[name] for name in found if name not in ("model", "max_tokens", "messages")}, outgoing.dropped


@pytest.mark.parametrize("model", ["claude-opus-4-7", "claude-opus-4-8-20260601", "claude-mythos-preview"])
def test_newer_models_get_no_sampling_and_an_effort_for_a_budget(model: str) -> None:
    sampling = {"temperature": 0.5, "top_k": 4}
    assert sent(model, **sampling, stop_sequences=["x"]) == ({"stop_sequences": ["x"]}, ("temperature", "top_k"))
    assert sent(model, top_p=0.5) == ({}, ("top_p",))
    for budget, effort in ((1024, "low"), (4000, "medium"), (10_000, "high"), (20_000, "xhigh"), (60_000, "max")):
        thinking = {"type": "enabled", "budget_tokens": budget}
        adaptive = {"thinking": {"type": "adaptive"}, "output_config": {"effort": effort}}
        assert sent(model, thinking=thinking) == (adaptive, ())


def test_thinking_that_cannot_be_disabled_is_not_and_is_named() -> None:
    off = {"type": "disabled"}
    assert sent("claude-opus-4-7", thinking=off) == ({}, ())
    assert sent("claude-mythos-preview", thinking=off) == ({}, ("thinking_budget",))
    assert sent("claude-sonnet-4-6", thinking=off) == ({"thinking": off}, ())


def test_a_low_top_p_is_dropped_beside_thinking_only() -> None:
    thinking = {"type": "enabled", "budget_tokens": 2048}
    assert sent("claude-sonnet-4-5", top_p=0.9, thinking=thinking) == ({"thinking": thinking}, ("top_p",))
    assert sent("claude-sonnet-4-5", top_p=0.95, thinking=thinking) == ({"thinking": thinking, "top_p": 0.95}, ())
    assert sent("claude-sonnet-4-5", top_p=0.5) == ({"top_p": 0.5}, ())


def test_what_only_the_clients_own_wire_can_say_is_tried_at_other_candidates() -> None:
    found = {"type": "tool_result", "tool_use_id": "c", "content": [{"type": "search_result", "source": "s"}]}
    with pytest.raises(InvalidRequest) as refusal:
        sent("claude-sonnet-4-5", messages=[{"role": "user", "content": [found]}])
    assert refusal.value.wire_code == "unsupported_by_provider"
    assert refusal.value.param == "messages[0].content[0].content"
    config = {"responseMimeType": "text/x.new"}
    body = {"model": "m", "contents": [{"parts": [{"text": "Hi"}]}], "generationConfig": config}
    with pytest.raises(InvalidRequest) as refusal:
        google_contents.read(json.dumps(body).encode())
    assert refusal.value.wire_code == "unsupported_by_provider"
