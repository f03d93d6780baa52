"""OpenAI's wire, spoken by most providers and by our clients: every operation passes through it as bytes.

Requests: only the model's name changes, our own members are left out and a stream's usage is asked for. Answers are
not touched, but for `usage.cost` where the client asked for it. What is read of them is each operation's own business
(`../operations`). Source: https://platform.openai.com/docs/api-reference
"""

from msgspec import UNSET

from billing.core.pricing import Usage
from llm.core.dialects import openai_errors
from llm.core.dialects.translation import Outgoing
from llm.core.errors import ProviderBroken, ProviderError
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
        if "message" in openai_errors.error_fields(
            body
        ):  # an error with status 200, as some proxies of proxies send it
            raise decode_error(attempt, 502, body) from None
        raise
    if attempt.request.usage is not UNSET and attempt.request.wants_cost:
        body = with_cost(body, usage, attempt)
    return body, usage, ()


def stream(attempt: Attempt) -> StreamDecoder:
    """A decoder for one streamed answer."""
    return attempt.operation.stream(attempt, decode_error)


def decode_error(attempt: Attempt, status: int, body: bytes) -> ProviderError:
    """A provider's refusal as ours."""
    return openai_errors.decode_error(status, body, attempt.provider, attempt.secret)
