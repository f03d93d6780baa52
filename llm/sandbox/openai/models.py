"""What is asked with GET: the models, one model, and whether the sandbox is well."""

from typing import Any

import msgspec

from llm.sandbox.errors import Refusal
from llm.sandbox.speech import CREATED
from llm.sandbox.wire import Asked


def listing(asked: Asked, provider: str) -> bytes:
    """The body for any path that is no operation; every name that begins with `provider` is a model. Refusal 404."""
    path = asked.path
    name = path.removeprefix("/v1/models/")
    if asked.method not in ("GET", "HEAD") or (name == path and path not in ("/health", "/v1/models")):
        raise Refusal(404, f"The sandbox serves no {asked.method} {path}.", code="unknown_url")
    if path == "/health":
        return b'{"status":"ok","service":"circuit-breaker-sandbox"}'
    if path == "/v1/models":
        return msgspec.json.encode({"object": "list", "data": [_card(provider)]})
    if not name.startswith(provider):
        raise Refusal(404, f"The model `{name}` does not exist.", param="model", code="model_not_found")
    return msgspec.json.encode(_card(name))


def _card(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": CREATED, "owned_by": "circuit-breaker-sandbox"}
