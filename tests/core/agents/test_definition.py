"""Definitions at the door: names, bounds, and what is refused rather than ignored."""

from typing import Any

import pytest

from agents.core.definition import (
    LlmConfig,
    Placing,
    Profile,
    RetryConfig,
    Schedule,
    check_schedule,
    overlaid,
    parse,
    parse_provider,
    plain,
)
from agents.core.errors import BadDefinition, KeyRefused, NotSupported
from agents.core.tools import find_tools


def test_only_what_was_given_is_stored_under_the_names_of_the_api() -> None:
    config = parse(LlmConfig, {"maxTokens": 50, "topP": 0.5, "temperature": None}, "llmConfig")
    assert plain(config) == {"maxTokens": 50, "topP": 0.5}
    assert plain(parse(LlmConfig, None, "llmConfig")) == {}


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ({"temperature": 3}, "llmConfig.temperature"),
        ({"maxTokens": 0}, "llmConfig.maxTokens"),
        ({"maxTokens": "many"}, "llmConfig.maxTokens"),
        ({"stopSequences": ["a", 2]}, "llmConfig.stopSequences[1]"),
        ({"temprature": 1}, "llmConfig"),
        ("hot", "llmConfig"),
        ([], "llmConfig"),
    ],
)
def test_a_fault_is_named_by_its_path(given: Any, path: str) -> None:
    with pytest.raises(BadDefinition) as raised:
        parse(LlmConfig, given, "llmConfig")
    assert raised.value.details == {"path": path}


def test_a_profile_needs_a_name() -> None:
    with pytest.raises(BadDefinition) as raised:
        parse(Profile, {"name": ""}, "")
    assert raised.value.details == {"path": "name"}


def test_a_provider_key_is_refused_and_not_repeated_in_the_error() -> None:
    with pytest.raises(KeyRefused) as raised:
        parse_provider({"providerType": "openai", "model": "gpt-4", "apiKey": "sk-very-secret"})
    assert raised.value.code == "AGENT_KEY_REFUSED"
    assert "sk-very-secret" not in f"{raised.value} {raised.value.details}"
    assert "configureLlmProvider" in str(raised.value)


def test_a_base_url_is_refused_rather_than_ignored() -> None:
    with pytest.raises(NotSupported):
        parse_provider({"providerType": "ollama", "model": "llama3", "baseUrl": "http://10.0.0.1"})


def test_empty_keys_and_addresses_are_no_secret() -> None:
    given = {"providerType": "openai", "model": "gpt-4", "apiKey": "", "baseUrl": None}
    assert plain(parse_provider(given)) == {"providerType": "openai", "model": "gpt-4"}
    assert parse_provider({}).model == "auto"


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"initialDelaySeconds": 5},
        {"intervalSeconds": 1},
        {"maxExecutions": 1},
        {"initialDelaySeconds": 0.5, "intervalSeconds": 60, "maxExecutions": 3},
    ],
)
def test_a_schedule_that_can_be_kept_is_taken(given: dict[str, float]) -> None:
    schedule = parse(Schedule, given, "schedule")
    check_schedule(schedule)
    assert plain(schedule) == given


def test_more_than_one_run_needs_a_time_between() -> None:
    with pytest.raises(BadDefinition) as raised:
        check_schedule(parse(Schedule, {"maxExecutions": 5}, "schedule"))
    assert raised.value.details == {"path": "schedule.maxExecutions"}


def test_a_place_overrides_the_agent_field_by_field() -> None:
    under = LlmConfig(temperature=0.1, max_tokens=10)
    assert overlaid(under, LlmConfig(temperature=0.9)) == LlmConfig(temperature=0.9, max_tokens=10)


def test_retries_are_bounded() -> None:
    with pytest.raises(BadDefinition):
        parse(RetryConfig, {"maxAttempts": 21}, "retryConfig")


def test_an_unknown_tool_is_refused() -> None:
    assert find_tools([]) == []
    with pytest.raises(BadDefinition) as raised:
        find_tools(["web_search"])
    assert raised.value.details == {"path": "tools[0]"}


def test_a_placing_with_nulls_is_one_with_defaults() -> None:
    given = {"placeId": "review", "agentId": "a", "autoTransition": None, "retryConfig": {"maxAttempts": None}}
    assert parse(Placing, given, "") == Placing(place_id="review", agent_id="a")


@pytest.mark.parametrize(
    ("given", "path", "said"),
    [
        ({"agentId": "a"}, "", "Object missing required field `placeId`."),
        ({"placeId": "p", "agentId": "a", "inputMapping": {"x": 1}}, "inputMapping[...]", "Expected `str`, got `int`."),
        ({"placeId": "p", "agentId": "a", "retryConfig": {"maxAttempts": 0}}, "retryConfig.maxAttempts", "Expected"),
    ],
)
def test_a_fault_in_a_placing_is_named_by_its_path(given: Any, path: str, said: str) -> None:
    with pytest.raises(BadDefinition) as raised:
        parse(Placing, given, "")
    assert raised.value.details == {"path": path}
    assert said in str(raised.value)
