"""Errors on OpenAI's wire, which most providers speak, in any of the shapes they use: one reader for all of them.

For bytes that pass (`openai.py`) and for both translators (chat, responses). Source:
https://platform.openai.com/docs/guides/error-codes. Next file: `openai.py`.
"""

from typing import Any

import msgspec

from llm.core.dialects.translation import refused
from llm.core.errors import ProviderError, redact

LONGEST = 200
"""Letters of a code, type or parameter."""


def decode_error(status: int, body: bytes, provider: str, secret: str | None) -> ProviderError:
    """A provider's refusal as ours: its status, message, code and param, except where the fault is not the client's.

    `status` 0: the error came in a stream, or with 200.
    """
    fields = error_fields(body)
    said = fields.get("message")
    kind, code, param = [_text(fields.get(name)) for name in ("type", "code", "param")]
    if kind is None and 400 <= status < 500:
        kind = "rate_limit_error" if status == 429 else "invalid_request_error"  # OpenAI has no other, also for 404
    refusal = refused(status or 502, str(said) if said else None, provider, secret, kind=kind, code=code)
    if refusal.wire_code != "provider_authentication_failed":
        refusal.param = param and redact(param, secret)
    return refusal


def error_fields(body: bytes) -> dict[str, Any]:
    """The `error` object of a body, in any of the shapes OpenAI-compatible servers use."""
    try:
        document = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    found = document.get("error", document) if isinstance(document, dict) else document
    return found if isinstance(found, dict) else {"message": found} if isinstance(found, str) else {}


def _text(value: object) -> str | None:
    return str(value)[:LONGEST] if isinstance(value, str | int) and not isinstance(value, bool) else None
