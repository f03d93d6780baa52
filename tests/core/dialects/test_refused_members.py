"""Members that other servers added to OpenAI's chat: never sent to OpenAI and Azure, and named; sent where they are known.

Source: https://platform.openai.com/docs/api-reference/chat/create (OpenAI answers 400 for a member it does not know).
"""

import json
from typing import Any

import pytest

from llm.core.deployment import Deployment
from llm.core.dialects.registry import DIALECTS
from llm.core.operations import Attempt, messages
from llm.core.providers import provider_row
from llm.core.snapshot import Model, Provider

MARK = {"type": "ephemeral"}
THINKING = {"type": "thinking", "thinking": "hm", "signature": "seal-of-anthropic"}
CALL = {"type": "tool_use", "id": "c", "name": "f", "input": {}, "cache_control": MARK}
CODED = {
    "model": "m",
    "max_tokens": 9,
    "top_k": 5,
    "system": [{"type": "text", "text": "s", "cache_control": MARK}],
    "tools": [{"name": "f", "input_schema": {"type": "object"}, "cache_control": MARK}],
    "messages": [
        {"role": "user", "content": [{"type": "text", "text": "a", "cache_control": MARK}]},
        {"role": "assistant", "content": [THINKING, CALL]},
        {
            "role": "user",
            "content": [{"type": "tool_result", "tool_use_id": "c", "content": "r", "cache_control": MARK}],
        },
    ],
}
"""As Claude Code sends it."""


def sent(name: str) -> tuple[dict[str, Any], bytes, tuple[str, ...]]:
    """What the provider of that row gets of a messages request, and what was left out."""
    row = provider_row(name)
    assert row is not None
    base_url = row.base_url or "https://x.openai.azure.com/openai/v1"
    provider = Provider(
        row.name, row.provider_type, row.dialect, base_url, members=row.members, leaves_out=row.leaves_out
    )
    body = json.dumps(CODED).encode()
    attempt = Attempt(messages, messages.read(body), body, Deployment(Model("m", name, "up"), provider), None, "id", 0)
    outgoing = DIALECTS[row.dialect].crossings[messages.name].encode(attempt)
    return json.loads(outgoing.body), outgoing.body, outgoing.dropped


@pytest.mark.parametrize("name", ["openai", "azure"])
def test_openai_and_azure_get_none_of_what_others_added_and_the_client_is_told(name: str) -> None:
    body, raw, dropped = sent(name)
    assert body["model"] == "up"
    for member in (b"top_k", b"cache_control", b"reasoning", b"seal-of", b"extra_content"):
        assert member not in raw
    assert set(dropped) == {
        "top_k",
        "tools[].cache_control",
        "messages[].content[].cache_control",
        "messages[].content[].thinking",
    }
    assert body["messages"][0] == {"role": "system", "content": "s"}


@pytest.mark.parametrize("name", ["openrouter", "deepseek"])
def test_others_get_them_but_for_a_foreign_seal(name: str) -> None:
    body, raw, dropped = sent(name)
    assert body["top_k"] == 5
    assert body["tools"][0]["cache_control"] == MARK
    assert body["messages"][0]["content"][0]["cache_control"] == MARK
    assert body["messages"][2]["reasoning_content"] == "hm"
    assert b"seal-of" not in raw
    assert "messages[].content[].signature" in dropped
