"""Errors in Anthropic's and in Google's shape, whole and as the last event of a stream, for clients of their wires.

OpenAI's shape is written by `errors.py`. Sources: https://docs.anthropic.com/en/api/errors,
https://ai.google.dev/gemini-api/docs/troubleshooting. Next file: `operations/operation.py`.
"""

import msgspec

from llm.core.errors import LlmError

KINDS = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
    529: "overloaded_error",
}
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


def anthropic_body(error: LlmError) -> bytes:
    """In Anthropic's shape."""
    kind = KINDS.get(error.status) or ("api_error" if error.status >= 500 else "invalid_request_error")
    return _encode({"type": "error", "error": {"type": kind, "message": error.message}})


def anthropic_event(error: LlmError) -> bytes:
    return b"event: error\ndata: " + anthropic_body(error) + b"\n\n"


def google_body(error: LlmError) -> bytes:
    """In Google's shape."""
    status = STATUSES.get(error.status) or ("INTERNAL" if error.status >= 500 else "INVALID_ARGUMENT")
    return _encode({"error": {"code": error.status, "message": error.message, "status": status}})


def google_event(error: LlmError) -> bytes:
    return b"data: " + google_body(error) + b"\n\n"
