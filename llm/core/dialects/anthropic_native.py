"""Anthropic's messages passed through as bytes: for Anthropic's own SDKs, when Anthropic itself answers.

What changes is what changes on OpenAI's wire: the model's name, and our own members are left out. The client's
`anthropic-version` and `anthropic-beta` go along; usage and the end of a stream are read by the operation
(`../operations/messages.py`). Source: https://docs.anthropic.com/en/api/messages
"""

from billing.core.pricing import Usage
from llm.core.dialects import anthropic, openai
from llm.core.dialects.anthropic.decoding import said
from llm.core.dialects.anthropic.encoding import VERSION
from llm.core.dialects.translation import Outgoing
from llm.core.errors import ProviderBroken, ProviderError
from llm.core.operations import Attempt, StreamDecoder


def encode(attempt: Attempt) -> Outgoing:
    """The client's bytes with what must change, changed."""
    outgoing = openai.encode(attempt)
    headers = {"anthropic-version": attempt.headers.get(b"anthropic-version", VERSION.encode()).decode("latin-1")}
    beta = attempt.headers.get(b"anthropic-beta")
    if beta is not None:
        headers["anthropic-beta"] = beta.decode("latin-1")
    return Outgoing(outgoing.path, headers, outgoing.body, outgoing.dropped)


def decode(attempt: Attempt, body: bytes) -> tuple[bytes, Usage | None, tuple[str, ...]]:
    try:
        return openai.decode(attempt, body)
    except ProviderBroken:
        if said(body) is not None:
            raise decode_error(attempt, 0, body) from None
        raise


def stream(attempt: Attempt) -> StreamDecoder:
    return attempt.operation.stream(attempt, decode_error)


def decode_error(attempt: Attempt, status: int, body: bytes) -> ProviderError:
    return anthropic.decode_error(status, body, attempt.provider, attempt.secret)
