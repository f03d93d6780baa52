"""What can go wrong with a model call, as one family; each error knows the HTTP answer it becomes in OpenAI's shape.

    LlmError
    ├── InvalidRequest            400  the client's request, with the parameter at fault
    │   ├── ModelNotFound         404
    │   └── NotFound, MethodNotAllowed, TooLarge, UnsupportedMedia
    ├── InvalidKey                401  no key where one is needed, or not a valid one
    ├── Forbidden                 403  the key is valid and has not this right
    ├── RateLimited               429  the caller has used what it may for now; says when to come back
    ├── Unavailable               503  nobody can answer now; says when to come back
    └── ProviderError             502  a provider failed or refused; `status` is what the client should see
        ├── ProviderUnreachable, ProviderTimeout, ProviderBroken

`retryable` says whether another candidate may succeed. Messages never hold a key: `redact` is applied where foreign
text comes in. The body is written by `body`; nothing else writes OpenAI's error shape.
"""

import base64
from typing import Any, ClassVar
from urllib.parse import quote

import msgspec

UNSUPPORTED = "unsupported_by_provider"
"""The code of a refusal that another provider might not give."""
SHORTEST_ENCODED = 8
"""A shorter piece of base64 would be found in text that has nothing to do with the key."""


class LlmError(Exception):
    """The root. `code` is for GraphQL; `wire_code` is OpenAI's `error.code`."""

    code: ClassVar[str] = "LLM_ERROR"
    status: int = 500
    kind: str = "server_error"
    """OpenAI's `error.type`."""
    wire_code: str | None = None
    param: str | None = None
    retryable: bool = False
    retry_after: float | None = None
    """Seconds."""

    def __init__(self, message: str, **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.details = details


class InvalidRequest(LlmError):
    """The request cannot be answered as it is; sending it again would not help."""

    code = "INVALID_REQUEST"
    status = 400
    kind = "invalid_request_error"

    def __init__(self, message: str, param: str | None = None, wire_code: str | None = None) -> None:
        super().__init__(message)
        self.param = param
        self.wire_code = wire_code


class ModelNotFound(InvalidRequest):
    code = "MODEL_NOT_FOUND"
    status = 404

    def __init__(self, name: str) -> None:
        super().__init__(
            f"The model `{name}` does not exist, is switched off, or is offered by no configured provider. See GET "
            "/v1/models, and Models in the admin.",
            "model",
            "model_not_found",
        )


class NotFound(InvalidRequest):
    code = "NOT_FOUND"
    status = 404


class MethodNotAllowed(InvalidRequest):
    """`allowed` goes into the `Allow` header."""

    code = "METHOD_NOT_ALLOWED"
    status = 405

    def __init__(self, message: str, allowed: str) -> None:
        super().__init__(message)
        self.allowed = allowed


class UnsupportedMedia(InvalidRequest):
    code = "UNSUPPORTED_MEDIA"
    status = 415


class InvalidKey(LlmError):
    """No key, or one that is unknown, revoked or expired."""

    code = "INVALID_API_KEY"
    status = 401
    kind = "invalid_request_error"
    wire_code = "invalid_api_key"


class Forbidden(LlmError):
    """The key is valid, and has not this right."""

    code = "FORBIDDEN"
    status = 403
    kind = "invalid_request_error"

    def __init__(self, message: str, wire_code: str) -> None:
        super().__init__(message)
        self.wire_code = wire_code


class RateLimited(LlmError):
    """`kind` is what has run out: requests or tokens; `lacking` the same, or slots where too many are under way.
    `lines` are headers that say how much is left."""

    code = "RATE_LIMITED"
    status = 429
    wire_code = "rate_limit_exceeded"

    def __init__(self, message: str, lacking: str, retry_after: float | None, lines: bytes) -> None:
        super().__init__(message)
        self.lacking = lacking
        self.kind = "tokens" if lacking == "tokens" else "requests"
        self.retry_after = retry_after
        self.lines = lines


class Unavailable(LlmError):
    """Nothing is wrong with the request; come back in `retry_after` seconds."""

    code = "UNAVAILABLE"
    status = 503
    wire_code = "unavailable"

    def __init__(self, message: str, retry_after: float, wire_code: str = "unavailable") -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.wire_code = wire_code


class ProviderError(LlmError):
    """The provider refused or failed. `provider_status` is what it answered, 0 if it did not."""

    code = "PROVIDER_ERROR"
    status = 502
    kind = "upstream_error"
    wire_code = "provider_error"
    provider_status: int = 0
    cause: ClassVar[str] = "status"
    """How it failed, in one word, for counting."""


class ProviderUnreachable(ProviderError):
    """No connection, so nothing was sent."""

    code = "PROVIDER_UNREACHABLE"
    cause = "unreachable"
    wire_code = "provider_unreachable"
    retryable = True


class ProviderTimeout(ProviderError):
    code = "PROVIDER_TIMEOUT"
    cause = "timeout"
    status = 504
    wire_code = "provider_timeout"


class ProviderBroken(ProviderError):
    """The connection broke, or what came was not an answer."""

    code = "PROVIDER_BROKEN"
    cause = "broken"
    wire_code = "provider_broken"
    retryable = True


def body(error: LlmError) -> bytes:
    """The error in OpenAI's shape."""
    fields = {"message": error.message, "type": error.kind, "param": error.param, "code": error.wire_code}
    return msgspec.json.encode({"error": fields})


def event(error: LlmError) -> bytes:
    """The same as an event of a stream."""
    return b"data: " + body(error) + b"\n\n"


def redact(text: str, secret: str | None) -> str:
    """Foreign text without our key, in any of the forms it may be repeated in, and cut to a length one can read."""
    if secret:
        for form in _written(secret):
            text = text.replace(form, "***")
    return text if len(text) <= 2_000 else text[:2_000] + "…"


def redact_error(error: LlmError, secret: str | None) -> None:
    """The same for all that an error says, where a provider's own words may stand in any member of it."""
    error.message = redact(error.message, secret)
    error.kind = redact(error.kind, secret)
    error.wire_code = error.wire_code and redact(error.wire_code, secret)
    error.param = error.param and redact(error.param, secret)


def _written(secret: str) -> list[str]:
    """The key plain, URL-encoded, and in base64 wherever it begins there, less what its neighbours decide."""
    forms = [secret, quote(secret, safe=""), quote(secret)]
    for before, skip in ((0, 0), (1, 2), (2, 3)):
        whole = (before + len(secret.encode())) * 8 // 6
        encoded = base64.b64encode(b"x" * before + secret.encode()).decode()[skip:whole]
        if len(encoded) >= SHORTEST_ENCODED:
            forms += [encoded, encoded.replace("+", "-").replace("/", "_")]
    return forms
