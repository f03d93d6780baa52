"""Members nobody knows are named by path, however deep they stand, on every client's wire."""

import json
from typing import Any

import pytest

from llm.core.conversation import Conversation, Message, ResponseFormat, Text
from llm.core.dialects import anthropic, anthropic_messages, google, google_contents, ollama, openai_chat
from llm.core.dialects.translation import Target, Translator


def encoded(**body: Any) -> bytes:
    return json.dumps({"model": "m", **body}).encode()


def test_a_messages_request() -> None:
    source = {"type": "base64", "media_type": "application/pdf", "data": "AA=="}
    document = {"type": "document", "source": source, "context": "c", "citations": {"enabled": True}}
    result = {"type": "tool_result", "tool_use_id": "t", "content": [{"type": "text", "text": "a", "mood": 1}]}
    tool = {"name": "f", "input_schema": {"type": "object"}, "input_examples": [{}], "defer_loading": True}
    body = encoded(
        max_tokens=5,
        messages=[{"role": "user", "content": [document, result]}],
        tools=[tool, {"type": "web_search_20250305", "name": "web_search", "max_uses": 2}],
        thinking={"type": "enabled", "budget_tokens": 2000, "display": "omitted"},
        metadata={"user_id": "u", "team": "t"},
        output_config={"effort": "low", "task_budget": {}},
        zeal=1,
        quiet=None,
        circuit_breaker={},
    )
    assert anthropic_messages.read(body).unknown == (
        "zeal",
        "messages[0].content[0].context",
        "messages[0].content[0].citations.enabled",
        "messages[0].content[1].content[0].mood",
        "tools[0].defer_loading",
        "tools[0].input_examples",
        "metadata.team",
        "thinking.display",
        "output_config.task_budget",
    )


def test_a_generate_content_request() -> None:
    part = {"fileData": {"fileUri": "gs://a/b", "mimeType": "video/mp4"}, "video_metadata": {"fps": 1}}
    function = {"name": "f", "behavior": "BLOCKING", "response": {"type": "OBJECT"}}
    body = encoded(contents=[{"parts": [part]}], tools=[{"functionDeclarations": [function]}])
    assert google_contents.read(body).unknown == (
        "contents[0].parts[0].videoMetadata",
        "tools[0].functionDeclarations[0].behavior",
        "tools[0].functionDeclarations[0].response",
    )


def test_a_chat_request() -> None:
    image = {"type": "image_url", "image_url": {"url": "https://x/a.png", "size": 1}}
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}", "speed": 1}, "mood": 1}
    body = encoded(
        messages=[{"role": "user", "content": [image]}, {"role": "assistant", "tool_calls": [call]}],
        response_format={"type": "text", "colour": 1},
        stream=True,
        stream_options={"include_usage": True, "zeal": 1},
    )
    assert openai_chat.read(body).unknown == (
        "messages[0].content[0].image_url.size",
        "messages[1].tool_calls[0].mood",
        "messages[1].tool_calls[0].function.speed",
        "response_format.colour",
        "stream_options.zeal",
    )


@pytest.mark.parametrize(
    ("dialect", "model"), [(anthropic, "claude-sonnet-4-6"), (google, "gemini-2.5-flash"), (ollama, "llama3.2")]
)
def test_the_description_of_an_answers_schema_is_named_where_no_wire_holds_it(dialect: Translator, model: str) -> None:
    shape = ResponseFormat("schema", "a", "why", {"type": "object"}, True)
    made = Conversation(model, (Message("user", (Text("Hi"),)),), response_format=shape)
    assert "response_format.json_schema.description" in dialect.encode(made, Target(model)).dropped
