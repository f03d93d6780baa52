"""The model call of an agent: one HTTP request to our own gateway, where limits, budgets and metering live.

Bounded in time (the whole call, not only each read) and in size. Makes no retry of its own: the outbox repeats the
whole effect, and a hidden second call would cost twice. No database, no transaction. Used by `services/executions.py`.
"""

import time
from dataclasses import dataclass

import httpx
from django.conf import settings

from agents.core.errors import ModelCallFailed
from agents.core.loop import Reply
from llm.core.internal import agents_token

REPLY_LIMIT_BYTES = 4 * 1024 * 1024
"""A larger reply is cut off and counts as malformed: more than any model writes, less than hurts a worker."""
CONNECT_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls, as the gateway is told."""

    execution_id: str
    effect_id: str
    """The idempotency key: the same in every attempt."""
    request_id: str


def call_model(caller: Caller, body: bytes) -> Reply:
    """POST an OpenAI chat request to the gateway. Raises ModelCallFailed of kind connection, timeout or malformed."""
    url = f"{settings.GATEWAY_URL.rstrip('/')}/chat/completions"
    limit = float(settings.REQUEST_TIMEOUT_SECONDS)
    headers = {
        "authorization": f"Bearer {agents_token(settings.UPLINK_SECRET)}",
        "content-type": "application/json",
        "x-circuit-breaker-origin": f"agent-execution:{caller.execution_id}",
        "x-request-id": caller.request_id,
        "idempotency-key": caller.effect_id,
    }
    timeout = httpx.Timeout(limit, connect=min(CONNECT_SECONDS, limit))
    try:
        # A client per call: calls take seconds, and a pooled connection that went stale would look like a failure.
        # The gateway is ours, so proxies of the environment do not apply.
        with (
            httpx.Client(timeout=timeout, trust_env=False) as client,
            client.stream("POST", url, content=body, headers=headers) as response,
        ):
            content = _read(response, time.monotonic() + limit, limit)
            return Reply(response.status_code, dict(response.headers), content)
    except httpx.TimeoutException as problem:
        raise _timed_out(limit) from problem
    except httpx.HTTPError as problem:
        raise ModelCallFailed(f"The gateway at {url} could not be used: {problem}", "connection") from problem


def _read(response: httpx.Response, deadline: float, limit: float) -> bytes:
    content = bytearray()
    for chunk in response.iter_bytes():
        content += chunk
        if len(content) > REPLY_LIMIT_BYTES:
            raise ModelCallFailed(f"The reply exceeds {REPLY_LIMIT_BYTES:,} bytes.", "malformed")
        if time.monotonic() > deadline:
            raise _timed_out(limit)
    return bytes(content)


def _timed_out(limit: float) -> ModelCallFailed:
    return ModelCallFailed(
        f"The model call was not finished after {limit:g} seconds (REQUEST_TIMEOUT_SECONDS).", "timeout"
    )
