"""How Gemini says that something failed, and what it lists: models.

A wait stands in the body, as `RetryInfo`. Sources: https://ai.google.dev/gemini-api/docs/troubleshooting (statuses),
https://ai.google.dev/api/models, https://cloud.google.com/apis/design/errors (RetryInfo)
"""

from typing import Any
from urllib.parse import unquote

import msgspec

from llm.sandbox.errors import Refusal
from llm.sandbox.wire import Asked, Wire

TOLD = "The sandbox was told to fail here."
MODELS = ("/v1beta/models", "/v1/models")
_STATUSES = {
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ABORTED",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
_FAILED = msgspec.json.encode({"error": {"code": 500, "message": TOLD, "status": "INTERNAL"}})
_MALFORMED = b'{"candidates":[{"content":'
_METHODS = ["generateContent", "countTokens", "embedContent", "batchEmbedContents"]


def error_body(refusal: Refusal) -> bytes:
    """Google's error object."""
    message = f"{refusal.param}: {refusal.message}" if refusal.param else refusal.message
    status = _STATUSES.get(refusal.status, "INTERNAL" if refusal.status >= 500 else "INVALID_ARGUMENT")
    error: dict[str, Any] = {"code": refusal.status, "message": message, "status": status}
    if refusal.retry_after is not None:
        wait = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": f"{refusal.retry_after:g}s"}
        error["details"] = [wait]
    return msgspec.json.encode({"error": error})


def listing(asked: Asked, provider: str) -> bytes:
    """The models; every name that begins with `provider` is one. Refusal 404 for all else."""
    root = next((root for root in MODELS if asked.path == root or asked.path.startswith(f"{root}/")), None)
    name = unquote(asked.path).removeprefix(f"{root}/")
    if asked.method not in ("GET", "HEAD") or root is None or ":" in name:
        raise Refusal(404, f"The sandbox serves no {asked.method} {asked.path}.")
    if asked.path == root:
        return msgspec.json.encode({"models": [_card(provider)]})
    if not name.startswith(provider):
        raise Refusal(404, f"models/{name} is not found.")
    return msgspec.json.encode(_card(name))


def _card(name: str) -> dict[str, Any]:
    return {
        "name": f"models/{name}",
        "version": "1",
        "displayName": "Sandbox",
        "description": "Not a language model.",
        "inputTokenLimit": 1_000_000,
        "outputTokenLimit": 65_536,
        "supportedGenerationMethods": _METHODS,
    }


WIRE = Wire(error_body, lambda place: b"data: " + _FAILED + b"\r\n\r\n", b"data: " + _MALFORMED + b"\r\n\r\n")
ARRAY_WIRE = Wire(
    error_body,
    lambda place: (b",\r\n" if place else b"[") + _FAILED + b"]",
    b",\r\n" + _MALFORMED,
    "application/json",
)
