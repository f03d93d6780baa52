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


GEMINIS_DOOR = {
    "system placement": ("system_placement", "system_placement_anthropic", "system_placement_ollama"),
    "multi-turn, stop sequences": ("multi_turn", "multi_turn_anthropic", "multi_turn_ollama", "refused_stop_responses"),
    "parallel tool calls": tuple(f"parallel_calls_of_{wire}" for wire in ("chat", "anthropic", "ollama", "responses")),
    "tool results": ("tool_results_in_one_turn", "tool_results_in_one_turn_anthropic", "tool_results_ollama"),
    "tool choice: named": ("tool_choice_named", "tool_choice_named_anthropic", "tool_choice_allowed"),
    "tool choice: required": ("tool_choice_required", "refused_tool_choice_ollama"),
    "tool choice: none": ("tool_choice_none", "tool_choice_none_anthropic"),
    "JSON schema": ("json_schema", "json_schema_anthropic", "json_schema_ollama", "json_schema_responses"),
    "images": ("images", "images_anthropic", "images_ollama", "images_responses"),
    "images by address, where refused": ("images_ollama",),
    "thinking and its seals": ("thinking_round_trip", "another_providers_signatures", "reasoning_of_responses"),
    "cached tokens": ("cached_usage_of_chat", "cached_usage_of_anthropic"),
    "finish: stop": ("finish_stop_of_chat", "finish_end_turn_of_anthropic", "finish_stop_of_ollama"),
    "finish: length": ("finish_length_of_chat", "finish_max_tokens_of_anthropic", "finish_length_of_ollama"),
    "finish: filtered": ("finish_content_filter_of_chat", "finish_refusal_of_anthropic"),
    "blocked prompt": ("errors_of_chat",),
    "refusal": ("refusal_of_chat", "refusal_of_anthropic"),
    "empty content": ("empty_answer_of_chat", "empty_answer_of_anthropic", "empty_answer_of_ollama"),
    "cut inside a call": ("cut_inside_a_call_of_chat", "cut_inside_a_call_of_anthropic"),
    "split characters": ("multi_byte_characters_of_chat", "multi_byte_characters_of_ollama"),
    "error in a stream": ("stream_error_of_chat", "stream_error_of_anthropic", "stream_error_of_responses"),
    "errors by status": ("errors_of_chat", "errors_of_anthropic", "errors_of_ollama", "errors_of_responses"),
}


@pytest.mark.parametrize("subject", SUBJECTS)
def test_clients_of_generate_content_have_cases_of_every_subject(subject: str) -> None:
    for case in GEMINIS_DOOR[subject]:
        assert (HERE / "google_contents" / case / "note.txt").exists(), case
