"""Requests of Gemini's generateContent and OpenAI's responses that together hold every object the readers know: see `crossed_requests.py`.

Written from the providers' documentation, not from our tables of known members. A request says no more than a provider
of another wire can take, so that each object gets through somewhere.
"""

from typing import Any

Document = dict[str, Any]
PNG = "data:image/png;base64,aWk="
PDF = "data:application/pdf;base64,aWk="
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
PLACE = {"country": "DE", "city": "Köln", "region": "NW", "timezone": "Europe/Berlin"}


def contents(**more: Any) -> Document:
    return {"model": "m", "contents": [{"role": "user", "parts": [{"text": "Hi"}]}], **more}


CONTENTS: list[Document] = [
    contents(
        systemInstruction={"parts": [{"text": "S"}]},
        contents=[
            {"role": "user", "parts": [{"text": "a"}, {"inlineData": {"mimeType": "image/png", "data": "aWk="}}]},
            {
                "role": "model",
                "parts": [
                    {"text": "Hm.", "thought": True, "thoughtSignature": "c2ln"},
                    {"text": "b", "thoughtSignature": "c2ln"},
                    {"functionCall": {"id": "c1", "name": "f", "args": {"city": "Köln"}}, "thoughtSignature": "c2ln"},
                ],
            },
            {
                "role": "user",
                "parts": [
                    {
                        "functionResponse": {
                            "id": "c1",
                            "name": "f",
                            "response": {"error": "r"},
                            "parts": [{"inlineData": {"mimeType": "image/png", "data": "aWk="}}],
                        }
                    }
                ],
            },
        ],
        tools=[{"functionDeclarations": [{"name": "f", "description": "F", "parametersJsonSchema": SCHEMA}]}],
        toolConfig={"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["f"]}},
        generationConfig={
            "thinkingConfig": {"thinkingLevel": "LOW", "includeThoughts": True},
            "responseMimeType": "application/json",
            "responseJsonSchema": SCHEMA,
        },
        circuit_breaker={"budget_tracking": {"user_id": "u"}},
        usage={"include": True},
        stream=True,
    ),
    contents(
        contents=[{"role": "user", "parts": [{"fileData": {"mimeType": "application/pdf", "fileUri": "gs://a/b"}}]}],
        tools=[{"functionDeclarations": [{"name": "f", "parameters": {"type": "OBJECT", "properties": {}}}]}],
    ),
    contents(tools=[{"googleSearch": {}}]),
]


def responses(**more: Any) -> Document:
    return {"model": "m", "input": "Hi", **more}


CITED = {"type": "url_citation", "url": "https://e.org", "title": "E", "start_index": 0, "end_index": 1}
RESPONSES: list[Document] = [
    responses(
        instructions="S",
        input=[
            {
                "type": "message",
                "role": "user",
                "content": [
                    {"type": "input_text", "text": "a"},
                    {"type": "input_image", "image_url": PNG, "detail": "low"},
                    {"type": "input_file", "file_data": PDF, "filename": "a.pdf"},
                ],
            },
            {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "Hm."}]},
            {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "Hm."}]},
            {
                "id": "msg_1",
                "role": "assistant",
                "status": "completed",
                "content": [
                    {
                        "type": "output_text",
                        "text": "b",
                        "annotations": [CITED],
                        "extra_content": {"google": {"thought_signature": "c2ln"}},
                    },
                    {"type": "refusal", "refusal": "No."},
                ],
            },
            {
                "type": "function_call",
                "id": "fc_1",
                "call_id": "c1",
                "name": "f",
                "arguments": "{}",
                "extra_content": {"google": {"thought_signature": "c2ln"}},
            },
            {"type": "function_call_output", "call_id": "c1", "output": [{"type": "input_text", "text": "r"}]},
        ],
        tools=[
            {"type": "function", "name": "f", "description": "F", "parameters": SCHEMA, "strict": True},
        ],
        tool_choice={"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "f"}]},
        text={
            "verbosity": "low",
            "format": {"type": "json_schema", "name": "n", "description": "d", "schema": SCHEMA, "strict": True},
        },
        reasoning={"effort": "low", "summary": "auto"},
        stream=True,
        stream_options={"include_obfuscation": False},
        circuit_breaker={"budget_tracking": {"user_id": "u"}},
        usage={"include": True},
        metadata={"a": "b"},
    ),
    responses(
        input=[
            {"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "aWk=", "format": "wav"}}]},
            {"type": "custom_tool_call", "call_id": "c", "name": "g", "input": "x"},
            {"type": "custom_tool_call_output", "call_id": "c", "output": "r"},
        ],
        tools=[
            {
                "type": "custom",
                "name": "g",
                "description": "G",
                "format": {"type": "grammar", "syntax": "lark", "definition": "start: x"},
            }
        ],
        tool_choice={"type": "custom", "name": "g"},
        text={"format": {"type": "text"}},
    ),
    responses(
        tools=[
            {"type": "function", "name": "f"},
            {"type": "web_search", "search_context_size": "low", "user_location": {"type": "approximate", **PLACE}},
        ],
        tool_choice={"type": "function", "name": "f"},
        text={"format": {"type": "json_object"}},
    ),
]
