"""How OpenAI says that something failed: an error object as the body, or as an event in the stream."""

import msgspec

from llm.sandbox.errors import Refusal
from llm.sandbox.wire import Wire

TOLD = "The sandbox was told to fail here."
_TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}


def error_body(refusal: Refusal) -> bytes:
    """OpenAI's error object, with the `type` that belongs to the status."""
    status = refusal.status
    kind = _TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error")
    error = {"message": refusal.message, "type": kind, "param": refusal.param, "code": refusal.code}
    return msgspec.json.encode({"error": error})


def _error_event(place: int) -> bytes:
    error = {"message": TOLD, "type": "server_error", "code": None}
    return b"data: " + msgspec.json.encode({"error": error}) + b"\n\n"


WIRE = Wire(error_body, _error_event, b'data: {"id":"chatcmpl-sandbox","choices":[{"delta":{"content":\n\n')
