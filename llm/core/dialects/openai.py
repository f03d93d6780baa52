"""OpenAI's chat completions wire: spoken by most providers, and our inner language, so bytes pass through.

Requests: only the model name changes, `circuit_breaker` is left out and `stream_options.include_usage` is asked for.
Whole answers: only `usage` is read. Streams: blocks of events go on as they came after one C-speed search; only the
few events that hold usage, an error, a finish reason or `[DONE]` are looked into. `[DONE]` itself is held back: the
gateway sends it once the call is on record. Source: https://platform.openai.com/docs/api-reference/chat
"""

import re
from typing import Any

import msgspec
from msgspec import Raw

from billing.core.pricing import Usage
from llm.core import chat, sse
from llm.core.chat import ChatRequest
from llm.core.errors import ProviderBroken, ProviderError, redact
from llm.core.routing import Deployment
from llm.core.snapshot import Provider, ProviderKey

NOTEWORTHY = re.compile(rb'"usage"\s*:\s*\{|\[DONE\]|"error"\s*:\s*[\{"]|"finish_reason"\s*:\s*"')
INCLUDE_USAGE = b'{"include_usage":true}'
RETRYABLE = frozenset({408, 409, 429, 500, 502, 503, 504, 529})
OUR_FAULT = frozenset({401, 402, 403})
"""The provider refuses our key or account: nothing the client could mend, so it must not look like the client's 401."""


class PromptDetails(msgspec.Struct):
    cached_tokens: int | None = None


class CompletionDetails(msgspec.Struct):
    reasoning_tokens: int | None = None


class WireUsage(msgspec.Struct):
    """OpenAI's `usage` object."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: PromptDetails | None = None
    completion_tokens_details: CompletionDetails | None = None


class Reply(msgspec.Struct):
    """What is read of a whole answer."""

    choices: Raw
    usage: WireUsage | None = None


class DoubtfulReply(msgspec.Struct):
    """The same, when the usage is none we can read."""

    choices: list[Raw]


class Chunk(msgspec.Struct):
    """What is read of a streamed event that may matter."""

    choices: list[dict[str, Raw]] | None = None
    usage: Raw = Raw()
    error: Raw = Raw()


_reply = msgspec.json.Decoder(Reply)
_doubtful_reply = msgspec.json.Decoder(DoubtfulReply)
_chunk = msgspec.json.Decoder(Chunk)
_usage = msgspec.json.Decoder(WireUsage)
_members = msgspec.json.Decoder(dict[str, Raw])


def target(provider: Provider, key: ProviderKey | None) -> tuple[str, dict[str, str]]:
    """The URL of a chat call and the headers that carry the key."""
    url = provider.base_url.rstrip("/") + "/chat/completions"
    if key is None or provider.auth == "none":
        return url, {}
    if provider.auth == "bearer":
        return url, {"authorization": f"Bearer {key.secret}"}
    return url, {provider.auth: key.secret}


def encode(body: bytes, request: ChatRequest, deployment: Deployment) -> bytes:
    """The client's bytes with what must change, changed."""
    changes: dict[str, bytes | None] = {}
    if request.circuit_breaker is not msgspec.UNSET:
        changes["circuit_breaker"] = None
    if request.stream and not request.wants_usage:
        changes["stream_options"] = _with_usage(body, request)
    return chat.rewrite(body, request.model, deployment.model_json, changes)


def _with_usage(body: bytes, request: ChatRequest) -> bytes:
    if request.stream_options is None:
        return INCLUDE_USAGE
    given = _members.decode(_members.decode(body)["stream_options"])
    return msgspec.json.encode({**given, "include_usage": True})


def decode(body: bytes) -> tuple[bytes, Usage | None]:
    """The answer untouched, and its usage if it has one we can believe. Raises ProviderBroken."""
    try:
        usage = _reply.decode(body).usage
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        try:
            _doubtful_reply.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise ProviderBroken("The provider answered 200 with something that is no chat completion.") from None
        return body, None
    return body, None if usage is None else _in_buckets(usage)


def estimate_output(body: bytes) -> int:
    """Four bytes of the messages to a token."""
    return sum(len(bytes(choice)) for choice in _doubtful_reply.decode(body).choices) // 4


def read_usage(raw: Raw | bytes) -> Usage | None:
    """OpenAI's usage in disjoint buckets; None when it is absent or cannot be true."""
    if not _given(raw):
        return None
    try:
        return _in_buckets(_usage.decode(raw))
    except msgspec.DecodeError:
        return None


def _in_buckets(wire: WireUsage) -> Usage | None:
    prompt, completion = wire.prompt_tokens, wire.completion_tokens or 0
    if prompt is None or prompt < 0 or completion < 0:
        return None
    cached = reasoning = 0
    if wire.prompt_tokens_details is not None:
        cached = min(max(wire.prompt_tokens_details.cached_tokens or 0, 0), prompt)
    if wire.completion_tokens_details is not None:
        reasoning = min(max(wire.completion_tokens_details.reasoning_tokens or 0, 0), completion)
    return Usage(input=prompt - cached, cached_input=cached, output=completion - reasoning, reasoning=reasoning)


def decode_error(status: int, body: bytes, provider: str, secret: str | None) -> ProviderError:
    """A provider's refusal as ours: its status, message, code and param, except where the fault is not the client's."""
    fields = _error_fields(body)
    if status in OUR_FAULT:
        error = ProviderError(f"Provider {provider} refused our credentials or account (HTTP {status}); see the admin.")
        error.wire_code = "provider_authentication_failed"
        error.retryable = True
    else:
        said = fields.get("message")
        detail = redact(str(said), secret) if said else f"HTTP {status} without a reason"
        error = ProviderError(f"Provider {provider}: {detail}")
        error.status = status if 400 <= status < 600 else 502
        error.kind = _text(fields.get("type")) or ("invalid_request_error" if error.status < 500 else "upstream_error")
        error.wire_code = _text(fields.get("code")) or error.wire_code
        error.param = _text(fields.get("param"))
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


def _text(value: object) -> str | None:
    return str(value)[:200] if isinstance(value, str | int) and not isinstance(value, bool) else None


def stream(request: ChatRequest, provider: str, secret: str | None) -> "Stream":
    """A decoder for one streamed answer."""
    return Stream(request.wants_usage, provider, secret)


class Stream:
    """See `StreamDecoder`."""

    __slots__ = (
        "_cutter",
        "_provider",
        "_secret",
        "_wants_usage",
        "bytes_out",
        "done",
        "error",
        "events",
        "finished",
        "first",
        "usage",
    )

    def __init__(self, wants_usage: bool, provider: str, secret: str | None) -> None:
        self._cutter = sse.EventCutter()
        self._wants_usage = wants_usage
        self._provider = provider
        self._secret = secret
        self.usage: Usage | None = None
        self.done = False
        self.finished = False
        """A finish reason was seen: with a clean end this is a whole answer even without `[DONE]`."""
        self.error: ProviderError | None = None
        self.events = 0
        self.bytes_out = 0
        self.first = 0
        """Bytes of the first event: what an event costs without content, nearly."""

    def feed(self, data: bytes) -> bytes:
        try:
            block = self._cutter.feed(data)
        except sse.EventTooLarge as error:
            raise ProviderBroken(str(error)) from None
        return self._pass(block) if block else b""

    def finish(self) -> bytes:
        rest = self._cutter.rest()
        if not rest or not sse.data_of(rest):
            return b""
        return self._pass(rest.rstrip(b"\r\n") + b"\n\n")

    def estimate_output(self) -> int:
        """Four bytes of content to a token, and at least a token for each event but the first and the last."""
        content = self.bytes_out - self.events * self.first
        return max(self.events - 2, (content + 3) // 4, 0)

    def _pass(self, block: bytes) -> bytes:
        if NOTEWORTHY.search(block) is not None:
            block = b"".join([event for event, data in sse.events(block) if self._keep(data)])
        if block:
            events = block.count(b"\n\n") + block.count(b"\n\r\n")
            if not self.events:
                self.first = len(block) // max(events, 1)
            self.events += events
            self.bytes_out += len(block)
        return block

    def _keep(self, data: bytes) -> bool:
        """Note what one event says; whether it goes to the client."""
        if data == b"[DONE]":
            self.done = True
            return False
        if not data or NOTEWORTHY.search(data) is None:
            return True
        try:
            chunk = _chunk.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return True
        if _given(chunk.error):
            self.error = decode_error(502, data, self._provider, self._secret)
            return False  # the gateway says it in its own words, without what might be in the provider's
        self.usage = read_usage(chunk.usage) or self.usage
        if chunk.choices and any(bytes(choice.get("finish_reason", b"null")) != b"null" for choice in chunk.choices):
            self.finished = True
        return bool(chunk.choices) or self._wants_usage or not _given(chunk.usage)


def _given(raw: Raw | bytes) -> bool:
    """Whether a member is there and not null."""
    return bytes(raw) not in (b"", b"null")
