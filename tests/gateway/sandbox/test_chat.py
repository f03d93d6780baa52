"""What the sandbox answers to a chat: whole and streamed say and count the same."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm.sandbox.replies import reply
from llm.sandbox.text import count_tokens, first_tokens, pieces
from tests.gateway.sandbox.asking import CHAT, ask, body, chunks, said, user

HELLO = "This is the Circuit Breaker sandbox, not a language model. You said: Hello!"
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
TIME = {"type": "function", "function": {"name": "tell_time", "parameters": {"type": "object", "properties": {}}}}


def test_it_says_what_it_is_and_quotes_the_prompt() -> None:
    answer = ask()
    assert answer.status == 200
    assert body(answer)["choices"] == [
        {
            "index": 0,
            "message": {"role": "assistant", "content": HELLO, "refusal": None},
            "logprobs": None,
            "finish_reason": "stop",
        }
    ]


def test_equal_requests_have_equal_replies_and_others_have_not() -> None:
    assert ask() == ask()
    assert body(ask())["id"] != body(ask(seed=7))["id"]


@pytest.mark.parametrize(
    ("asked", "shown"),
    [("sandbox", "sandbox"), ("sandbox/gpt-4", "sandbox/gpt-4"), ("gpt-4", "sandbox/gpt-4")],
)
def test_nobody_can_take_the_model_for_the_one_it_stands_in_for(asked: str, shown: str) -> None:
    assert body(ask(model=asked))["model"] == shown
    assert {chunk["model"] for chunk in chunks(ask(model=asked, stream=True))} == {shown}


def test_tokens_are_four_bytes_rounded_up_and_three_for_each_message() -> None:
    usage = body(ask())["usage"]
    assert usage["prompt_tokens"] == 3 + 2
    assert usage["completion_tokens"] == (len(HELLO) + 3) // 4
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]


def test_a_stream_says_and_counts_the_same_as_the_whole_reply() -> None:
    whole = body(ask(n=2, stop=[" You"]))
    stream = chunks(ask(n=2, stop=[" You"], stream=True, stream_options={"include_usage": True}))
    texts = ["", ""]
    finished: dict[int, str] = {}
    for chunk in stream[:-1]:
        assert chunk["usage"] is None
        choice = chunk["choices"][0]
        texts[choice["index"]] += choice["delta"].get("content") or ""
        if choice["finish_reason"]:
            finished[choice["index"]] = choice["finish_reason"]
    assert texts == [choice["message"]["content"] for choice in whole["choices"]]
    assert finished == {0: "stop", 1: "stop"}
    assert stream[-1]["choices"] == []
    assert stream[-1]["usage"] == whole["usage"]


def test_usage_is_streamed_only_when_asked_for() -> None:
    assert all("usage" not in chunk for chunk in chunks(ask(stream=True)))


def test_a_stream_has_one_event_for_each_word() -> None:
    stream = chunks(ask(model="sandbox?words=200", stream=True))
    assert len(stream) == 200 + 2  # the role before, the finish reason after


def test_choices_of_prose_differ_and_choices_of_json_stay_json() -> None:
    prose = body(ask(n=2))["choices"]
    assert prose[1]["message"]["content"] == HELLO + " (choice 2)"
    objects = body(ask(n=2, response_format={"type": "json_object"}))["choices"]
    assert json.loads(objects[1]["message"]["content"]) == json.loads(objects[0]["message"]["content"])


@pytest.mark.parametrize("field", ["max_tokens", "max_completion_tokens"])
def test_a_token_limit_cuts_and_says_so(field: str) -> None:
    answer = body(ask(**{field: 3}))
    assert answer["choices"][0]["message"]["content"] == HELLO[:12]
    assert answer["choices"][0]["finish_reason"] == "length"
    assert answer["usage"]["completion_tokens"] == 3


@pytest.mark.parametrize("stop", [" not", [" not", " model"], ["absent", " not"]])
def test_stop_sequences_end_the_text_before_them(stop: Any) -> None:
    answer = body(ask(stop=stop))
    assert answer["choices"][0]["message"]["content"] == "This is the Circuit Breaker sandbox,"
    assert answer["choices"][0]["finish_reason"] == "stop"


def test_parts_that_are_not_text_are_named_and_counted() -> None:
    parts = [{"type": "text", "text": "See"}, {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}]
    answer = ask(messages=[{"role": "user", "content": parts}])
    assert said(answer).endswith("You said: See [image_url]")
    assert body(answer)["usage"]["prompt_tokens"] == 3 + count_tokens("See [image_url]") + 85


def test_logprobs_cover_the_text_they_belong_to() -> None:
    choice = body(ask(logprobs=True))["choices"][0]
    assert "".join(token["token"] for token in choice["logprobs"]["content"]) == HELLO
    assert {token["logprob"] for token in choice["logprobs"]["content"]} == {0.0}


# --- tools -----------------------------------------------------------------------------------------------------------


def called(answer: dict[str, Any]) -> list[tuple[str, Any]]:
    message = answer["choices"][0]["message"]
    return [(c["function"]["name"], json.loads(c["function"]["arguments"])) for c in message.get("tool_calls") or []]


def test_a_tool_is_called_when_the_prompt_shares_a_word_with_its_name() -> None:
    answer = body(ask(messages=user("How is the weather?"), tools=[WEATHER, TIME]))
    assert called(answer) == [("get_weather", {"city": "How is the weather?"})]
    assert answer["choices"][0]["finish_reason"] == "tool_calls"
    assert answer["choices"][0]["message"]["content"] is None


def test_the_prompt_can_dictate_the_arguments() -> None:
    answer = body(ask(messages=user('Weather, please: {"city": "Oslo", "days": 3}'), tools=[WEATHER]))
    assert called(answer) == [("get_weather", {"city": "Oslo"})]


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ("none", []),
        ("auto", []),
        ("required", ["get_weather"]),
        ({"type": "function", "function": {"name": "tell_time"}}, ["tell_time"]),
        (
            {
                "type": "allowed_tools",
                "allowed_tools": {
                    "mode": "required",
                    "tools": [{"type": "function", "function": {"name": "tell_time"}}],
                },
            },
            ["tell_time"],
        ),
    ],
)
def test_tool_choice_is_obeyed(choice: Any, expected: list[str]) -> None:
    answer = body(ask(tools=[WEATHER, TIME], tool_choice=choice))
    assert [name for name, _ in called(answer)] == expected


def test_a_tool_choice_that_names_no_tool_is_refused() -> None:
    answer = ask(tools=[WEATHER], tool_choice={"type": "function", "function": {"name": "absent"}})
    assert answer.status == 400
    assert body(answer)["error"]["param"] == "tool_choice"


def test_calls_are_parallel_unless_forbidden() -> None:
    prompt = user("weather and time")
    assert len(called(body(ask(messages=prompt, tools=[WEATHER, TIME])))) == 2
    assert len(called(body(ask(messages=prompt, tools=[WEATHER, TIME], parallel_tool_calls=False)))) == 1


def test_streamed_calls_are_the_same_as_whole_ones() -> None:
    prompt = user("weather and time")
    whole = body(ask(messages=prompt, tools=[WEATHER, TIME]))["choices"][0]["message"]["tool_calls"]
    calls: list[dict[str, Any]] = []
    for chunk in chunks(ask(messages=prompt, tools=[WEATHER, TIME], stream=True)):
        for delta in chunk["choices"][0]["delta"].get("tool_calls", []):
            if delta["index"] == len(calls):
                calls.append({key: delta[key] for key in ("id", "type", "function")})
            else:
                calls[delta["index"]]["function"]["arguments"] += delta["function"]["arguments"]
    for call, other in zip(calls, whole, strict=True):  # the ids are made from the request, and the requests differ
        assert (call["type"], call["function"]) == (other["type"], other["function"])
    assert len({call["id"] for call in calls}) == 2


def test_tool_results_are_answered_and_not_called_again() -> None:
    messages = [
        *user("How is the weather?"),
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "get_weather", "arguments": "{}"}}],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "rain"},
    ]
    assert said(ask(messages=messages, tools=[WEATHER])).endswith("The tool get_weather returned: rain")


# --- JSON ------------------------------------------------------------------------------------------------------------


def test_json_mode_gives_an_object_that_says_what_it_is() -> None:
    value = json.loads(said(ask(response_format={"type": "json_object"})))
    assert value == {"summary": HELLO, "approved": True, "score": 0.5, "issues": []}


def test_a_review_prompt_gets_the_keys_it_names() -> None:
    prompt = 'Review this: {"title": "Plan"}. Reply as JSON with the keys `approved`, `score` and `comments`.'
    value = json.loads(said(ask(messages=user(prompt))))
    assert list(value) == ["approved", "score", "comments"]
    assert value["approved"] is True
    assert value["comments"].startswith("This is the Circuit Breaker sandbox")


def test_an_example_in_the_instructions_gives_the_shape() -> None:
    system = {"role": "system", "content": 'Answer in JSON, e.g. {"verdict": "approve|reject", "risk": 2, "why": "…"}'}
    value = json.loads(said(ask(messages=[system, *user("Report about Q3")])))
    assert value["verdict"] == "approve"
    assert value["risk"] == 2
    assert value["why"].endswith("You said: Report about Q3")


def test_prose_about_json_is_answered_in_prose() -> None:
    assert said(ask(messages=user("Is JSON older than YAML?"))).startswith("This is the Circuit Breaker sandbox")


@pytest.mark.parametrize(
    "odd", [r'{"a": "\ud800"}', '{"a": 1' + "0" * 5000 + "}", '{"a": NaN}', '{"a":' * 3000, "{" * 5000]
)
def test_odd_json_in_a_prompt_does_no_harm(odd: str) -> None:
    for fields in ({}, {"tools": [WEATHER], "tool_choice": "required"}, {"response_format": {"type": "json_object"}}):
        assert ask(messages=user(f"Reply as JSON: {odd}"), **fields).status == 200


# --- what is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "param"),
    [
        (b"", None),
        (b"{", None),
        (b"\xff", None),
        (b"[]", None),
        (b'{"model":"sandbox"}', None),
        (b'{"model":"sandbox","messages":[]}', "messages"),
        (b'{"model":"sandbox","messages":3}', "messages"),
        (b'{"model":"sandbox","messages":[{"role":"user","content":7}]}', "messages[0].content"),
        (b'{"model":"sandbox","messages":[{"role":"user"}],"max_tokens":0}', "max_tokens"),
        (b'{"model":"sandbox","messages":[{"role":"user"}],"n":129}', "n"),
        (b'{"model":"sandbox?words=100000","messages":[{"role":"user"}],"n":128}', "n"),
        (b"[" * 100_000, None),
    ],
)
def test_a_bad_request_is_one_clear_error(raw: bytes, param: str | None) -> None:
    answer = reply("POST", CHAT, {}, raw)
    assert answer.status == 400
    error = body(answer)["error"]
    assert (error["type"], error["param"]) == ("invalid_request_error", param)
    assert error["message"]


@given(st.binary(max_size=200))
def test_any_bytes_get_an_answer(raw: bytes) -> None:
    assert reply("POST", CHAT, {}, raw).status in (200, 400)


# --- the text rules --------------------------------------------------------------------------------------------------


@given(st.text())
def test_pieces_joined_are_the_text(text: str) -> None:
    assert "".join(pieces(text)) == text


@given(st.text(st.characters(exclude_categories=["Cs"])), st.integers(0, 50))
def test_the_first_tokens_are_a_beginning_within_the_limit(text: str, limit: int) -> None:
    short = first_tokens(text, limit)
    assert text.startswith(short)
    assert count_tokens(short) <= limit
    assert short == text or count_tokens(text) > limit
