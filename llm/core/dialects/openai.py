"""OpenAI's wire, spoken by most providers and by our clients: every operation passes through it as bytes.

Requests: only the model's name changes, our own members are left out and a stream's usage is asked for. Answers are
not touched, but for `usage.cost` where the client asked for it. What is read of them is each operation's own business
(`../operations`). Source: https://platform.openai.com/docs/api-reference
"""

from typing import Any

import msgspec
from msgspec import UNSET

from billing.core.pricing import Usage
from llm.core.dialects.translation import OUR_FAULT, RETRYABLE, Outgoing
from llm.core.errors import ProviderBroken, ProviderError, redact
from llm.core.operations import Attempt, StreamDecoder
from llm.core.operations.members import rewrite
from llm.core.operations.usage import with_cost
from llm.core.request_fit import fit

NOTHING: dict[str, str] = {}


def encode(attempt: Attempt) -> Outgoing:
    """The client's bytes with what must change, changed."""
    operation, request, body = attempt.operation, attempt.request, attempt.body
    changes, provider = operation.changes(body, request), attempt.deployment.provider
    dropped: tuple[str, ...] = ()
    if provider.members:
        changes, dropped = fit(provider, body, changes)
    changed = rewrite(body, request.model, attempt.deployment.model_json, changes)
    return Outgoing(operation.path, NOTHING, changed, dropped)


def decode(attempt: Attempt, body: bytes) -> tuple[bytes, Usage | None, tuple[str, ...]]:
    """The answer untouched, its usage if it has one we can believe, and nothing left out.

    Raises ProviderBroken, ProviderError.
    """
    try:
        usage = attempt.operation.read_usage(body)
    except ProviderBroken:
        if "message" in _error_fields(body):  # an error with status 200, as some proxies of proxies send it
            raise decode_error(attempt, 502, body) from None
        raise
    if attempt.request.usage is not UNSET and attempt.request.wants_cost:
        body = with_cost(body, usage, attempt)
    return body, usage, ()


def stream(attempt: Attempt) -> StreamDecoder:
    """A decoder for one streamed answer."""
    return attempt.operation.stream(attempt, decode_error)


def decode_error(attempt: Attempt, status: int, body: bytes) -> ProviderError:
    """A provider's refusal as ours: its status, message, code and param, except where the fault is not the client's."""
    provider, fields = attempt.provider, _error_fields(body)
    if status in OUR_FAULT:
        error = ProviderError(f"Provider {provider} refused our credentials or account (HTTP {status}); see the admin.")
        error.wire_code = "provider_authentication_failed"
        error.retryable = True
    else:
        said = fields.get("message")
        detail = redact(str(said), attempt.secret) if said else f"HTTP {status} without a reason"
        error = ProviderError(f"Provider {provider}: {detail}")
        error.status = status if 400 <= status < 600 else 502
        usual = "rate_limit_error" if status == 429 else "invalid_request_error" if error.status < 500 else None
        error.kind = _text(fields.get("type"), attempt.secret) or usual or "upstream_error"
        error.wire_code = _text(fields.get("code"), attempt.secret) or error.wire_code
        error.param = _text(fields.get("param"), attempt.secret)
        error.retryable = status in RETRYABLE
    error.provider_status = status
    return error


def _error_fields(body: bytes) -> dict[str, Any]:
    """The `error` object of a body, in any of the shapes OpenAI-compatible servers use."""
    try:
        document = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    found = document.get("error", document) if isinstance(document, dict) else document
    return found if isinstance(found, dict) else {"message": found} if isinstance(found, str) else {}


def _text(value: object, secret: str | None) -> str | None:
    return redact(str(value), secret)[:200] if isinstance(value, str | int) and not isinstance(value, bool) else None
