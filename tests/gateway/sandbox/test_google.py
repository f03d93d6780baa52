"""Gemini's wire in the sandbox: below both versions, whole and streamed, tools, faults, lists of models.

Asked as bytes, without a socket. What is common to all wires is in `test_faults.py`.
"""

import json
from typing import Any

import pytest

from llm.sandbox.playing import Reply
from llm.sandbox.replies import reply

KEY = {"x-goog-api-key": ""}
HELLO: dict[str, Any] = {"contents": [{"role": "user", "parts": [{"text": "hello"}]}]}
SAID = "This is the Circuit Breaker sandbox, not a language model. You said: hello"
WEATHER = {
    "functionDeclarations": [
        {
            "name": "weather",
            "parameters": {"type": "OBJECT", "properties": {"city": {"type": "STRING"}}, "required": ["city"]},
        }
    ]
}


def ask(verb: str, body: dict[str, Any], fault: str = "", version: str = "v1beta") -> Reply:
    headers = {**KEY, "x-sandbox-fault": fault}
    return reply("POST", f"/{version}/models/sandbox:{verb}", headers, json.dumps(body).encode())


def sent(answer: Reply) -> bytes:
    return b"".join(step for step in answer.steps() if isinstance(step, bytes))


def whole(answer: Reply) -> Any:
    return json.loads(sent(answer))


def text(chunks: list[Any]) -> str:
    return "".join(part["text"] for chunk in chunks for part in chunk["candidates"][0]["content"]["parts"])


@pytest.mark.parametrize("version", ["v1", "v1beta"])
def test_both_versions_answer_whole_as_events_and_as_an_array(version: str) -> None:
    assert text([whole(ask("generateContent", HELLO, version=version))]) == SAID
    events = sent(ask("streamGenerateContent?alt=sse", HELLO, version=version)).split(b"\r\n\r\n")
    assert events.pop() == b""
    chunks = [json.loads(event.removeprefix(b"data: ")) for event in events]
    assert text(chunks) == SAID
    assert chunks[-1]["candidates"][0]["finishReason"] == "STOP"
    assert text(whole(ask("streamGenerateContent", HELLO, version=version))) == SAID


def test_a_function_is_called_with_what_its_schema_requires() -> None:
    body = {**HELLO, "tools": [WEATHER], "toolConfig": {"functionCallingConfig": {"mode": "ANY"}}}
    (part,) = whole(ask("generateContent", body))["candidates"][0]["content"]["parts"]
    assert part["functionCall"]["name"] == "weather"
    assert part["functionCall"]["args"] == {"city": "hello"}


def test_a_blocked_prompt_has_a_reason_and_no_candidates() -> None:
    answer = whole(ask("generateContent", HELLO, "blocked=1"))
    assert answer["promptFeedback"]["blockReason"] == "SAFETY"
    assert "candidates" not in answer


def test_a_filtered_answer_ends_for_safety() -> None:
    answer = whole(ask("generateContent", HELLO, "finish=content_filter"))
    assert answer["candidates"][0]["finishReason"] == "SAFETY"


def test_a_wait_stands_in_the_body() -> None:
    answer = ask("generateContent", HELLO, "status=429&retry-after=2")
    assert answer.status == 429
    error = whole(answer)["error"]
    assert error["status"] == "RESOURCE_EXHAUSTED"
    assert error["details"][0]["retryDelay"] == "2s"


def test_one_and_many_embeddings() -> None:
    one = {"content": {"parts": [{"text": "a"}]}, "outputDimensionality": 4}
    vector = whole(ask("embedContent", one))["embedding"]
    assert len(vector["values"]) == 4
    assert whole(ask("batchEmbedContents", {"requests": [one, one]}))["embeddings"] == [vector, vector]


@pytest.mark.parametrize("root", ["/v1/models", "/v1beta/models"])
def test_models_are_listed_and_found(root: str) -> None:
    assert whole(reply("GET", root, KEY, b""))["models"][0]["name"] == "models/sandbox"
    assert whole(reply("GET", f"{root}/sandbox", KEY, b""))["name"] == "models/sandbox"
    missing = reply("GET", f"{root}/another", KEY, b"")
    assert (missing.status, whole(missing)["error"]["status"]) == (404, "NOT_FOUND")


def test_without_googles_key_the_list_is_openais() -> None:
    assert whole(reply("GET", "/v1/models", {}, b""))["object"] == "list"


def test_what_does_not_fit_is_refused_by_name() -> None:
    answer = ask("generateContent", {"contents": []})
    assert answer.status == 400
    assert whole(answer)["error"]["message"].startswith("contents: ")


PARAMETERS = {
    "type": "OBJECT",
    "properties": {"a": {"type": "STRING"}, "b": {"type": "ARRAY", "items": {"multipleOf": 2}}},
}


@pytest.mark.parametrize(
    ("more", "named", "where"),
    [
        ({"future": 1}, "future", ""),
        ({"generationConfig": {"maxTokens": 5}}, "maxTokens", " at 'generation_config'"),
        ({"generation_config": {"max_tokens": 5}}, "max_tokens", " at 'generation_config'"),
        ({"systemInstruction": {"parts": [{"txt": "x"}]}}, "txt", " at 'system_instruction.parts[0]'"),
        (
            {"tools": [{"functionDeclarations": [{"name": "f", "parameters": {"additionalProperties": False}}]}]},
            "additionalProperties",
            " at 'tools[0].function_declarations[0].parameters'",
        ),
        (
            {"tools": [{"functionDeclarations": [{"name": "f", "parameters": PARAMETERS}]}]},
            "multipleOf",
            " at 'tools[0].function_declarations[0].parameters.properties[1].value.items'",
        ),
    ],
)
def test_members_there_are_not_are_refused_as_the_real_api_does(more: dict[str, Any], named: str, where: str) -> None:
    answer = ask("generateContent", {**HELLO, **more})
    said = f'Invalid JSON payload received. Unknown name "{named}"{where}: Cannot find field.'
    assert answer.status == 400
    assert whole(answer)["error"] == {"code": 400, "message": said, "status": "INVALID_ARGUMENT"}


def test_each_unknown_member_is_named_once() -> None:
    answer = ask("generateContent", {**HELLO, "one": 1, "two": 2})
    assert whole(answer)["error"]["message"].count("Unknown name") == 2
    batch = {"requests": [{"content": {"parts": []}}, {"content": {"parts": []}, "odd": 1}]}
    assert "at 'requests[1]'" in whole(ask("batchEmbedContents", batch))["error"]["message"]


def test_what_a_client_names_freely_is_not_looked_into() -> None:
    call = {"functionCall": {"name": "f", "args": {"any": {"thing": 1}}}}
    result = {"functionResponse": {"name": "f", "response": {"what_ever": 1}}}
    declared = {"name": "f", "parametersJsonSchema": {"$defs": {}, "additionalProperties": False}}
    body = {
        "contents": [*HELLO["contents"], {"role": "model", "parts": [call]}, {"parts": [result]}],
        "tools": [{"functionDeclarations": [declared]}, {"googleSearch": {}}],
    }
    assert ask("generateContent", body).status == 200


def test_members_may_be_spelled_as_in_the_proto_files() -> None:
    limited = {**HELLO, "generation_config": {"max_output_tokens": 1}}
    assert whole(ask("generateContent", limited))["candidates"][0]["finishReason"] == "MAX_TOKENS"


def test_a_malformed_tool_result_of_anthropics_wire_is_refused() -> None:
    block = {"type": "tool_result", "tool_use_id": "t1", "content": [3]}
    body = {"model": "sandbox", "max_tokens": 9, "messages": [{"role": "user", "content": [block]}]}
    answer = reply("POST", "/v1/messages", {"anthropic-version": "2023-06-01"}, json.dumps(body).encode())
    assert answer.status == 400
    assert "'t1'" in whole(answer)["error"]["message"]
