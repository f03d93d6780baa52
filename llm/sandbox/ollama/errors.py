"""How Ollama says that something failed (`{"error": "..."}`, as a body or as a line), and what it lists.

Source: https://docs.ollama.com/api/errors, https://docs.ollama.com/api/tags
"""

import msgspec

from llm.sandbox.errors import Refusal
from llm.sandbox.wire import Asked, Wire

TOLD = "The sandbox was told to fail here."
TIME = "2025-01-01T00:00:00Z"


def error_body(refusal: Refusal) -> bytes:
    message = f"{refusal.param}: {refusal.message}" if refusal.param else refusal.message
    return msgspec.json.encode({"error": message})


def _error_event(place: int) -> bytes:
    return msgspec.json.encode({"error": TOLD}) + b"\n"


def listing(asked: Asked, provider: str) -> bytes:
    """The models and the version. Refusal 404 for all else."""
    if asked.method not in ("GET", "HEAD") or asked.path not in ("/api/tags", "/api/version"):
        raise Refusal(404, f"The sandbox serves no {asked.method} {asked.path}.")
    if asked.path == "/api/version":
        return b'{"version":"0.0.0-sandbox"}'
    details = {
        "parent_model": "",
        "format": "sandbox",
        "family": provider,
        "families": [provider],
        "parameter_size": "0",
        "quantization_level": "none",
    }
    card = {"name": provider, "model": provider, "modified_at": TIME, "size": 0, "digest": "0" * 64, "details": details}
    return msgspec.json.encode({"models": [card]})


WIRE = Wire(error_body, _error_event, b'{"model":"sandbox","message":{"content":\n', "application/x-ndjson")
