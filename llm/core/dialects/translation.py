"""What a translating dialect offers: the inner language out to a provider's wire, and that wire back into it.

Three pure things per dialect (encode a request, decode a reply, decode a stream) and one for errors. No I/O, no
clock, no randomness: names that must be made up (call ids, reply ids) are derived from a `seed` the caller gives, a
different one for each call. Next file: `anthropic/__init__.py`, one of them; `bridge.py` joins them to clients.
"""

import hashlib
from typing import Any, Protocol

import msgspec

from billing.core.pricing import Usage
from llm.core.conversation import Conversation, Reply, Tool, ToolCall, ToolChoice
from llm.core.deltas import Delta
from llm.core.errors import InvalidRequest, ProviderBroken, ProviderError, redact

RETRYABLE = frozenset({408, 409, 429, 500, 502, 503, 504, 529})
OUR_FAULT = frozenset({401, 402, 403})
"""The provider refuses our key or account: nothing the client could mend."""
KINDS = {404: "not_found_error", 429: "rate_limit_error"}
TOO_LONG = ("prompt is too long", "input token count", "exceed context limit", "context length", "context window")
"""How providers say that a prompt does not fit."""


class Target(msgspec.Struct, frozen=True):
    """The model a request is encoded for."""

    model: str
    """The provider's name for it."""
    max_output_tokens: int | None = None
    """Its limit, for wires on which a limit must be given."""
    context_window: int | None = None
    """For wires that would else cut long prompts in silence."""
    refused: frozenset[str] = frozenset()
    """Members that the provider's row refuses or leaves out. The encoder minds those inside others, and those that only
    some servers added; the rest is `request_fit.py`'s."""


class Outgoing(msgspec.Struct, frozen=True):
    """A request as the provider wants it. `path` follows the provider's base URL."""

    path: str
    headers: dict[str, str]
    """Beside the credentials."""
    body: bytes
    dropped: tuple[str, ...] = ()
    """Fields of the client's request that this wire has no place for."""
    more: tuple[bytes, ...] = ()
    """Further bodies for the same path, where one request cannot hold all: the answer is made of all of theirs."""


class DeltaDecoder(Protocol):
    """One streamed answer: bytes in, cut anywhere, deltas out."""

    @property
    def usage(self) -> Usage | None:
        """The latest known."""
        ...

    done: bool
    """The answer is complete, by the wire's own mark."""
    error: ProviderError | None
    """An error the provider sent in band; nothing comes after it."""

    def feed(self, data: bytes) -> list[Delta]:
        """Raises ProviderBroken for what cannot be this wire."""
        ...

    def finish(self) -> list[Delta]:
        """What is left when the connection has ended."""
        ...


class Translator(Protocol):
    """A dialect module."""

    def credentials(self, secret: str | None) -> dict[str, str]:
        """The headers that carry the key."""
        ...

    def encode(self, conversation: Conversation, target: Target) -> Outgoing:
        """Raises InvalidRequest, naming the field, for what this wire cannot say."""
        ...

    def decode(self, body: bytes, seed: str) -> Reply:
        """Raises ProviderBroken for what is no answer, ProviderError for an error sent with status 200."""
        ...

    def stream(self, seed: str, provider: str, secret: str | None, choices: int = 1) -> DeltaDecoder:
        """`choices`: how many were asked for, for wires that have no end mark of their own."""
        ...

    def decode_error(self, status: int, body: bytes, provider: str, secret: str | None) -> ProviderError: ...


def made_id(prefix: str, seed: str, number: int) -> str:
    """An id the provider should have given: the same for the same call, different for every other."""
    return prefix + hashlib.blake2b(f"{seed}/{number}".encode(), digest_size=12).hexdigest()


def broken(provider: str, body: bytes) -> ProviderBroken:
    """What came is not an answer; its beginning is kept for the log, never for the client."""
    return ProviderBroken(
        f"Provider {provider} answered with something that is no answer.", body=body[:200].decode(errors="replace")
    )


def refused(
    status: int,
    said: str | None,
    provider: str,
    secret: str | None,
    *,
    kind: str | None = None,
    code: str | None = None,
    shown: int | None = None,
    retry_after: float | None = None,
) -> ProviderError:
    """A provider's refusal as ours. `status` is its own, `shown` what the client should see instead, if anything."""
    if status in OUR_FAULT:
        error = ProviderError(f"Provider {provider} refused our credentials or account (HTTP {status}); see the admin.")
        error.wire_code = "provider_authentication_failed"
        error.retryable = True
    else:
        detail = redact(said, secret) if said else f"HTTP {status} without a reason"
        error = ProviderError(f"Provider {provider}: {detail}")
        error.status = shown or (status if 400 <= status < 600 else 502)
        error.kind = (
            (kind and redact(kind, secret))
            or KINDS.get(status)
            or ("invalid_request_error" if error.status < 500 else "upstream_error")
        )
        too_long = status in (400, 413) and said is not None and any(sign in said.lower() for sign in TOO_LONG)
        error.wire_code = "context_length_exceeded" if too_long else (code and redact(code, secret)) or error.wire_code
        error.retryable = status in RETRYABLE
    error.retry_after = retry_after
    error.provider_status = status
    return error


def arguments_of(call: ToolCall, where: str) -> dict[str, Any]:
    """A call's arguments for a wire that wants an object. Raises InvalidRequest naming `where`."""
    try:
        arguments = msgspec.json.decode(call.arguments.strip() or "{}")
    except (msgspec.DecodeError, RecursionError):
        arguments = None
    if not isinstance(arguments, dict):
        raise InvalidRequest(
            f"`{where}`: the arguments of `{call.name}` must be a JSON object, written as text.", where
        )
    return arguments


def as_object(arguments: str) -> dict[str, Any]:
    """A call's arguments for a client that wants an object. Those cut off by a limit, or that are none, stay text under
    `partial_json`: nothing is lost so."""
    try:
        found = msgspec.json.decode(arguments or "{}")
    except (msgspec.DecodeError, RecursionError):
        found = None
    return found if isinstance(found, dict) else {"partial_json": arguments}


def offered(conversation: Conversation) -> tuple[tuple[int, Tool], ...]:
    """The tools with their numbers; where the client allows some of them only, those: the others may not be called."""
    choice: ToolChoice | None = conversation.tool_choice
    numbered = tuple(enumerate(conversation.tools))
    if choice is None or choice.mode not in ("auto", "required") or not choice.names:
        return numbered
    return tuple((number, tool) for number, tool in numbered if tool.name in choice.names)
