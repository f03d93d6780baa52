"""Errors in Anthropic's shape, whole and as an event. Source: https://docs.anthropic.com/en/api/errors"""

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
_encode = msgspec.json.Encoder().encode


def error_body(error: LlmError) -> bytes:
    """An error in Anthropic's shape."""
    kind = KINDS.get(error.status) or ("api_error" if error.status >= 500 else "invalid_request_error")
    return _encode({"type": "error", "error": {"type": kind, "message": error.message}})


def error_event(error: LlmError) -> bytes:
    """An error in a stream that has begun."""
    return b"event: error\ndata: " + error_body(error) + b"\n\n"
