"""Requests of each client's wire, as providers of every other wire get them: what the tests of members and names ask.

Bridges only: where client and provider speak one wire, bytes pass and the door's reader is not asked.
"""

import json
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from llm.core.deployment import Deployment
from llm.core.dialects import anthropic, google, ollama
from llm.core.dialects.bridge import Bridge
from llm.core.dialects.openai_chat import translator as openai_chat
from llm.core.dialects.openai_responses import translator as openai_responses
from llm.core.dialects.registry import CLIENTS
from llm.core.dialects.translation import Outgoing
from llm.core.errors import InvalidRequest
from llm.core.operations import Attempt, Operation, chat, contents, messages, responses
from llm.core.snapshot import Model, Provider
from tests.core.dialects.full_item_requests import CONTENTS, RESPONSES
from tests.core.dialects.full_message_requests import CHAT, MESSAGES

Document = dict[str, Any]
Path = tuple[str | int, ...]
REQUESTS: dict[str, tuple[Operation, list[Document]]] = {
    "chat": (chat, CHAT),
    "messages": (messages, MESSAGES),
    "contents": (contents, CONTENTS),
    "responses": (responses, RESPONSES),
}
PROVIDERS: dict[str, tuple[Any, str]] = {
    "openai_chat": (openai_chat, "gpt-4o"),
    "openai_responses": (openai_responses, "gpt-4o"),
    "anthropic": (anthropic, "claude-sonnet-4-6"),
    "google": (google, "gemini-2.5-flash"),
    "ollama": (ollama, "llama3.2"),
}
OWN = {"chat": "openai_chat", "messages": "anthropic", "contents": "google", "responses": "openai_responses"}
"""Where bytes pass: the door's reader is not asked."""


def objects(document: Any, path: Path = ()) -> Iterator[Path]:
    """Where every object of a document stands."""
    if isinstance(document, dict):
        yield path
    inner = document.items() if isinstance(document, dict) else enumerate(document)
    for name, value in inner:
        if isinstance(value, dict | list):
            yield from objects(value, (*path, name))


def written(path: Path) -> str:
    """A path as errors write it."""
    return "".join([f"[{step}]" if isinstance(step, int) else f".{step}" for step in path]).removeprefix(".")


def answered(client: str, provider: str, document: Document) -> tuple[str, bytes, tuple[str, ...]]:
    """The field refused, or what is sent and what is dropped."""
    return _answered(client, provider, json.dumps(document).encode())


@cache
def _answered(client: str, provider: str, body: bytes) -> tuple[str, bytes, tuple[str, ...]]:
    try:
        outgoing = crossed(client, provider, body)
    except InvalidRequest as error:
        assert error.param is not None, error.message
        assert f"`{error.param}" in error.message, "the message names the same"
        return error.param, b"", ()
    return "", outgoing.body, outgoing.dropped


def crossed(client: str, provider: str, body: bytes) -> Outgoing:
    """Raises InvalidRequest."""
    operation, _ = REQUESTS[client]
    translator, model = PROVIDERS[provider]
    deployment = Deployment(Model("m", "p", model), Provider("p", "p", "p", "http://p.test"))
    attempt = Attempt(operation, operation.read(body), body, deployment, None, "id", 0)
    return Bridge(translator, CLIENTS[operation.name]).encode(attempt)


def bare(name: str) -> str:
    return re.sub(r"\[\d+\]", "[]", name)


def covers(name: str, path: str) -> bool:
    """Whether what is named is the path, or what the path lies in."""
    return (bare(path) + ".").startswith(bare(name).split(": ")[0] + ".") or bare(path).startswith(bare(name) + "[")
