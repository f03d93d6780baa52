"""What the sandbox refuses, as OpenAI would: a status and an error object.

`Refusal` is raised by the readers of requests and caught once, in `replies.py`.
"""

import msgspec


class Refusal(Exception):
    """A request the sandbox answers with an error. `status` is the HTTP status."""

    def __init__(self, status: int, message: str, *, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.param = param
        self.code = code


def error_body(status: int, message: str, *, param: str | None = None, code: str | None = None) -> bytes:
    """OpenAI's error object, with the `type` that belongs to the status."""
    error = {"message": message, "type": error_type(status), "param": param, "code": code}
    return msgspec.json.encode({"error": error})


def error_type(status: int) -> str:
    """The `type` OpenAI sends with this status."""
    known = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
    return known.get(status, "server_error" if status >= 500 else "invalid_request_error")
