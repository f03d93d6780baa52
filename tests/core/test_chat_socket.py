"""The chat protocol of `/ws` without a socket: what is read, what is refused and why, which frames come of an event."""

import json

import pytest

from billing.core.pricing import Usage
from llm.core.chat_socket import BadMessage, Cancel, Completion, Frames, Ping, Resume, error_frame, read_message
from llm.core.errors import RateLimited
from llm.core.following import End, Said, ToolCall
from llm.core.stream_wire import Settled

CALL = ToolCall(0, "call_1", "weather", "{}")
SETTLED = Settled("openai", "gpt-4", "ok", Usage(3, cached_input=2, output=4, reasoning=1), 1_500_000)


def test_a_completion_keeps_every_member_but_its_type_and_id_and_is_streamed() -> None:
    text = '{"type":"completion","id":"a 1","model":"gpt-4","messages":[],"stream":false,"x":1.50,"circuit_breaker":{"y":[ ]}}'
    message = read_message(text)
    assert isinstance(message, Completion)
    assert message.id == "a 1"
    assert json.loads(message.body) == {
        "model": "gpt-4",
        "messages": [],
        "stream": True,
        "x": 1.5,
        "circuit_breaker": {"y": []},
    }
    assert b"1.50" in message.body, "numbers stay as they were written"
    assert read_message('{"type":"completion"}') == Completion("", b'{"stream":true}')


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"type":"cancel","id":"a"}', Cancel("a")),
        ('{"type":"resume","id":"a"}', Resume("a", 0)),
        ('{"type":"resume","id":"a","after":7,"part":1}', Resume("a", 7, 1)),
        ('{"type":"ping","extra":true}', Ping()),
    ],
)
def test_the_other_messages(text: str, message: object) -> None:
    assert read_message(text) == message


@pytest.mark.parametrize(
    ("text", "param", "identity"),
    [
        (None, None, None),
        ("", None, None),
        ("no JSON", None, None),
        ("[1]", None, None),
        ('"ping"', None, None),
        ("[" * 200_000, None, None),
        ('{"type":"completion","messages":' + "[" * 200_000, None, None),
        ("{}", "type", None),
        ('{"type":7,"id":"a"}', "type", "a"),
        ('{"type":"dance","id":"a"}', "type", "a"),
        ('{"type":"cancel"}', "id", None),
        ('{"type":"resume","after":1}', "id", None),
        ('{"type":"cancel","id":7}', "id", None),
        ('{"type":"cancel","id":""}', "id", None),
        ('{"type":"cancel","id":"  "}', "id", None),
        ('{"type":"completion","id":"' + "x" * 129 + '"}', "id", None),
        ('{"type":"completion","id":"ü"}', "id", None),
        ('{"type":"completion","id":"a\\r\\nx: y"}', "id", None),
        ('{"type":"resume","id":"a","after":-1}', "after", "a"),
        ('{"type":"resume","id":"a","after":"7"}', "after", "a"),
        ('{"type":"resume","id":"a","after":1.5}', "after", "a"),
        ('{"type":"resume","id":"a","after":1e400}', None, None),
        ('{"type":"resume","id":"a","after":9999999999999999}', "after", "a"),
        ('{"type":"resume","id":"a","after":1,"part":null}', "part", "a"),
    ],
)
def test_what_is_no_message_is_refused_by_name(text: str | None, param: str | None, identity: str | None) -> None:
    with pytest.raises(BadMessage) as refused:
        read_message(text)
    if text is None or "1e400" not in text:
        assert (refused.value.param, refused.value.id) == (param, identity)
    assert len(str(refused.value)) < 400, "what was sent is not sent back"


def test_one_event_makes_one_frame_with_its_number() -> None:
    assert Frames("a").of(Said(3, texts=((0, "Hi"),))) == [
        {"type": "content_chunk", "id": "a", "content": "Hi", "seq": 3}
    ]
    assert Frames("a").of(Said(4, texts=((2, "Hi"),)))[0]["choice"] == 2
    assert Frames("a").of(Said(1, thinking="")) == [
        {"type": "thinking_status", "id": "a", "status": "thinking", "seq": 1}
    ]
    assert Frames("a").of(Said(9, finish=((0, "stop"),))) == []


@pytest.mark.parametrize("cut", range(5))
def test_resumed_behind_any_frame_nothing_is_missing_and_nothing_told_twice(cut: int) -> None:
    events = [
        Said(2, texts=((0, "Hi"),)),
        Said(3, thinking="hm", texts=((0, "!"),), calls=(CALL,)),
        Said(5, texts=((0, "."),)),
    ]
    whole = Frames("a")
    told = [frame for said in events for frame in whole.of(said)]
    assert [(frame["seq"], frame.get("part")) for frame in told] == [(2, None), (3, 0), (3, 1), (3, 2), (5, None)]
    last = told[cut]
    again = Frames("a", last["seq"], last.get("part"))
    assert again.wanted_after == (last["seq"] if last.get("part") is None else last["seq"] - 1)
    later = [frame for said in events if said.number > again.wanted_after for frame in again.of(said)]
    assert told[: cut + 1] + later == told


def test_the_end_says_what_it_came_to() -> None:
    assert Frames("a").completed(End(8, SETTLED, "stop", "gpt-4-0613")) == {
        "type": "completed",
        "id": "a",
        "usage": {
            "prompt_tokens": 5,
            "completion_tokens": 5,
            "total_tokens": 10,
            "prompt_tokens_details": {"cached_tokens": 2},
            "completion_tokens_details": {"reasoning_tokens": 1},
        },
        "cost": 0.0015,
        "model": "gpt-4-0613",
        "finish_reason": "stop",
        "seq": 8,
    }


def test_what_is_not_known_is_null() -> None:
    frame = Frames("a").completed(End(4, None, "stop", ""))
    assert (frame["usage"], frame["cost"], frame["model"], frame["seq"]) == (None, None, None, 4)
    unpriced = Settled("own", "llama", "cancelled", Usage(1), 0, unpriced=True)
    frame = Frames("a").completed(End(2, unpriced, None, ""))
    assert (frame["cost"], frame["model"], frame["finish_reason"]) == (None, "llama", "cancelled")


def test_errors_are_said_in_openais_members() -> None:
    error = RateLimited("Too many requests.", "requests", 1.5, b"")
    assert error_frame(error, "a") == {
        "type": "error",
        "id": "a",
        "error": {
            "message": "Too many requests.",
            "type": "requests",
            "code": "rate_limit_exceeded",
            "param": None,
            "retry_after": 1.5,
        },
    }
    assert "id" not in error_frame(error, None)
