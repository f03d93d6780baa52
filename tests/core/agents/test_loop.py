"""The loop: what is asked, what a reply means, which failures are retried and when."""

import json
from typing import Any

import pytest

from agents.core import loop
from agents.core.definition import LlmConfig, Prompts, RetryConfig
from agents.core.errors import BadDefinition, ModelCallFailed


def completion(content: Any, **message: Any) -> bytes:
    return json.dumps(
        {
            "model": "sandbox/gpt-4",
            "choices": [{"message": {"role": "assistant", "content": content, **message}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 7, "completion_tokens": 3},
        }
    ).encode()


def replied(status: int = 200, body: bytes = b"", **headers: str) -> loop.Reply:
    return loop.Reply(status, {name.replace("_", "-"): value for name, value in headers.items()}, body)


def test_the_request_holds_the_rendered_prompts_and_only_what_was_set() -> None:
    prompts = Prompts(system="You review.", user_template="Review {title}", context_instructions="Be brief, {by}.")
    config = LlmConfig(temperature=0.2, max_tokens=50, stop_sequences=["END"])
    ask = loop.compose("gpt-4", prompts, config, {"title": "On nets", "by": "ada"})
    assert json.loads(loop.request_body(ask)) == {
        "model": "gpt-4",
        "messages": [
            {"role": "system", "content": "You review.\n\nBe brief, ada."},
            {"role": "user", "content": "Review On nets"},
        ],
        "temperature": 0.2,
        "max_tokens": 50,
        "stop": ["END"],
    }


def test_without_a_user_template_the_input_is_sent_as_json() -> None:
    ask = loop.compose("auto", Prompts(), LlmConfig(), {"input_data": {"a": 1}})
    assert json.loads(loop.request_body(ask)) == {
        "model": "auto",
        "messages": [{"role": "user", "content": '{"a": 1}'}],
    }


def test_an_answer_carries_text_keys_usage_and_cost() -> None:
    reply = replied(200, completion('{"score": 9}'), x_circuit_breaker_cost="0.00042", x_request_id="r-1")
    answer = loop.run(loop.Ask("auto", "", "hi", LlmConfig()), lambda body: reply)
    assert answer.text == '{"score": 9}'
    assert answer.output == {"score": 9}
    assert (answer.model, answer.finish_reason) == ("sandbox/gpt-4", "stop")
    assert (answer.prompt_tokens, answer.completion_tokens) == (7, 3)
    assert str(answer.cost_usd) == "0.00042"
    assert answer.request_id == "r-1"


@pytest.mark.parametrize("cost", ["", "free", "NaN", "-1", "Infinity", "1e30"])
def test_a_cost_that_is_no_amount_is_left_out(cost: str) -> None:
    assert loop.read_answer(replied(200, completion("hi"), x_circuit_breaker_cost=cost)).cost_usd is None


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"[]", b"{}", b'{"choices": []}', b'{"choices": [{}]}', b"\xff", b'{"choices":' * 5000],
)
def test_a_reply_that_is_no_completion_is_a_malformed_one(body: bytes) -> None:
    with pytest.raises(ModelCallFailed) as raised:
        loop.read_answer(replied(200, body))
    assert raised.value.kind == "malformed"


def test_a_refusal_is_not_an_answer() -> None:
    with pytest.raises(ModelCallFailed) as raised:
        loop.read_answer(replied(200, completion(None, refusal="I will not.")))
    assert (raised.value.kind, str(raised.value)) == ("refused", "The model refused: I will not.")


@pytest.mark.parametrize(
    ("status", "kind", "retried"),
    [
        (400, "refused", False),
        (401, "refused", False),
        (402, "refused", False),
        (404, "refused", False),
        (408, "timeout", True),
        (409, "conflict", True),
        (413, "refused", False),
        (422, "refused", False),
        (429, "rate_limit", True),
        (500, "server_error", True),
        (503, "server_error", True),
        (529, "server_error", True),
        (302, "refused", False),
    ],
)
def test_the_status_decides_whether_a_call_is_retried(status: int, kind: str, retried: bool) -> None:
    body = json.dumps({"error": {"message": "no such model"}}).encode()
    with pytest.raises(ModelCallFailed) as raised:
        loop.run(loop.Ask("auto", "", "hi", LlmConfig()), lambda _: replied(status, body))
    assert str(raised.value) == f"The model call was answered with status {status}: no such model"
    assert (raised.value.kind, raised.value.status) == (kind, status)
    assert (loop.wait_before_retry(raised.value, 1, RetryConfig()) is not None) is retried


def test_a_long_or_broken_error_body_is_cut_to_something_readable() -> None:
    failure = loop.failure_of(replied(500, b"\x00\xff" + b"x" * 100_000))
    assert len(str(failure)) < 1100
    assert "\x00" not in str(failure)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after": "999999999"}, 3600.0),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:30 GMT", "date": "Wed, 21 Oct 2026 07:28:00 GMT"}, 30.0),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:30 GMT"}, None),
    ],
)
def test_retry_after_is_read_in_both_forms(headers: dict[str, str], seconds: float | None) -> None:
    assert loop.retry_after(headers) == seconds


def test_waits_double_and_never_undercut_retry_after() -> None:
    retry = RetryConfig(max_attempts=5, backoff_seconds=2)
    failure = ModelCallFailed("busy", "rate_limit", status=429, retry_after_seconds=5)
    waits = [loop.wait_before_retry(failure, failed, retry) for failed in range(1, 6)]
    assert waits == [5, 5, 8, 16, None]


def test_only_the_listed_errors_are_retried() -> None:
    retry = RetryConfig(retry_on_errors=["rate_limit", "503"])
    kinds = {
        status: loop.wait_before_retry(loop.failure_of(replied(status)), 1, retry) is not None
        for status in (429, 500, 503, 400)
    }
    assert kinds == {429: True, 500: False, 503: True, 400: False}


def test_an_error_that_cannot_be_retried_is_refused_in_the_list() -> None:
    loop.check_retry_config(RetryConfig(retry_on_errors=["timeout", "connection", "502"]))
    with pytest.raises(BadDefinition) as raised:
        loop.check_retry_config(RetryConfig(retry_on_errors=["timeout", "400"]))
    assert raised.value.details == {"path": "retryConfig.retryOnErrors[1]"}
