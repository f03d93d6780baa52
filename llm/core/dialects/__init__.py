"""The wires we speak to providers. A dialect is one module with the members of `Dialect`; `DIALECTS` is the table of
them.

A provider that differs only in data (address, key header) is a row in `providers.py`, not a dialect. Clients speak
OpenAI's wire, so `openai` passes bytes through, whatever the operation. A wire that differs gets a bridge: a `Dialect`
made of a `Translator` (translation.py) and, for each operation it names in `operations`, that operation's way into
the inner language and back (`openai_chat`). `encode` is where it reads the request, `decode` and `stream` where it
writes the reply.
"""

from typing import Protocol

from billing.core.pricing import Usage
from llm.core.dialects import azure, openai
from llm.core.dialects.translation import Outgoing
from llm.core.errors import ProviderError
from llm.core.operations import Attempt, StreamDecoder
from llm.core.snapshot import Provider, ProviderKey


class Dialect(Protocol):
    """What a dialect module offers."""

    operations: frozenset[str]
    """Names of the operations this wire can carry."""

    def credentials(self, provider: Provider, key: ProviderKey | None) -> dict[str, str]:
        """The headers that carry the key."""
        ...

    def encode(self, attempt: Attempt) -> Outgoing:
        """The client's request as the provider wants it. Raises InvalidRequest for what this wire cannot say."""
        ...

    def decode(self, attempt: Attempt, body: bytes) -> tuple[bytes, Usage | None]:
        """A whole answer as the client wants it, and its usage. Raises ProviderBroken."""
        ...

    def stream(self, attempt: Attempt) -> StreamDecoder: ...

    def decode_error(self, attempt: Attempt, status: int, body: bytes) -> ProviderError: ...


DIALECTS: dict[str, Dialect] = {"openai": openai, "azure": azure}
