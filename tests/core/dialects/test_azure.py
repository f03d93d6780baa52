"""Azure's addresses and quirks. Source: https://learn.microsoft.com/azure/ai-foundry/openai/reference"""

import json

import pytest

from llm.core.dialects import azure
from llm.core.dialects.registry import DIALECTS
from llm.core.operations import OPERATIONS, Attempt
from llm.core.routing import Catalogue, choose
from llm.core.snapshot import Model, Provider, ProviderKey, Snapshot

DATED = "https://x.openai.azure.com/openai"
V1 = "https://x.openai.azure.com/openai/v1"
CHAT = next(one for one in OPERATIONS.values() if one.path == "/chat/completions")


def attempt(base_url: str, upstream: str, **more: object) -> Attempt:
    provider = Provider("azure", "azure", "azure", base_url, auth="api-key", keys=(ProviderKey("1", "sk-1"),))
    catalogue = Catalogue(Snapshot(1, 0, (provider,), (Model("m", "azure", upstream),)))
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": "Hi"}], **more}).encode()
    request = CHAT.read(body)
    return Attempt(CHAT, request, body, choose(CHAT, request, catalogue)[0], "sk-1", "1", 0)


@pytest.mark.parametrize(
    ("base_url", "upstream", "path"),
    [
        (V1, "gpt-4o", "/chat/completions"),
        (V1 + "/", "gpt-4o", "/chat/completions"),
        (DATED, "my gpt", "/deployments/my%20gpt/chat/completions?api-version=2024-10-21"),
    ],
)
def test_the_deployment_stands_in_the_path_or_in_the_body(base_url: str, upstream: str, path: str) -> None:
    outgoing = azure.encode(attempt(base_url, upstream))
    assert outgoing.path == path
    assert json.loads(outgoing.body)["model"] == upstream


@pytest.mark.parametrize(
    ("upstream", "given", "sent"),
    [
        ("gpt-4o", {"max_tokens": 5}, {"max_tokens": 5}),
        ("o3-mini", {"max_tokens": 5}, {"max_completion_tokens": 5}),
        ("gpt-5", {"max_tokens": 5, "max_completion_tokens": 6}, {"max_completion_tokens": 6}),
        ("gpt-5", {"temperature": 1}, {"temperature": 1}),
    ],
)
def test_reasoning_models_get_the_limit_under_its_newer_name(
    upstream: str, given: dict[str, int], sent: dict[str, int]
) -> None:
    body = json.loads(azure.encode(attempt(V1, upstream, **given)).body)
    assert {name: body[name] for name in body if name not in ("model", "messages")} == sent


def test_the_key_goes_in_azures_header() -> None:
    provider = attempt(V1, "gpt-4o").deployment.provider
    assert DIALECTS["azure"].credentials(provider, ProviderKey("1", "sk-1")) == {"api-key": "sk-1"}


def test_a_filtered_prompt_keeps_its_code() -> None:
    body = {"error": {"message": "filtered", "type": None, "param": "prompt", "code": "content_filter", "status": 400}}
    error = azure.decode_error(attempt(V1, "gpt-4o"), 400, json.dumps(body).encode())
    assert (error.status, error.wire_code, error.param) == (400, "content_filter", "prompt")


def test_a_stream_that_begins_without_choices_is_whole() -> None:
    decoder = azure.stream(attempt(V1, "gpt-4o", stream=True))
    stream = (
        b'data: {"choices":[],"created":0,"id":"","model":"","object":"","prompt_filter_results":[]}\n\n'
        b'data: {"id":"c","choices":[{"index":0,"delta":{"content":"x"},"finish_reason":"stop"}]}\n\n'
        b'data: {"id":"c","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":1}}\n\ndata: [DONE]\n\n'
    )
    out = decoder.feed(stream) + decoder.finish()
    assert b'"content":"x"' in out
    assert decoder.done
    assert decoder.usage is not None
    assert decoder.usage.prompt_total == 3
