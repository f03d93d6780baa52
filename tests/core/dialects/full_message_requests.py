"""Requests of OpenAI's chat and Anthropic's messages that together hold every object the readers know: see `crossed_requests.py`.

Written from the providers' documentation, not from our tables of known members. A request says no more than a provider
of another wire can take, so that each object gets through somewhere.
"""

from typing import Any

Document = dict[str, Any]
PNG = "data:image/png;base64,aWk="
PDF = "data:application/pdf;base64,aWk="
MARK = {"type": "ephemeral", "ttl": "1h"}
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
PLACE = {"country": "DE", "city": "Köln", "region": "NW", "timezone": "Europe/Berlin"}


def chat(**more: Any) -> Document:
    return {"model": "m", "messages": [{"role": "user", "content": "Hi"}], **more}


CHAT: list[Document] = [
    chat(
        messages=[
            {"role": "system", "content": [{"type": "text", "text": "S", "cache_control": MARK}]},
            {
                "role": "user",
                "name": "Ann",
                "content": [
                    {"type": "text", "text": "a"},
                    {"type": "image_url", "image_url": {"url": PNG, "detail": "low"}, "cache_control": MARK},
                    {"type": "file", "file": {"file_data": PDF, "filename": "a.pdf"}, "cache_control": MARK},
                ],
            },
            {
                "role": "assistant",
                "content": "b",
                "reasoning_content": "Hm.",
                "reasoning_details": [{"type": "reasoning.text", "text": "Hm.", "signature": "s", "format": "x"}],
                "tool_calls": [
                    {
                        "id": "c1",
                        "type": "function",
                        "function": {"name": "f", "arguments": "{}"},
                        "extra_content": {"google": {"thought_signature": "c2ln"}},
                    }
                ],
                "extra_content": {"google": {"thought_signature": "c2ln"}},
            },
            {"role": "tool", "tool_call_id": "c1", "content": [{"type": "text", "text": "r"}]},
            {"role": "user", "content": "And?"},
        ],
        tools=[
            {
                "type": "function",
                "function": {"name": "f", "description": "F", "parameters": SCHEMA, "strict": True},
                "cache_control": MARK,
            }
        ],
        tool_choice={
            "type": "allowed_tools",
            "allowed_tools": {"mode": "auto", "tools": [{"type": "function", "function": {"name": "f"}}]},
        },
        response_format={
            "type": "json_schema",
            "json_schema": {"name": "n", "description": "d", "schema": SCHEMA, "strict": True},
        },
        stream=True,
        stream_options={"include_usage": True},
        circuit_breaker={"budget_tracking": {"user_id": "u"}},
        usage={"include": True},
        metadata={"a": "b"},
    ),
    chat(
        messages=[
            {"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "aWk=", "format": "wav"}}]},
            {"role": "assistant", "refusal": "No."},
            {"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]},
        ],
        modalities=["text", "audio"],
        audio={"voice": "v", "format": "wav"},
        prediction={"type": "content", "content": [{"type": "text", "text": "p"}]},
        logit_bias={"5": 1},
    ),
    chat(
        messages=[
            {
                "role": "assistant",
                "tool_calls": [{"id": "c", "type": "custom", "custom": {"name": "g", "input": "x"}}],
            },
            {"role": "tool", "tool_call_id": "c", "content": "r"},
        ],
        tools=[{"type": "custom", "custom": {"name": "g", "description": "G", "format": {"type": "text"}}}],
        tool_choice={"type": "custom", "custom": {"name": "g"}},
    ),
    chat(
        tools=[{"type": "function", "function": {"name": "f"}}],
        tool_choice={"type": "function", "function": {"name": "f"}},
        web_search_options={
            "search_context_size": "low",
            "user_location": {"type": "approximate", "approximate": PLACE},
        },
    ),
]


def messages(**more: Any) -> Document:
    return {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}], **more}


MESSAGES: list[Document] = [
    messages(
        system=[{"type": "text", "text": "S", "cache_control": MARK}],
        messages=[
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "a", "cache_control": MARK},
                    {
                        "type": "image",
                        "source": {"type": "base64", "media_type": "image/png", "data": "aWk="},
                        "cache_control": MARK,
                    },
                ],
            },
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "Hm.", "signature": "s"},
                    {"type": "redacted_thinking", "data": "d"},
                    {"type": "text", "text": "b", "citations": [{"type": "char_location", "cited_text": "c"}]},
                    {"type": "tool_use", "id": "c1", "name": "f", "input": {"city": "Köln"}, "cache_control": MARK},
                ],
            },
            {
                "role": "user",
                "content": [
                    {
                        "type": "tool_result",
                        "tool_use_id": "c1",
                        "is_error": True,
                        "content": [{"type": "text", "text": "r"}],
                        "cache_control": MARK,
                    }
                ],
            },
        ],
        tools=[{"name": "f", "description": "F", "input_schema": SCHEMA, "strict": True, "cache_control": MARK}],
        tool_choice={"type": "auto", "disable_parallel_tool_use": True},
        metadata={"user_id": "u"},
        thinking={"type": "enabled", "budget_tokens": 2000},
        output_config={"effort": "low", "format": {"type": "json_schema", "schema": SCHEMA}},
        circuit_breaker={"budget_tracking": {"user_id": "u"}},
        stream=True,
    ),
    messages(
        messages=[
            {
                "role": "user",
                "content": [
                    {
                        "type": "document",
                        "title": "t",
                        "source": {"type": "base64", "media_type": "application/pdf", "data": "aWk="},
                        "citations": {"enabled": False},
                        "cache_control": MARK,
                    },
                ],
            },
        ],
        tools=[{"type": "custom", "name": "f", "input_schema": SCHEMA}],
        tool_choice={"type": "tool", "name": "f"},
    ),
]
