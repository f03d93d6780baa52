"""How Anthropic says that something failed, and what it lists: models.

Source: https://docs.anthropic.com/en/api/errors (the type of each status), https://docs.anthropic.com/en/api/models-list
"""

from typing import Any

import msgspec

from llm.sandbox.errors import Refusal
from llm.sandbox.wire import Asked, Wire

TOLD = "The sandbox was told to fail here."
_TYPES = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}


def error_body(refusal: Refusal) -> bytes:
    """Anthropic's error object, with the `type` that belongs to the status."""
    kind = _TYPES.get(refusal.status, "api_error" if refusal.status >= 500 else "invalid_request_error")
    message = f"{refusal.param}: {refusal.message}" if refusal.param else refusal.message
    return msgspec.json.encode(
        {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_sandbox"}
    )


def encode(kind: str, members: dict[str, Any]) -> bytes:
    """One event: its type stands in the event line and in the data."""
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), msgspec.json.encode({"type": kind, **members}))


def _error_event(place: int) -> bytes:
    return encode("error", {"error": {"type": "overloaded_error", "message": TOLD}})


def listing(asked: Asked, provider: str) -> bytes:
    """The models; every name that begins with `provider` is one. Refusal 404 for all else."""
    name = asked.path.removeprefix("/v1/models/")
    if asked.method not in ("GET", "HEAD") or (name == asked.path and asked.path != "/v1/models"):
        raise Refusal(404, f"The sandbox serves no {asked.method} {asked.path}.")
    if asked.path == "/v1/models":
        page = {"data": [_card(provider)], "has_more": False, "first_id": provider, "last_id": provider}
        return msgspec.json.encode(page)
    if not name.startswith(provider):
        raise Refusal(404, f"model: {name}")
    return msgspec.json.encode(_card(name))


def _card(name: str) -> dict[str, Any]:
    return {"type": "model", "id": name, "display_name": "Sandbox", "created_at": "2025-01-01T00:00:00Z"}


MALFORMED = b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":\n\n'
WIRE = Wire(error_body, _error_event, MALFORMED)
