"""What a dialect is: how it carries its key, and one `Crossing` for each operation its wire can carry.

A crossing brings one operation to the provider and its answer back. It passes the bytes through where client and
provider speak the same wire (`openai.py`, `azure.py`, `anthropic_native.py`), and is a `Bridge` (bridge.py) where they
do not. Next file: `registry.py`.
"""

from collections.abc import Callable, Mapping
from typing import Protocol

from billing.core.pricing import Usage
from llm.core.dialects.translation import Outgoing
from llm.core.errors import ProviderError
from llm.core.operations import Attempt, StreamDecoder
from llm.core.snapshot import Provider, ProviderKey

EVENT_STREAM = b"text/event-stream"


class Crossing(Protocol):
    """See the header."""

    @property
    def stream_types(self) -> tuple[bytes, ...]:
        """What the content type of a streamed answer may begin with."""
        ...

    @property
    def wants_bytes(self) -> bool:
        """The wire takes images as bytes only: those given by address must be fetched before `encode`."""
        ...

    def addresses(self, attempt: Attempt) -> tuple[str, ...]:
        """Of those images, if it wants bytes. Raises InvalidRequest."""
        ...

    def encode(self, attempt: Attempt) -> Outgoing:
        """The client's request as the provider wants it. Raises InvalidRequest for what this wire cannot say."""
        ...

    def decode(self, attempt: Attempt, body: bytes) -> tuple[bytes, Usage | None, tuple[str, ...]]:
        """A whole answer as the client wants it, its usage, and what of it the client's wire has no place for.

        Raises ProviderBroken, ProviderError.
        """
        ...

    def stream(self, attempt: Attempt) -> StreamDecoder: ...

    def decode_error(self, attempt: Attempt, status: int, body: bytes) -> ProviderError: ...


class PassThrough:
    """A crossing made of functions that leave bytes as they are; such a wire fetches nothing."""

    stream_types = (EVENT_STREAM,)
    wants_bytes = False

    def __init__(
        self,
        encode: Callable[[Attempt], Outgoing],
        decode: Callable[[Attempt, bytes], tuple[bytes, Usage | None, tuple[str, ...]]],
        stream: Callable[[Attempt], StreamDecoder],
        decode_error: Callable[[Attempt, int, bytes], ProviderError],
    ) -> None:
        self.encode = encode
        self.decode = decode
        self.stream = stream
        self.decode_error = decode_error

    def addresses(self, attempt: Attempt) -> tuple[str, ...]:
        return ()


class Dialect:
    """One wire."""

    def __init__(self, credentials: Callable[[str | None], dict[str, str]], crossings: Mapping[str, Crossing]) -> None:
        """`credentials`: the wire's own header for a key. `crossings`: by name of the operation."""
        self._credentials = credentials
        self.crossings = crossings

    def credentials(self, provider: Provider, key: ProviderKey | None) -> dict[str, str]:
        """The headers that carry the key: the wire's own, or the one that the provider's row names."""
        if key is None or provider.auth == "none":
            return {}
        if provider.auth == "native":
            return self._credentials(key.secret)
        if provider.auth == "bearer":
            return {"authorization": f"Bearer {key.secret}"}
        return {provider.auth: key.secret}
