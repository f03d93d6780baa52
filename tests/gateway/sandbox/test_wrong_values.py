"""A value of the wrong type, or beyond what the provider allows, is refused by every wire in its own words, by name."""

import json
from typing import Any

import pytest

from llm.sandbox.replies import reply
from tests.gateway.sandbox.asking import body

HI = [{"role": "user", "content": "Hi"}]
GENERATE = "/v1beta/models/sandbox:generateContent"
PATHS: dict[str, tuple[str, dict[str, Any]]] = {
    "openai": ("/v1/chat/completions", {"model": "sandbox", "messages": HI}),
    "azure": ("/openai/v1/chat/completions", {"model": "sandbox", "messages": HI}),
    "anthropic": ("/v1/messages", {"model": "sandbox", "messages": HI, "max_tokens": 9}),
    "google": (GENERATE, {"contents": [{"parts": [{"text": "Hi"}]}]}),
    "ollama": ("/api/chat", {"model": "sandbox", "messages": HI, "stream": False}),
}
WRONG: dict[str, list[dict[str, Any]]] = {
    "openai": [
        {"temperature": "hot"},
        {"temperature": 2.5},
        {"top_p": -0.1},
        {"frequency_penalty": 3},
        {"presence_penalty": "x"},
        {"seed": 1.5},
        {"logit_bias": {"5": 101}},
        {"top_logprobs": 21},
        {"user": 5},
        {"metadata": {"a": 1}},
        {"stream": "yes"},
        {"n": 0},
        {"stop": 5},
        {"messages": "Hi"},
        {"messages": []},
        {"tools": [{"type": "function", "function": {"parameters": {}}}]},
        {"max_tokens": 0},
    ],
    "anthropic": [
        {"temperature": 1.5},
        {"temperature": "x"},
        {"top_p": 2},
        {"top_k": -1},
        {"max_tokens": 0},
        {"max_tokens": None},
        {"metadata": {"user_id": 5}},
        {"service_tier": "flex"},
        {"thinking": {"type": "enabled", "budget_tokens": 5}},
        {"thinking": {"type": "on"}},
        {"stop_sequences": "x"},
        {"messages": [{"role": "tool", "content": "x"}]},
        {"tool_choice": {"type": "required"}},
        {"stream": 1},
    ],
    "google": [
        {"generationConfig": {"temperature": 3}},
        {"generationConfig": {"temperature": "x"}},
        {"generationConfig": {"topP": 1.5}},
        {"generationConfig": {"topK": 0}},
        {"generationConfig": {"maxOutputTokens": 0}},
        {"generationConfig": {"stopSequences": "x"}},
        {"generationConfig": {"candidateCount": 9}},
        {"generationConfig": {"thinkingConfig": {"thinkingBudget": "much"}}},
        {"toolConfig": {"functionCallingConfig": {"mode": "required"}}},
        {"contents": []},
        {"contents": "Hi"},
    ],
    "ollama": [
        {"options": {"temperature": "x"}},
        {"options": {"seed": 1.5}},
        {"options": {"num_predict": "x"}},
        {"options": {"num_ctx": []}},
        {"messages": [{"role": "user", "content": 5}]},
        {"messages": [{"role": "user", "content": "x", "images": "abc"}]},
        {"tools": [{"type": "function"}]},
        {"think": []},
    ],
}
WRONG["azure"] = WRONG["openai"]
ROWS = [(wire, wrong) for wire, rows in WRONG.items() for wrong in rows]


@pytest.mark.parametrize(
    ("wire", "wrong"), ROWS, ids=lambda value: value if isinstance(value, str) else json.dumps(value)
)
def test_it_is_refused_in_the_wires_own_words(wire: str, wrong: dict[str, Any]) -> None:
    path, right = PATHS[wire]
    assert reply("POST", path, {}, json.dumps(right).encode()).status == 200
    refused = reply("POST", path, {}, json.dumps({**right, **wrong}).encode())
    assert refused.status == 400
    said = body(refused)
    (field,) = wrong
    if wire in ("openai", "azure"):
        assert set(said["error"]) == {"message", "type", "param", "code"}
        assert said["error"]["type"] == "invalid_request_error"
        assert said["error"]["param"].startswith(field)
    elif wire == "anthropic":
        assert (said["type"], said["error"]["type"]) == ("error", "invalid_request_error")
        assert field in said["error"]["message"]
    elif wire == "google":
        assert (said["error"]["code"], said["error"]["status"]) == (400, "INVALID_ARGUMENT")
        assert field in said["error"]["message"]
    else:
        assert list(said) == ["error"]
        assert field in said["error"]


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
@pytest.mark.parametrize(
    "path",
    [
        "/v1/nothing",
        "/v1/models/unknown",
        "/v1/models/sandbox:unknownVerb",
        "/v1beta/files",
        "/v1beta/models/x:y",
        "/v2",
    ],
)
@pytest.mark.parametrize("by", ["header", "query"])
def test_who_sends_googles_key_hears_google(method: str, path: str, by: str) -> None:
    headers = {"x-goog-api-key": ""} if by == "header" else {}
    asked = path if by == "header" else f"{path}?alt=json&key=AIza-none"
    refused = reply(method, asked, headers, b"{}")
    said = body(refused)
    assert (refused.status, said["error"]["code"], said["error"]["status"]) == (404, 404, "NOT_FOUND")


@pytest.mark.parametrize("verb", ["generateContent", "streamGenerateContent", "countTokens", "embedContent"])
@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b'"x"', b"\xff", b'{"contents":1}'])
def test_an_unreadable_body_is_googles_400(verb: str, raw: bytes) -> None:
    said = body(reply("POST", f"/v1/models/sandbox:{verb}", {"x-goog-api-key": ""}, raw))
    assert (said["error"]["code"], said["error"]["status"]) == (400, "INVALID_ARGUMENT")
    wrong_method = body(reply("GET", f"/v1/models/sandbox:{verb}", {"x-goog-api-key": ""}, b""))
    assert wrong_method["error"]["code"] in (404, 405)
