"""OpenAI's chat wire as a provider's, for clients of other wires: its own requests and replies survive the way around."""

import json
from pathlib import Path

import pytest

from billing.core.pricing import Usage
from llm.core.assembly import assemble
from llm.core.conversation import Choice, Refusal, Reply, Text, Thinking, ToolCall
from llm.core.deltas import (
    ArgumentsDelta,
    Delta,
    Finished,
    Started,
    TextDelta,
    ThinkingDelta,
    ToolCallStarted,
    UsageDelta,
)
from llm.core.dialects import anthropic_messages, openai_chat
from llm.core.dialects.openai_chat import translator
from llm.core.dialects.translation import Target

WIRE = Path(__file__).parents[2] / "wire"
CASES = [case for name in ("anthropic", "google", "ollama") for case in sorted((WIRE / name).iterdir())]
REQUESTS = [case / "request.json" for case in CASES if (case / "request.json").exists()]
REPLIES = [case / "reply.json" for case in CASES if (case / "reply.json").exists()]


@pytest.mark.parametrize("file", REQUESTS, ids=lambda file: f"{file.parent.parent.name}/{file.parent.name}")
def test_a_request_read_and_written_again_says_the_same(file: Path) -> None:
    conversation = openai_chat.read(file.read_bytes())
    outgoing = translator.encode(conversation, Target(conversation.model))
    again = openai_chat.read(outgoing.body)
    if "messages[].reasoning_details" in outgoing.dropped:  # sealed on another wire
        assert file.parent.name == "thinking_round_trip"
        assert all(b'"format":"%b"' % wire not in outgoing.body for wire in (b"anthropic", b"google"))
        return
    assert (again.messages, again.tools, again.tool_choice) == (
        conversation.messages,
        conversation.tools,
        conversation.tool_choice,
    )
    assert (again.options, again.response_format, again.unknown) == (
        conversation.options,
        conversation.response_format,
        (),
    )
    assert outgoing.dropped == conversation.unknown


@pytest.mark.parametrize("file", REPLIES, ids=lambda file: f"{file.parent.parent.name}/{file.parent.name}")
def test_a_reply_read_and_written_again_is_the_same(file: Path) -> None:
    reply = json.loads(file.read_text())
    del reply["provider_finish"]
    for choice in reply["choices"]:  # images are read of no provider on this wire yet
        choice["message"].pop("images", None)
        choice["message"].pop("extra_content", None)
    again = translator.decode(json.dumps(reply).encode(), "s")
    assert json.loads(openai_chat.write(again, "id", 0, again.model)[0]) == reply


def test_interleaved_calls_and_thinking_survive_a_stream_cut_anywhere() -> None:
    deltas: list[Delta] = [
        Started("i", "m"),
        ThinkingDelta(0, 0, "hm é", origin="x"),
        ThinkingDelta(0, 0, signature="s", origin="x"),
        TextDelta(0, 1, "Grüß"),
        ToolCallStarted(0, 2, 0, "a", "f"),
        ToolCallStarted(0, 3, 1, "b", "g"),
        ArgumentsDelta(0, 3, 1, '{"y":'),
        ArgumentsDelta(0, 2, 0, '{"x":1}'),
        ArgumentsDelta(0, 3, 1, "2}"),
        Finished(0, "tool_calls", "tool_calls"),
        UsageDelta(Usage(input=1, output=2)),
    ]
    writer = openai_chat.ChunkWriter("i", 0, "m", include_usage=True)
    stream = writer.write(deltas) + writer.finish() + b"data: [DONE]\n\n"
    for cut in range(len(stream)):
        decoder = translator.stream("s", "p", None)
        found = [*decoder.feed(stream[:cut]), *decoder.feed(stream[cut:]), *decoder.finish()]
        assert assemble(found) == assemble(deltas), f"cut at byte {cut}"
        assert decoder.done


def test_azures_chunk_about_the_prompt_and_its_filters_are_read() -> None:
    stream = (
        b'data: {"choices":[],"created":0,"id":"","model":"","prompt_filter_results":[{"prompt_index":0}]}\n\n'
        b'data: {"id":"c","model":"gpt-4o","choices":[{"index":0,"delta":{"content":"x"},"finish_reason":null}]}\n\n'
        b'data: {"id":"c","model":"gpt-4o","choices":[{"index":0,"delta":{},"finish_reason":"content_filter",'
        b'"content_filter_results":{"hate":{"filtered":true,"severity":"high"}}}]}\n\n'
    )
    decoder = translator.stream("s", "azure", None)
    reply = assemble(decoder.feed(stream))
    assert (reply.id, reply.model, reply.choices[0].finish) == ("c", "gpt-4o", "content_filter")
    assert [(one.category, one.level, one.blocked) for one in reply.choices[0].safety] == [("hate", "high", True)]


def test_a_conversation_of_anthropics_reaches_a_provider_on_openais_wire() -> None:
    request = {
        "model": "gpt-5",
        "max_tokens": 9,
        "system": "S",
        "messages": [
            {"role": "user", "content": "w?"},
            {"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "f", "input": {"a": 1}}]},
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "t1", "content": "42"},
                    {"type": "text", "text": "So?"},
                ],
            },
        ],
        "stop_sequences": ["X"],
    }
    outgoing = translator.encode(anthropic_messages.read(json.dumps(request).encode()), Target("gpt-5"))
    assert json.loads(outgoing.body) == {
        "model": "gpt-5",
        "messages": [
            {"role": "system", "content": "S"},
            {"role": "user", "content": "w?"},
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [{"id": "t1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}],
            },
            {"role": "tool", "tool_call_id": "t1", "content": "42"},
            {"role": "user", "content": "So?"},
        ],
        "max_completion_tokens": 9,
        "stop": ["X"],
    }


def test_errors_keep_status_code_and_param_but_not_the_key() -> None:
    body = b'{"error":{"message":"no sk-1","type":"invalid_request_error","param":"prompt","code":"content_filter"}}'
    error = translator.decode_error(400, body, "azure", "sk-1")
    assert (error.status, error.wire_code, error.param, error.message) == (
        400,
        "content_filter",
        "prompt",
        "Provider azure: no ***",
    )
    assert translator.decode_error(401, b"{}", "azure", None).wire_code == "provider_authentication_failed"


def test_parts_of_every_kind_survive() -> None:
    parts = (Thinking("t", "s", origin="anthropic"), Text("x"), Refusal("no"), ToolCall("c", "f", "{}"))
    reply = Reply("i", "m", (Choice(0, parts, "tool_calls", native_finish="tool_calls"),))
    assert translator.decode(openai_chat.write(reply, "i", 0, "m")[0], "s") == reply
