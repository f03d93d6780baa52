"""Lists of models: how each kind of provider is asked, and what is read of what it answers."""

import json
from typing import Any

import pytest

from llm.core.listing import Listing, list_request, read_listing


def read(kind: str, document: Any) -> Listing:
    return read_listing(kind, json.dumps(document).encode())


@pytest.mark.parametrize(
    ("kind", "base_url", "auth", "url", "headers"),
    [
        ("openai", "https://api.openai.com/v1", "bearer", "https://api.openai.com/v1/models", {"authorization": "Bearer k"}),
        ("custom", "http://box:8000/v1/", "none", "http://box:8000/v1/models", {}),
        ("anthropic", "https://api.anthropic.com/v1", "bearer", "https://api.anthropic.com/v1/models?limit=1000", {"x-api-key": "k", "anthropic-version": "2023-06-01"}),
        ("google", "https://g/v1beta/openai", "bearer", "https://g/v1beta/models?pageSize=1000", {"x-goog-api-key": "k"}),
        ("google", "https://g/v1beta", "x-goog-api-key", "https://g/v1beta/models?pageSize=1000", {"x-goog-api-key": "k"}),
        ("ollama", "http://box:11434/v1", "none", "http://box:11434/api/tags", {}),
        ("ollama", "http://box:11434", "none", "http://box:11434/api/tags", {}),
        ("azure", "https://r.openai.azure.com/openai/v1", "api-key", "https://r.openai.azure.com/openai/v1/models", {"api-key": "k"}),
        ("custom", "https://x/v1", "native", "https://x/v1/models", {"authorization": "Bearer k"}),
        ("azure", "https://r.openai.azure.com/openai", "native", "https://r.openai.azure.com/openai/models?api-version=2024-10-21", {"api-key": "k"}),
    ],
)  # fmt: skip
def test_each_kind_is_asked_at_its_own_address(
    kind: str, base_url: str, auth: str, url: str, headers: dict[str, str]
) -> None:
    request = list_request(kind, base_url, auth, "k")
    assert (request.url, request.headers) == (url, headers)


def test_a_request_does_not_print_its_key() -> None:
    assert "sk-secret" not in repr(list_request("openai", "https://x/v1", "bearer", "sk-secret"))


def test_further_pages_are_asked_for_where_there_are_some() -> None:
    first = read("google", {"models": [], "nextPageToken": "a b"})
    assert list_request("google", "https://g/v1beta", "bearer", "k", first.next_page).url.endswith("&pageToken=a%20b")
    more = read("anthropic", {"data": [{"id": "claude-x"}], "has_more": True, "last_id": "claude-x"})
    assert list_request("anthropic", "https://a/v1", "bearer", "k", more.next_page).url.endswith("&after_id=claude-x")
    assert read("anthropic", {"data": [], "has_more": False, "last_id": "x"}).next_page == ""


@pytest.mark.parametrize(
    ("row", "window", "longest", "capabilities", "calling"),
    [
        ({"id": "gpt-5"}, None, None, ("text_generation",), False),
        ({"id": "llama", "context_window": 131072, "max_completion_tokens": 8192}, 131072, 8192, ("text_generation",), False),
        ({"id": "m", "max_context_length": 32768, "capabilities": {"chat_completion": True, "vision": True, "function_calling": True}}, 32768, None, ("text_generation", "vision", "multimodal"), True),
        ({"id": "a/b:free", "context_length": 9, "top_provider": {"max_completion_tokens": 4}, "architecture": {"input_modalities": ["text", "image"]}, "supported_parameters": ["tools"]}, 9, 4, ("text_generation", "vision", "multimodal"), True),
        ({"id": "qwen", "max_model_len": 40960}, 40960, None, ("text_generation",), False),
        ({"id": "local.gguf", "meta": {"n_ctx_train": 4096}}, 4096, None, ("text_generation",), False),
        ({"id": "text-embedding-3-small"}, None, None, ("embeddings",), False),
        ({"id": "BAAI/bge-m3", "type": "embedding"}, None, None, ("embeddings",), False),
        ({"id": "whisper-1"}, None, None, (), False),
        ({"id": "FLUX.1", "type": "image"}, None, None, (), False),
        ({"id": "odd", "context_window": -5, "max_completion_tokens": "many"}, None, None, ("text_generation",), False),
    ],
)  # fmt: skip
def test_what_openai_shaped_lists_say_of_a_model(
    row: dict[str, Any], window: int | None, longest: int | None, capabilities: tuple[str, ...], calling: bool
) -> None:
    (model,) = read("custom", {"data": [row]}).models
    found = (model.context_window, model.max_output_tokens, model.capabilities, model.function_calling)
    assert found == (window, longest, capabilities, calling)


def test_what_gemini_says_of_a_model() -> None:
    rows = [
        {"name": "models/gemini-x", "displayName": "Gemini X", "inputTokenLimit": 10, "outputTokenLimit": 5, "supportedGenerationMethods": ["generateContent"]},
        {"name": "models/gemini-embedding-x", "supportedGenerationMethods": ["embedContent"]},
        {"name": "models/veo-x", "supportedGenerationMethods": ["predictLongRunning"]},
    ]  # fmt: skip
    chat, embedding, video = read("google", {"models": rows}).models
    assert (chat.id, chat.title, chat.context_window, chat.max_output_tokens) == ("gemini-x", "Gemini X", 10, 5)
    assert chat.capabilities == ("text_generation", "vision", "multimodal")
    assert (embedding.capabilities, video.capabilities) == (("embeddings",), ())


def test_a_list_without_anything_around_it_is_read_and_names_that_cannot_be_used_are_skipped() -> None:
    found = read("custom", [{"id": "ok"}, {"id": "bad name"}, {"id": 3}, "text", {"id": "ok"}, {"id": "x" * 300}])
    assert [model.id for model in found.models] == ["ok"]


@pytest.mark.parametrize("body", [b"", b"<html>", b"3", b"{}", b'{"data": 3}', b'{"models": []}', b"\xff"])
def test_what_is_no_list_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        read_listing("openai", body)
