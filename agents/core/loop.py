"""One run of an agent: what is asked of the model, what its reply means, what a failure allows.

Pure: the call itself comes in as `call_model`, so the loop knows no HTTP, no clock and no database. Today a run is one
call. Tools take their place in `run`, between a reply and its answer. Next: `agents/gateway.py` (the call),
`agents/services/executions.py` (the run made durable).
"""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from email.utils import parsedate_to_datetime
from typing import Any

import msgspec

from agents.core import prompt
from agents.core.definition import LlmConfig, Prompts, RetryConfig
from agents.core.errors import BadDefinition, ModelCallFailed
from agents.core.mapping import parse_answer, without_unstorable
from agents.core.tools import Tool

RETRYABLE_KINDS = ("timeout", "conflict", "rate_limit", "server_error", "connection", "malformed")
"""Kinds of failure another attempt may mend. `refused` (any other status, or the model declined) is not one."""

LONGEST_WAIT_SECONDS = 3600.0
_MESSAGE_LIMIT = 1000


@dataclass(frozen=True, slots=True)
class Ask:
    """Everything one run needs. The prompts are rendered."""

    model: str
    system: str
    user: str
    config: LlmConfig
    tools: Sequence[Tool] = ()


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back over HTTP. Header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


CallModel = Callable[[bytes], Reply]
"""Sends one OpenAI chat request (its JSON). Raises ModelCallFailed of kind `connection` or `timeout`."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The result of a run, ready to be stored."""

    text: str
    output: dict[str, Any]
    """The answer's own keys if it is a JSON object, else {"content": text}."""
    model: str
    """The model that answered, as it names itself."""
    finish_reason: str
    prompt_tokens: int
    completion_tokens: int
    cost_usd: Decimal | None
    """As told by the gateway; None if it told nothing."""
    request_id: str


def compose(model: str, prompts: Prompts, config: LlmConfig, variables: Mapping[str, Any]) -> Ask:
    """The request of a run, its templates filled in. Raises UnknownVariable, PromptTooLong."""
    system = [
        prompt.render(f"prompts.{name}", template, variables)
        for name, template in (("system", prompts.system), ("contextInstructions", prompts.context_instructions))
        if template
    ]
    user = prompt.render("prompts.userTemplate", prompts.user_template or "{input_data}", variables)
    return Ask(model=model, system="\n\n".join(system), user=user, config=config)


def run(ask: Ask, call_model: CallModel) -> Answer:
    """Ask the model until it has answered: once, while there are no tools. Raises ModelCallFailed."""
    reply = call_model(request_body(ask))
    if reply.status != 200:
        raise failure_of(reply)
    return read_answer(reply)


def request_body(ask: Ask) -> bytes:
    """The OpenAI chat request as JSON."""
    messages = [{"role": "system", "content": ask.system}] if ask.system else []
    messages.append({"role": "user", "content": ask.user})
    config = ask.config
    fields: dict[str, Any] = {
        "model": ask.model,
        "messages": messages,
        "temperature": config.temperature,
        "max_tokens": config.max_tokens,
        "top_p": config.top_p,
        "frequency_penalty": config.frequency_penalty,
        "presence_penalty": config.presence_penalty,
        "stop": config.stop_sequences,
        "tools": [_offered(tool) for tool in ask.tools] or None,
    }
    return json.dumps({name: value for name, value in fields.items() if value is not None}).encode()


class _Message(msgspec.Struct):
    content: str | None = None
    refusal: str | None = None


class _Choice(msgspec.Struct):
    message: _Message
    finish_reason: str | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: int = 0
    completion_tokens: int = 0


class _Completion(msgspec.Struct):
    choices: list[_Choice]
    model: str = ""
    usage: _Usage | None = None


def read_answer(reply: Reply) -> Answer:
    """The answer in a 200 reply. Raises ModelCallFailed: `malformed`, or `refused` when the model declined."""
    try:
        # Not msgspec's own decoder: it refuses a whole answer for half a surrogate pair, which `mapping` can mend.
        completion = msgspec.convert(json.loads(reply.body), _Completion)
    except (ValueError, RecursionError) as problem:  # msgspec's errors are ValueErrors
        raise ModelCallFailed(f"The reply is no chat completion: {problem}", "malformed", status=200) from None
    if not completion.choices:
        raise ModelCallFailed("The reply holds no choices.", "malformed", status=200)
    choice = completion.choices[0]
    if choice.message.content is None and choice.message.refusal:
        raise ModelCallFailed(f"The model refused: {_short(choice.message.refusal)}", "refused", status=200)
    text: str = without_unstorable(choice.message.content or "")
    usage = completion.usage or _Usage()
    return Answer(
        text=text,
        output=parse_answer(text),
        model=without_unstorable(completion.model[:200]),
        finish_reason=without_unstorable((choice.finish_reason or "")[:50]),
        prompt_tokens=usage.prompt_tokens,
        completion_tokens=usage.completion_tokens,
        cost_usd=_cost(reply.headers.get("x-circuit-breaker-cost")),
        request_id=without_unstorable(reply.headers.get("x-request-id", "")[:200]),
    )


def failure_of(reply: Reply) -> ModelCallFailed:
    """The error for a reply that is not 200: its kind, the provider's message, how long to wait."""
    kinds = {408: "timeout", 409: "conflict", 429: "rate_limit"}
    kind = kinds.get(reply.status, "server_error" if reply.status >= 500 else "refused")
    return ModelCallFailed(
        f"The model call was answered with status {reply.status}: {_said(reply.body)}",
        kind,
        status=reply.status,
        retry_after_seconds=retry_after(reply.headers),
    )


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds asked for by Retry-After (RFC 9110, 10.2.3), 0 to LONGEST_WAIT_SECONDS; None if absent or unreadable.

    The date form is read against the reply's own Date header, so clocks need not agree.
    """
    given = headers.get("retry-after", "").strip()
    try:
        seconds = float(given)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(given) - parsedate_to_datetime(headers["date"])).total_seconds()
        except (KeyError, ValueError, TypeError):
            return None
    return min(max(seconds, 0.0), LONGEST_WAIT_SECONDS) if math.isfinite(seconds) else None


def check_retry_config(retry: RetryConfig) -> None:
    """Raise BadDefinition for an entry of `retryOnErrors` that could never be retried."""
    for position, word in enumerate(retry.retry_on_errors):
        if word not in RETRYABLE_KINDS and not _retryable_status(word):
            raise BadDefinition(
                f"retryConfig.retryOnErrors[{position}]",
                f"{word!r} is neither one of {', '.join(RETRYABLE_KINDS)} nor a status 408, 409, 429 or 5xx.",
            )


def wait_before_retry(failure: ModelCallFailed, failed_calls: int, retry: RetryConfig) -> float | None:
    """Seconds until the next attempt after `failed_calls` failures (this one included); None: give up."""
    wanted = retry.retry_on_errors
    if failure.kind not in RETRYABLE_KINDS or failed_calls >= retry.max_attempts:
        return None
    if wanted and failure.kind not in wanted and str(failure.status) not in wanted:
        return None
    backoff = min(retry.backoff_seconds * 2.0 ** min(failed_calls - 1, 30), LONGEST_WAIT_SECONDS)
    return max(backoff, failure.retry_after_seconds or 0.0)


def _retryable_status(word: str) -> bool:
    return word in ("408", "409", "429") or (len(word) == 3 and word.isdigit() and word[0] == "5")


def _offered(tool: Tool) -> dict[str, Any]:
    function = {"name": tool.name, "description": tool.description, "parameters": dict(tool.parameters)}
    return {"type": "function", "function": function}


def _said(body: bytes) -> str:
    """The message of an OpenAI error body, else the start of the body."""
    try:
        said = json.loads(body)["error"]["message"]
    except (ValueError, KeyError, TypeError, RecursionError):
        said = body.decode("utf-8", "replace")
    return _short(str(said)) or "(no body)"


def _short(text: str) -> str:
    cleaned: str = without_unstorable(text)
    return cleaned if len(cleaned) <= _MESSAGE_LIMIT else f"{cleaned[:_MESSAGE_LIMIT]}…"


def _cost(given: str | None) -> Decimal | None:
    """USD as told in a header; None for what is no amount of money."""
    try:
        cost = Decimal(given) if given else None
    except InvalidOperation:
        return None
    return cost if cost is not None and cost.is_finite() and 0 <= cost < 10**9 else None
