"""Every subject has a case on every wire, or a reason why that wire cannot say it."""

from pathlib import Path

import pytest

HERE = Path(__file__).parent
NO_CACHE = "this wire tells no cached tokens"
NO_REFUSAL = "this wire has no refusal of its own: it is text, or a finish reason"
NO_FILTER = "no filter stands before this provider"
PASSES = "seals and shown thinking are not part of Azure's chat"
SUBJECTS: dict[str, dict[str, str]] = {
    "system placement": dict.fromkeys(("anthropic", "google", "ollama", "azure"), "system_placement"),
    "multi-turn, stop sequences": dict.fromkeys(("anthropic", "google", "ollama", "azure"), "multi_turn"),
    "parallel tool calls": dict.fromkeys(("anthropic", "google", "ollama", "azure"), "parallel_tool_calls"),
    "tool results": {
        **dict.fromkeys(("anthropic", "google", "azure"), "tool_results_in_one_turn"),
        "ollama": "tool_results",
    },
    "tool choice: named": dict.fromkeys(("anthropic", "google", "ollama", "azure"), "tool_choice_named"),
    "tool choice: required": dict.fromkeys(("anthropic", "google", "ollama", "azure"), "tool_choice_required"),
    "tool choice: none": dict.fromkeys(("anthropic", "google", "ollama", "azure"), "tool_choice_none"),
    "JSON schema": dict.fromkeys(("anthropic", "google", "ollama", "azure"), "json_schema"),
    "images": {**dict.fromkeys(("anthropic", "ollama", "azure"), "images"), "google": "images_and_sound"},
    "images by address, where refused": {"ollama": "refused_image_by_url"},
    "thinking and its seals": {
        **dict.fromkeys(("anthropic", "google"), "thinking_round_trip"),
        "ollama": "thinking",
        "azure": PASSES,
    },
    "cached tokens": {**dict.fromkeys(("anthropic", "google", "azure"), "cached_usage"), "ollama": NO_CACHE},
    "finish: stop": {
        **dict.fromkeys(("google", "ollama", "azure"), "finish_stop"),
        "anthropic": "finish_end_turn",
    },
    "finish: length": {
        **dict.fromkeys(("ollama", "azure"), "finish_length"),
        "anthropic": "finish_max_tokens",
        "google": "finish_max_tokens",
    },
    "finish: filtered": {
        "anthropic": "finish_refusal",
        "google": "finish_safety",
        "ollama": NO_FILTER,
        "azure": "finish_content_filter",
    },
    "blocked prompt": {"google": "blocked_prompt", "azure": "errors", "anthropic": NO_FILTER, "ollama": NO_FILTER},
    "refusal": {"anthropic": "refusal_explained", "azure": "refusal", "google": NO_REFUSAL, "ollama": NO_REFUSAL},
    "empty content": dict.fromkeys(("anthropic", "google", "ollama", "azure"), "empty_content"),
    "cut inside a call": dict.fromkeys(("anthropic", "google", "ollama", "azure"), "cut_inside_a_call"),
    "split characters": dict.fromkeys(("anthropic", "google", "ollama", "azure"), "multi_byte_characters"),
    "error in a stream": dict.fromkeys(("anthropic", "google", "ollama", "azure"), "stream_error"),
    "errors by status": dict.fromkeys(("anthropic", "google", "ollama", "azure"), "errors"),
}


@pytest.mark.parametrize("subject", SUBJECTS)
def test_every_wire_has_a_case_or_a_reason(subject: str) -> None:
    for wire, case in SUBJECTS[subject].items():
        if " " not in case:
            assert (HERE / wire / case / "note.txt").exists(), (wire, case)
