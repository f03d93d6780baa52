"""OpenAI's chat wire at the door: what a request says arrives, what a reply says leaves, whole and streamed alike."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.core.pricing import Usage
from llm.core import sse
from llm.core.assembly import assemble
from llm.core.conversation import (
    CacheControl,
    Choice,
    Image,
    Message,
    Part,
    Refusal,
    Reply,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from llm.core.deltas import (
    ArgumentsDelta,
    Delta,
    Finished,
    RefusalDelta,
    Started,
    TextDelta,
    ThinkingDelta,
    ToolCallStarted,
    UsageDelta,
)
from llm.core.dialects import openai_chat
from llm.core.errors import InvalidRequest

USER = {"role": "user", "content": "Hi"}


def body(*messages: dict[str, Any], **more: Any) -> bytes:
    return msgspec.json.encode({"model": "m", "messages": list(messages) or [USER], **more})


def test_text_images_and_cache_marks_are_read() -> None:
    parts = [
        {"type": "text", "text": "é", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
        {"type": "image_url", "image_url": {"url": "https://example.com/a.png", "detail": "low"}},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
    ]
    conversation = openai_chat.read(body({"role": "user", "content": parts}))
    assert conversation.messages == (
        Message(
            "user",
            (
                Text("é", cache=CacheControl("1h")),
                Image(url="https://example.com/a.png", detail="low"),
                Image(data="AAAA", media_type="image/png"),
            ),
        ),
    )
    assert conversation.unknown == ()


def test_thinking_calls_and_results_are_read_and_no_arguments_become_an_object() -> None:
    assistant = {
        "role": "assistant",
        "content": None,
        "reasoning_content": "hm",
        "reasoning_details": [
            {"type": "reasoning.text", "text": "hm", "signature": "s"},
            {"type": "reasoning.encrypted", "data": "x"},
        ],
        "tool_calls": [
            {
                "id": "c1",
                "type": "function",
                "function": {"name": "f", "arguments": ""},
                "extra_content": {"google": {"thought_signature": "g"}},
            }
        ],
    }
    conversation = openai_chat.read(body(USER, assistant, {"role": "tool", "tool_call_id": "c1", "content": "42"}))
    assert conversation.messages[1].parts == (
        Thinking("hm", "s"),
        Thinking(redacted="x"),
        ToolCall("c1", "f", "{}", signature="g"),
    )
    assert conversation.messages[2].parts == (ToolResult("c1", (Text("42"),)),)


@pytest.mark.parametrize(
    ("given_choice", "read"),
    [
        ("auto", ToolChoice("auto")),
        ("none", ToolChoice("none")),
        ("required", ToolChoice("required")),
        ({"type": "function", "function": {"name": "f"}}, ToolChoice("named", ("f",))),
        (
            {
                "type": "allowed_tools",
                "allowed_tools": {"mode": "required", "tools": [{"type": "function", "function": {"name": "f"}}]},
            },
            ToolChoice("required", ("f",)),
        ),
    ],
)
def test_every_tool_choice_is_read(given_choice: object, read: ToolChoice) -> None:
    tool = {"type": "function", "function": {"name": "f"}}
    conversation = openai_chat.read(body(tools=[tool], tool_choice=given_choice))
    assert (conversation.tools, conversation.tool_choice) == ((Tool("f"),), read)


def test_the_newer_token_limit_wins_and_one_stop_becomes_a_tuple() -> None:
    options = openai_chat.read(body(max_tokens=5, max_completion_tokens=7, stop="x")).options
    assert (options.max_tokens, options.stop) == (7, ("x",))


def test_members_nobody_knows_are_named_wherever_they_stand() -> None:
    conversation = openai_chat.read(
        body(
            {"role": "user", "content": [{"type": "text", "text": "a", "mood": 1}], "colour": 1},
            tools=[{"type": "function", "function": {"name": "f", "speed": 1}, "size": 1}],
            zeal=1,
            circuit_breaker={},
        )
    )
    assert conversation.unknown == (
        "zeal",
        "messages[0].colour",
        "messages[0].content[0].mood",
        "tools[0].size",
        "tools[0].function.speed",
    )


@pytest.mark.parametrize(
    ("request_body", "param"),
    [
        (
            body({"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "hologram"}]}),
            "messages[0].content[1].type",
        ),
        (body(USER, {"role": "king", "content": "a"}), "messages[1].role"),
        (body(USER, {"role": "tool", "content": "a"}), "messages[1].tool_call_id"),
        (
            body({"role": "tool", "tool_call_id": "c", "content": [{"type": "refusal", "refusal": "no"}]}),
            "messages[0].content",
        ),
        (
            body({"role": "user", "content": [{"type": "image_url", "image_url": {"url": "file:///etc/passwd"}}]}),
            "messages[0].content[0].image_url.url",
        ),
        (b'{"model":"m","messages":[]}', "messages"),
        (b"{", None),
        (b'{"model":"m","messages":[{"role":"user","content":"\xff"}]}', None),
    ],
)
def test_bad_requests_name_the_parameter(request_body: bytes, param: str | None) -> None:
    with pytest.raises(InvalidRequest) as caught:
        openai_chat.read(request_body)
    assert caught.value.param == param


def test_a_reply_carries_content_thinking_calls_and_usage_once() -> None:
    parts: tuple[Part, ...] = (Thinking("t", "s"), Text("Hello"), ToolCall("c", "f", '{"a":1}'))
    reply = Reply("x", "y", (Choice(0, parts, "tool_calls"),), Usage(input=3, cached_input=4, output=5, reasoning=6))
    written = msgspec.json.decode(openai_chat.write(reply, "id", 9, "shown")[0])
    assert written == {
        "id": "id",
        "object": "chat.completion",
        "created": 9,
        "model": "shown",
        "choices": [
            {
                "index": 0,
                "message": {
                    "role": "assistant",
                    "content": "Hello",
                    "refusal": None,
                    "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}],
                    "reasoning_content": "t",
                    "reasoning_details": [{"type": "reasoning.text", "text": "t", "index": 0, "signature": "s"}],
                },
                "logprobs": None,
                "finish_reason": "tool_calls",
            }
        ],
        "usage": {
            "prompt_tokens": 7,
            "completion_tokens": 11,
            "total_tokens": 18,
            "prompt_tokens_details": {"cached_tokens": 4},
            "completion_tokens_details": {"reasoning_tokens": 6},
        },
    }


@pytest.mark.parametrize("asked", [True, False])
def test_usage_is_a_chunk_of_its_own_and_only_when_asked_for(asked: bool) -> None:
    writer = openai_chat.ChunkWriter("id", 9, "m", include_usage=asked)
    written = writer.write([UsageDelta(Usage(input=1)), UsageDelta(Usage(input=2, output=1))]) + writer.finish()
    usages = [msgspec.json.decode(data)["usage"]["total_tokens"] for _, data in sse.events(written)]
    assert usages == ([3] if asked else [])


def folded(events: bytes) -> list[dict[str, Any]]:
    """What a client of the stream puts together, choice by choice."""
    choices: dict[int, dict[str, Any]] = {}
    for _, data in sse.events(events):
        for piece in msgspec.json.decode(data)["choices"]:
            choice = choices.setdefault(piece["index"], {"calls": {}, "finish": None})
            delta = piece["delta"]
            for name in ("content", "refusal", "reasoning_content"):
                choice[name] = choice.get(name, "") + (delta.get(name) or "")
            for call in delta.get("tool_calls", ()):
                known = choice["calls"].setdefault(call["index"], {"arguments": ""})
                known["id"] = call.get("id", known.get("id"))
                known["arguments"] += call["function"]["arguments"]
            choice["finish"] = piece["finish_reason"] or choice["finish"]
    return [choices[index] for index in sorted(choices)]


PIECES = st.lists(
    st.tuples(st.sampled_from(["text", "refusal", "thinking", "call"]), st.lists(st.text(max_size=4), max_size=3))
)


@given(st.lists(PIECES, min_size=1, max_size=3))
def test_whole_and_streamed_replies_agree_and_tool_indices_never_collide(choices: list[Any]) -> None:
    deltas: list[Delta] = [Started("i", "m")]
    for choice, pieces in enumerate(choices):
        calls = 0
        for part, (kind, texts) in enumerate(pieces):
            if kind == "call":
                deltas.append(ToolCallStarted(choice, part, calls, f"c{calls}", "f"))
                deltas.extend(ArgumentsDelta(choice, part, calls, text) for text in ["{}", *texts])
                calls += 1
            else:
                make = {"text": TextDelta, "refusal": RefusalDelta, "thinking": ThinkingDelta}[kind]
                deltas.extend(make(choice, part, text) for text in texts)
        deltas.append(Finished(choice, "stop"))
    writer = openai_chat.ChunkWriter("i", 0, "m", include_usage=False)
    streamed = folded(writer.write(deltas) + writer.finish())
    whole = msgspec.json.decode(openai_chat.write(assemble(deltas), "i", 0, "m")[0])["choices"]
    assert len(streamed) == len(whole) == len(choices)
    for seen, said in zip(streamed, whole, strict=True):
        message = said["message"]
        for name in ("content", "refusal", "reasoning_content"):
            assert seen[name] == (message.get(name) or "")
        calls_said = message.get("tool_calls", [])
        assert [seen["calls"][index]["id"] for index in sorted(seen["calls"])] == [call["id"] for call in calls_said]
        assert [seen["calls"][index]["arguments"] for index in sorted(seen["calls"])] == [
            call["function"]["arguments"] for call in calls_said
        ]
        assert seen["finish"] == said["finish_reason"] == "stop"


def test_a_stream_cut_before_its_finish_reason_reads_as_cut() -> None:
    assert assemble([Started("i", "m"), TextDelta(0, 0, "half")]).choices == (Choice(0, (Text("half"),), "length"),)


def test_a_refusal_alone_has_no_content() -> None:
    reply = Reply("i", "m", (Choice(0, (Refusal("no"),), "content_filter"),))
    message = msgspec.json.decode(openai_chat.write(reply, "i", 0, "m")[0])["choices"][0]["message"]
    assert message == {"role": "assistant", "content": None, "refusal": "no"}
