"""What an operation is: the part of a call that depends on what the client wants done, not on who does it.

An operation is one module with the members of `Operation`, pure: how its request is read, what of the request must
change on OpenAI's wire, how usage is read from a whole reply and from a stream, and how a stream of it ends or fails.
A dialect (`../dialects`) says how a provider's wire carries an operation. `Attempt` is what both get of one try.
Next files: `members.py`, a request's bytes; `chat.py`, the first operation.
"""

from collections.abc import Callable
from typing import Annotated, Protocol

import msgspec
from msgspec import UNSET, UnsetType

from billing.core.pricing import Usage
from llm.core.deployment import Deployment
from llm.core.errors import LlmError, ProviderError
from llm.core.options import Options

Positive = Annotated[int, msgspec.Meta(ge=1)]
Changes = dict[str, bytes | None]
"""Members of a request to change: a member's new JSON, or None to leave it out."""


class UsageWish(msgspec.Struct):
    """OpenRouter's `usage` member of a request; it asks for the cost."""

    include: bool | None = None


class StreamOptions(msgspec.Struct):
    """Only what we read; the rest stays in the bytes."""

    include_usage: bool | None = None


class Request(msgspec.Struct, kw_only=True):
    """The members the gateway acts on in every operation; each operation adds its own. All else stays in the bytes."""

    model: str
    stream: bool | None = None
    user: str | None = None
    usage: UsageWish | UnsetType | None = UNSET
    circuit_breaker: Options | UnsetType | None = UNSET

    @property
    def wants_cost(self) -> bool:
        """Whether the reply's `usage` shall say what it cost."""
        return isinstance(self.usage, UsageWish) and bool(self.usage.include)

    @property
    def wants_usage(self) -> bool:
        """Whether a streaming client asked for the usage chunk."""
        return self.wants_cost

    @property
    def output_limit(self) -> int | None:
        """The most tokens one choice may have, if the client set a limit."""
        return None

    @property
    def choices(self) -> int:
        """How many answers are generated, and paid for, from this one request."""
        return 1


class Attempt(msgspec.Struct, frozen=True, gc=False):
    """One request put to one deployment."""

    operation: "Operation"
    request: Request
    body: bytes
    """As the client sent it."""
    deployment: Deployment
    secret: str | None
    """The provider key in use, to keep it out of what the client sees."""
    id: str
    """The call's own id: what a translation must make up is derived from it."""
    created: int
    """Unix seconds."""
    headers: dict[bytes, bytes] = {}
    """The client's."""
    images: dict[str, tuple[str, str]] = {}
    """Fetched for a wire that takes bytes only: by address, media type and base64."""
    spent_nano: int = 0
    """What the attempts of this call before this one cost."""

    @property
    def provider(self) -> str:
        return self.deployment.provider.name

    def __repr__(self) -> str:
        """Without the key, and without what the client said."""
        return f"Attempt({self.id!r}, {self.operation.name!r}, {self.provider!r}, {self.deployment.model.id!r})"


DecodeError = Callable[[Attempt, int, bytes], ProviderError]
"""How a dialect reads a provider's error: the attempt, the status, the error as JSON."""


class StreamDecoder(Protocol):
    """One streamed answer on its way to the client. Fields are read after the stream has ended."""

    @property
    def usage(self) -> Usage | None: ...

    @property
    def estimated(self) -> bool:
        """Whether `usage` is in part our own estimate."""
        ...

    done: bool
    """The provider said that the answer is complete."""

    @property
    def finished(self) -> bool:
        """A finish reason was seen: with a clean end this is a whole answer even if the provider did not say so."""
        ...

    @property
    def error(self) -> ProviderError | None:
        """An error the provider sent in band."""
        ...

    @property
    def ending(self) -> bytes:
        """What closes a whole answer. Held back here: the gateway sends it once the call is on record."""
        ...

    def feed(self, data: bytes) -> bytes:
        """Bytes from the provider in, bytes for the client out (whole events, perhaps none)."""
        ...

    def finish(self) -> bytes:
        """What is left at the end of the stream."""
        ...

    def estimate_output(self) -> int:
        """Output tokens so far, by our own count."""
        ...

    def failure(self, error: LlmError) -> bytes:
        """How an answer that has begun says that it fails; nothing follows it."""
        ...


class Operation(Protocol):
    """What an operation's module offers. Replies and streams are those of the wire its clients speak."""

    name: str
    """As messages say it."""
    path: str
    """Below a provider's base URL, and below our own `/v1`."""
    embeds: bool
    """It needs a model that embeds, not one that generates."""
    metered: bool
    """It uses tokens, so that a call of it is put on record."""

    def read(self, body: bytes) -> Request:
        """Raises InvalidRequest, naming the parameter."""
        ...

    def changes(self, body: bytes, request: Request) -> Changes:
        """What must be changed for a provider on OpenAI's wire, besides the model's name."""
        ...

    def read_usage(self, body: bytes) -> Usage | None:
        """The usage of a whole reply, if it has one we can believe. Raises ProviderBroken for what is no reply."""
        ...

    def estimate_output(self, body: bytes) -> int:
        """Output tokens of a whole reply that does not say."""
        ...

    def stream(self, attempt: Attempt, decode_error: DecodeError) -> StreamDecoder: ...

    def error_body(self, error: LlmError) -> bytes:
        """An error in the shape that this operation's clients know."""
        ...

    def error_event(self, error: LlmError) -> bytes:
        """The same as the last event of a stream."""
        ...
