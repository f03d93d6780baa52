"""The wires we speak to providers. A dialect is one module with the members of `Dialect`; `DIALECTS` is the table of
them.

A provider that differs only in data (address, key header) is a row in `providers.py`, not a dialect. The OpenAI chat
wire is also the inner language, so `openai` passes bytes through; any other dialect translates to and from it.
"""

from typing import Protocol

from billing.core.pricing import Usage
from llm.core.chat import ChatRequest
from llm.core.dialects import openai
from llm.core.errors import ProviderError
from llm.core.routing import Deployment
from llm.core.snapshot import Provider, ProviderKey


class StreamDecoder(Protocol):
    """One streamed answer on its way to the client. Fields are read after the stream has ended."""

    usage: Usage | None
    done: bool
    """The provider said that the answer is complete."""
    finished: bool
    """A finish reason was seen: with a clean end this is a whole answer even if the provider did not say so."""
    error: ProviderError | None
    """An error the provider sent in band."""

    def feed(self, data: bytes) -> bytes:
        """Bytes from the provider in, bytes for the client out (whole events, perhaps none)."""
        ...

    def finish(self) -> bytes:
        """What is left at the end of the stream."""
        ...

    def estimate_output(self) -> int:
        """Output tokens so far, by our own count."""
        ...


class Dialect(Protocol):
    """What a dialect module offers."""

    def target(self, provider: Provider, key: ProviderKey | None) -> tuple[str, dict[str, str]]:
        """The URL of a chat call and the headers that carry the key."""
        ...

    def encode(self, body: bytes, request: ChatRequest, deployment: Deployment) -> bytes:
        """The client's request as the provider wants it."""
        ...

    def decode(self, body: bytes) -> tuple[bytes, Usage | None]:
        """A whole answer as the client wants it, and its usage. Raises ProviderBroken."""
        ...

    def estimate_output(self, body: bytes) -> int:
        """Output tokens of a whole answer that does not say."""
        ...

    def decode_error(self, status: int, body: bytes, provider: str, secret: str | None) -> ProviderError: ...

    def stream(self, request: ChatRequest, provider: str, secret: str | None) -> StreamDecoder: ...


DIALECTS: dict[str, Dialect] = {"openai": openai}
