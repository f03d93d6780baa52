"""Errors in Google's shape, whole and as an event. Source: https://ai.google.dev/gemini-api/docs/troubleshooting"""

import msgspec

from llm.core.errors import LlmError

STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
_encode = msgspec.json.Encoder().encode


def error_body(error: LlmError) -> bytes:
    status = STATUSES.get(error.status) or ("INTERNAL" if error.status >= 500 else "INVALID_ARGUMENT")
    return _encode({"error": {"code": error.status, "message": error.message, "status": status}})


def error_event(error: LlmError) -> bytes:
    """In a stream that has begun."""
    return b"data: " + error_body(error) + b"\n\n"
