"""Azure OpenAI: OpenAI's wire at other addresses, passed through as bytes like that one.

Two kinds of base URL: with the v1 path (`https://NAME.openai.azure.com/openai/v1`) it differs in the key's header only;
with the deployments path (`https://NAME.openai.azure.com/openai`) the deployment stands in the path and `api-version`
in the query, as configured (`azure_version.py`). Reasoning models refuse `max_tokens`: it goes as
`max_completion_tokens`. Streams begin with a chunk about the prompt that has no choices; it passes.
Source: https://learn.microsoft.com/azure/ai-foundry/openai/reference
"""

from typing import Any
from urllib.parse import quote

import msgspec

from billing.core.pricing import Usage
from llm.core.azure_version import query_of
from llm.core.dialects import openai
from llm.core.dialects.reasoning_models import reasons
from llm.core.dialects.translation import Outgoing
from llm.core.errors import ProviderError
from llm.core.operations import Attempt, StreamDecoder
from llm.core.operations.members import rewrite
from llm.core.operations.operation import Changes
from llm.core.request_fit import fit
from llm.core.snapshot import Provider

_members = msgspec.json.Decoder(dict[str, msgspec.Raw])


def encode(attempt: Attempt) -> Outgoing:
    """The client's bytes with what must change, changed, at Azure's address."""
    operation, request, body = attempt.operation, attempt.request, attempt.body
    changes = {**operation.changes(body, request), **_limit(attempt)}
    provider = attempt.deployment.provider
    dropped: tuple[str, ...] = ()
    if provider.members:
        changes, dropped = fit(provider, body, changes)
    changed = rewrite(body, request.model, attempt.deployment.model_json, changes)
    return Outgoing(path(provider, attempt.deployment.model.upstream, operation.path), {}, changed, dropped)


def path(provider: Provider, deployment: str, operation: str) -> str:
    """What follows the base URL."""
    base_url, query = provider.base_url, query_of(provider.base_url, provider.api_version)
    if base_url.rstrip("/").endswith("/v1"):
        return operation + query
    return f"/deployments/{quote(deployment, safe='')}{operation}{query}"


def _limit(attempt: Attempt) -> Changes:
    """`max_tokens` under the name that reasoning models know."""
    if attempt.operation.path != "/chat/completions" or not reasons(attempt.deployment.model.upstream):
        return {}
    given: dict[str, Any] = _members.decode(attempt.body)
    if "max_tokens" not in given:
        return {}
    if "max_completion_tokens" in given:
        return {"max_tokens": None}
    return {"max_tokens": None, "max_completion_tokens": bytes(given["max_tokens"])}


def decode(attempt: Attempt, body: bytes) -> tuple[bytes, Usage | None, tuple[str, ...]]:
    return openai.decode(attempt, body)


def stream(attempt: Attempt) -> StreamDecoder:
    return openai.stream(attempt)


def decode_error(attempt: Attempt, status: int, body: bytes) -> ProviderError:
    """Azure's filter answers 400 with `code: content_filter`, in OpenAI's shape: code and param stay."""
    return openai.decode_error(attempt, status, body)
