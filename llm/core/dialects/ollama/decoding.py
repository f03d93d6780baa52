"""Ollama's answers, one JSON object a line, usage and errors into the inner language.

A whole answer is a stream of one line, so both read alike. `done_reason` is `stop` even when tools are called; `length`
beats them. Counts come with the last line. Next file: `../openai_responses/__init__.py`.
"""

import msgspec

from billing.core.pricing import Usage
from llm.core import sse
from llm.core.assembly import assemble
from llm.core.buckets import count
from llm.core.conversation import Finish, Image, Reply, TokenLogprob
from llm.core.deltas import (
    ArgumentsDelta,
    Delta,
    Finished,
    ImageDelta,
    LogprobsDelta,
    Started,
    TextDelta,
    ThinkingDelta,
    ToolCallStarted,
    UsageDelta,
)
from llm.core.dialects.translation import broken, made_id, refused
from llm.core.errors import ProviderError


class CalledFunction(msgspec.Struct):
    name: str
    arguments: msgspec.Raw = msgspec.Raw(b"{}")


class WireCall(msgspec.Struct):
    function: CalledFunction
    id: str | None = None


class WireMessage(msgspec.Struct):
    content: str | None = None
    thinking: str | None = None
    images: list[str] | None = None
    tool_calls: list[WireCall] | None = None


class WireToken(msgspec.Struct):
    token: str
    logprob: float
    bytes: list[int] | None = None
    top_logprobs: list["WireToken"] | None = None


class Line(msgspec.Struct):
    model: str = ""
    message: WireMessage | None = None
    done: bool = False
    done_reason: str | None = None
    prompt_eval_count: int | None = None
    eval_count: int | None = None
    logprobs: list[WireToken] | None = None
    error: msgspec.Raw = msgspec.Raw()


class Said(msgspec.Struct):
    message: str | None = None


class ErrorBody(msgspec.Struct):
    error: str | Said | None = None


_line = msgspec.json.Decoder(Line)
_error = msgspec.json.Decoder(ErrorBody)


def decode(body: bytes, seed: str) -> Reply:
    """Raises ProviderBroken for what is no answer, ProviderError for an error sent with status 200."""
    decoder = LineDecoder(seed, "ollama", None)
    found = decoder.feed(body.replace(b"\n", b" ") + b"\n")
    if decoder.error is not None:
        raise decoder.error
    if not decoder.done:
        raise broken("ollama", body)
    return assemble(found)


class LineDecoder:
    """See `translation.DeltaDecoder`. At most `sse.MAX_EVENT_BYTES` of a line wait."""

    __slots__ = (
        "_calls",
        "_held",
        "_kind",
        "_part",
        "_provider",
        "_secret",
        "_seed",
        "_size",
        "_started",
        "done",
        "error",
        "usage",
    )

    def __init__(self, seed: str, provider: str, secret: str | None) -> None:
        self._seed = seed
        self._provider = provider
        self._secret = secret
        self._held: list[bytes] = []
        self._size = 0
        self._started = False
        self._kind = ""
        self._part = -1
        self._calls = 0
        self.usage: Usage | None = None
        self.done = False
        self.error: ProviderError | None = None

    def feed(self, data: bytes) -> list[Delta]:
        *lines, rest = data.split(b"\n")
        if lines:
            lines[0] = b"".join([*self._held, lines[0]])
            self._held, self._size = [], 0
        if rest:
            self._held.append(rest)
            self._size += len(rest)
            if self._size > sse.MAX_EVENT_BYTES:
                raise sse.too_large()
        return self._read(lines)

    def finish(self) -> list[Delta]:
        rest, self._held = b"".join(self._held), []
        return self._read([rest])

    def _read(self, lines: list[bytes]) -> list[Delta]:
        found: list[Delta] = []
        for data in lines:
            if self.done or self.error is not None or not data.strip():
                continue
            try:
                line = _line.decode(data)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                raise broken(self._provider, data) from None
            if bytes(line.error) not in (b"", b"null"):
                self.error = decode_error(0, data, self._provider, self._secret)
            else:
                self._line(line, found)
        return found

    def _line(self, line: Line, found: list[Delta]) -> None:
        if not self._started:
            self._started = True
            found.append(Started(made_id("chat-", self._seed, 0), line.model))
        if line.message is not None:
            self._message(line.message, found)
        if line.logprobs:
            found.append(LogprobsDelta(0, tuple([_token(token) for token in line.logprobs])))
        if not line.done:
            return
        self.done = True
        found.append(Finished(0, _finish(line.done_reason, self._calls > 0), line.done_reason))
        if line.eval_count is not None or line.prompt_eval_count is not None:
            self.usage = Usage(input=count(line.prompt_eval_count), output=count(line.eval_count))
            found.append(UsageDelta(self.usage))

    def _message(self, message: WireMessage, found: list[Delta]) -> None:
        if message.thinking:
            found.append(ThinkingDelta(0, self._at("thinking"), message.thinking))
        if message.content:
            found.append(TextDelta(0, self._at("text"), message.content))
        for image in message.images or ():
            found.append(ImageDelta(0, self._at(""), Image(data=image, media_type="image/png")))
        for call in message.tool_calls or ():
            part, index = self._at(""), self._calls
            self._calls += 1
            identity = call.id or made_id("call_", self._seed, index)
            found.append(ToolCallStarted(0, part, index, identity, call.function.name))
            arguments = msgspec.json.format(bytes(call.function.arguments), indent=-1).decode()
            found.append(ArgumentsDelta(0, part, index, arguments))

    def _at(self, kind: str) -> int:
        """The number of the part that more of `kind` belongs to."""
        if not kind or kind != self._kind:
            self._part += 1
        self._kind = kind
        return self._part


def _finish(reason: str | None, calls: bool) -> Finish:
    if reason == "length":
        return "length"
    return "tool_calls" if calls else "stop"


def _token(token: WireToken) -> TokenLogprob:
    raw = None if token.bytes is None else tuple(token.bytes)
    return TokenLogprob(token.token, token.logprob, raw, tuple([_token(other) for other in token.top_logprobs or ()]))


def decode_error(status: int, body: bytes, provider: str, secret: str | None) -> ProviderError:
    """`status` 0: the error came in a stream, or with 200; Ollama gives no reason but words."""
    try:
        error = _error.decode(body).error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        error = None
    said = error.message if isinstance(error, Said) else error
    missing = status == 404 and said is not None and "not found" in said
    return refused(status or 500, said, provider, secret, code="model_not_found" if missing else None)
