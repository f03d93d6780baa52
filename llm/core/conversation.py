"""The typed inner language: one chat request, its reply and its stream, whichever wire they came from or go to.

Every dialect in `dialects/` translates from and to these immutable values, so N wires need 2N translations, not N².
They hold what any of the wires can say; `Drops` is the one way to leave something out, and it is never silent: what a
target cannot express is either refused by `cannot` (the answer would have another shape or content) or recorded by
name (hints: sampling, caching, bookkeeping). `chat.py` reads the same requests as bytes, for pass-through.
Next file: `deltas.py`, a reply in pieces.
"""

from typing import Any, Literal, Never

import msgspec

from billing.core.pricing import Usage
from llm.core.errors import UNSUPPORTED, InvalidRequest

Role = Literal["system", "developer", "user", "assistant", "tool"]
Finish = Literal["stop", "length", "tool_calls", "content_filter"]
Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]
MAX_DROPPED = 32
"""Names kept of what was left out; it travels in a response header."""


# Parts: what a message is made of. Each is tagged with its kind when it is written as JSON.


class CacheControl(msgspec.Struct, frozen=True, omit_defaults=True):
    """The prompt up to here is worth caching. `ttl` as Anthropic writes it: 5m or 1h."""

    ttl: str | None = None


class Citation(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where a statement comes from. `start` and `end` are characters of the text part, when the wire gives them."""

    url: str | None = None
    title: str | None = None
    quote: str | None = None
    start: int | None = None
    end: int | None = None
    source: dict[str, Any] | None = None
    """The wire's own object, for the way back to the same wire."""


class Text(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="kind", tag="text"):
    text: str
    citations: tuple[Citation, ...] = ()
    cache: CacheControl | None = None
    signature: str | None = None
    """Gemini signs text, too."""


class Image(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="kind", tag="image"):
    """Either `url` or `data` (base64) with `media_type`."""

    url: str | None = None
    data: str | None = None
    media_type: str | None = None
    detail: str | None = None
    cache: CacheControl | None = None


class Audio(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="kind", tag="audio"):
    """Sound, base64. In a reply also its transcript; `id` refers to an earlier reply's sound."""

    data: str | None = None
    format: str | None = None
    id: str | None = None
    transcript: str | None = None
    expires_at: int | None = None


class File(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="kind", tag="file"):
    """A document: its bytes (base64), its address, or the id the provider knows it by."""

    data: str | None = None
    media_type: str | None = None
    url: str | None = None
    id: str | None = None
    name: str | None = None
    cache: CacheControl | None = None


class Thinking(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="kind", tag="thinking"):
    """Reasoning shown, with the provider's seal on it. `redacted` is reasoning it shows only sealed."""

    text: str = ""
    signature: str | None = None
    redacted: str | None = None
    id: str | None = None
    origin: str | None = None
    """The dialect whose seal it is: never sent to another provider, to which it means nothing."""


class Refusal(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="kind", tag="refusal"):
    text: str


class ToolCall(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="kind", tag="tool_call"):
    """`arguments` is JSON text, never empty; for a custom tool it is free text."""

    id: str
    name: str
    arguments: str = "{}"
    custom: bool = False
    signature: str | None = None
    cache: CacheControl | None = None


class ToolResult(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="kind", tag="tool_result"):
    call_id: str
    parts: tuple[Text | Image | File, ...] = ()
    is_error: bool = False
    cache: CacheControl | None = None


class Native(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="kind", tag="native"):
    """A block only one wire knows (a tool the provider runs itself, and its result), verbatim, for that wire alone."""

    origin: str
    block: dict[str, Any]


Part = Text | Image | Audio | File | Thinking | Refusal | ToolCall | ToolResult | Native


# The request


class Message(msgspec.Struct, frozen=True, omit_defaults=True):
    """One message, in the client's order."""

    role: Role
    parts: tuple[Part, ...] = ()
    name: str | None = None
    place: str | None = None
    """The field of the client's request it came from, where that is not `messages[i]` for number i here."""

    def where(self, number: int) -> str:
        """How an error names this message, number `number` here, to the client."""
        return self.place or f"messages[{number}]"


class Tool(msgspec.Struct, frozen=True, omit_defaults=True):
    """A function the model may call. `parameters` is JSON Schema; None when it takes no arguments."""

    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None
    custom: dict[str, Any] | None = None
    """OpenAI's custom tool: its input format; such a tool has no parameters."""
    cache: CacheControl | None = None
    native: Native | None = None
    """A tool the provider runs itself, as its own wire declares it; nothing but `name` is set beside it."""
    place: str | None = None
    """The field of the client's request it came from, where that is not `tools[i]` for number i here."""

    def where(self, number: int) -> str:
        """How an error names this tool, number `number` here, to the client."""
        return self.place or f"tools[{number}]"


class ToolChoice(msgspec.Struct, frozen=True, omit_defaults=True):
    """`names` are the tools allowed: exactly one must be called when mode is `named`."""

    mode: Literal["auto", "none", "required", "named"]
    names: tuple[str, ...] = ()


class ResponseFormat(msgspec.Struct, frozen=True, omit_defaults=True):
    """`json`: any object; `schema`: an answer that fits `schema`."""

    mode: Literal["text", "json", "schema"]
    name: str | None = None
    description: str | None = None
    schema: dict[str, Any] | None = None
    strict: bool | None = None


class Options(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a request asks for besides its messages. None means not given."""

    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    n: int | None = None
    seed: int | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    logit_bias: dict[str, float] | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    parallel_tool_calls: bool | None = None
    reasoning_effort: Effort | None = None
    thinking_budget: int | None = None
    """Tokens of thinking; 0 turns it off."""
    verbosity: str | None = None
    modalities: tuple[str, ...] = ()
    audio: dict[str, Any] | None = None
    prediction: dict[str, Any] | None = None
    web_search_options: dict[str, Any] | None = None
    service_tier: str | None = None
    store: bool | None = None
    user: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None
    metadata: dict[str, str] | None = None


class Conversation(msgspec.Struct, frozen=True, omit_defaults=True):
    """One chat request."""

    model: str
    messages: tuple[Message, ...]
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice | None = None
    response_format: ResponseFormat | None = None
    options: Options = Options()
    stream: bool = False
    include_usage: bool = False
    unknown: tuple[str, ...] = ()
    """Fields of the request that the inner language has no place for; every other wire drops them, by name."""


# The reply


class TokenLogprob(msgspec.Struct, frozen=True, omit_defaults=True):
    token: str
    logprob: float
    bytes: tuple[int, ...] | None = None
    top: tuple["TokenLogprob", ...] = ()


class SafetyRating(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a provider's filter thought, in its own words."""

    category: str
    level: str
    blocked: bool = False


class Choice(msgspec.Struct, frozen=True, omit_defaults=True):
    index: int
    parts: tuple[Part, ...]
    finish: Finish
    stop_sequence: str | None = None
    native_finish: str | None = None
    """The provider's own word for why it ended."""
    logprobs: tuple[TokenLogprob, ...] = ()
    safety: tuple[SafetyRating, ...] = ()


class Reply(msgspec.Struct, frozen=True, omit_defaults=True):
    """A whole answer. `usage` is None when the provider did not say, or said what cannot be true."""

    id: str
    model: str
    choices: tuple[Choice, ...]
    usage: Usage | None = None


class Drops:
    """The names of what one translation left out, in order, each once."""

    __slots__ = ("_names",)

    def __init__(self, unknown: tuple[str, ...] = ()) -> None:
        self._names: dict[str, None] = dict.fromkeys(unknown)

    def note(self, name: str) -> None:
        self._names[name] = None

    def note_given(self, options: Options, names: tuple[str, ...]) -> None:
        """Those of `names` that the client has set."""
        for name in names:
            value = getattr(options, name)
            if value is not None and value != ():
                self._names[name] = None

    def names(self) -> tuple[str, ...]:
        """At most MAX_DROPPED of them; a last `...` says that there were more."""
        names = tuple(self._names)
        return names if len(names) <= MAX_DROPPED else (*names[: MAX_DROPPED - 1], "...")


def cannot(target: str, what: str, field: str) -> Never:
    """Refuse what `target` has no way to say. Raises InvalidRequest naming the field."""
    advice = "Leave it out, or choose a model of another provider."
    raise InvalidRequest(f"`{field}`: {target} cannot take {what}. {advice}", field, UNSUPPORTED)


def text_of(parts: tuple[Part, ...]) -> str:
    """All plain text of some parts, joined."""
    return "".join([part.text for part in parts if isinstance(part, Text)])
