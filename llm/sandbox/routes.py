"""Which path is which operation of which wire, and in whose words everything else is answered.

A new wire adds its table and, if models stand in its paths, its finder here, and nothing else outside its folder.
"""

from collections.abc import Callable
from typing import Protocol

from llm.sandbox import anthropic, azure, google, ollama, openai
from llm.sandbox.wire import Asked, Operation, Wire


class _Owner(Protocol):
    """What each wire's folder offers besides operations."""

    @property
    def WIRE(self) -> Wire: ...  # noqa: N802  # a constant of the module

    @property
    def listing(self) -> Callable[[Asked, str], bytes]: ...


_EXACT: dict[str, Operation] = {**openai.OPERATIONS, **anthropic.OPERATIONS, **ollama.OPERATIONS, **azure.OPERATIONS}


def find(asked: Asked) -> Operation | None:
    """The operation behind a path, or None."""
    found = _EXACT.get(asked.path)
    if found is not None:
        return found
    if asked.path.startswith(("/v1beta/models/", "/v1/models/")):
        return google.find(asked)
    return azure.find(asked.path) if asked.path.startswith("/openai/deployments/") else None


def wire_of(asked: Asked) -> Wire:
    """In whose words an error for this path is said; OpenAI's for a path nobody has."""
    found = find(asked)
    return found.wire if found is not None else _owner(asked).WIRE


def listing_of(asked: Asked) -> Callable[[Asked, str], bytes]:
    """What answers a path that is no operation: lists of models, versions, health; else Refusal 404."""
    return _owner(asked).listing


def _owner(asked: Asked) -> _Owner:
    path = asked.path
    if path.startswith("/v1beta/") or "x-goog-api-key" in asked.headers or _has_key(asked.query):
        return google
    if path.startswith("/api/"):
        return ollama
    if path.startswith("/openai/"):
        return azure
    return anthropic if "anthropic-version" in asked.headers else openai


def _has_key(query: str) -> bool:
    """Gemini's other way to send a key: `?key=`."""
    return query.startswith("key=") or "&key=" in query
