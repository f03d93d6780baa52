"""How clients speak, for bridges: each operation's way into the inner language and back.

The ids, `created` and the model's name in an answer are ours, so a whole answer and a streamed one say the same. What
ends a stream (usage where it was asked for, the wire's own mark) is written last, once the call is on record.
Next file: `bridge.py`.
"""

from collections.abc import Iterable
from typing import Any, Protocol

import msgspec

from billing.core.pricing import Usage
from llm.core import sse
from llm.core.conversation import Conversation, Reply
from llm.core.deltas import Delta
from llm.core.dialects import anthropic_messages, client_names, google_contents, openai_chat, openai_responses
from llm.core.dialects.client_names import Names
from llm.core.errors import LlmError
from llm.core.operations import Attempt
from llm.core.operations.usage import cost_told

Fields = dict[str, Any]


class DeltaWriter(Protocol):
    """One streamed answer on its way out."""

    @property
    def dropped(self) -> tuple[str, ...]:
        """What the answer holds so far that this wire has no place for: see `lost.py`."""
        ...

    def write(self, deltas: Iterable[Delta]) -> bytes:
        """Whole events, perhaps none. Raises ProviderBroken for what no answer of this wire can be."""
        ...

    def finish(self) -> bytes:
        """The events that close a whole answer."""
        ...

    def failure(self, error: LlmError) -> bytes:
        """How an answer that has begun says that it fails."""
        ...


class ClientWire(Protocol):
    """One operation's wire."""

    usage_member: str
    """Where a whole answer says what was used."""

    def read(self, body: bytes) -> Conversation:
        """Raises InvalidRequest, naming the field."""
        ...

    @property
    def names(self) -> Names:
        """What its clients call the fields of a request."""
        ...

    def write(self, attempt: Attempt, reply: Reply) -> tuple[bytes, tuple[str, ...]]:
        """A whole answer, and what it holds that this wire has no place for."""
        ...

    def writer(self, attempt: Attempt) -> DeltaWriter: ...


class ChatCompletions:
    """OpenAI's chat completions."""

    names = client_names.CHAT
    usage_member = "usage"

    def read(self, body: bytes) -> Conversation:
        return openai_chat.read(body)

    def write(self, attempt: Attempt, reply: Reply) -> tuple[bytes, tuple[str, ...]]:
        return openai_chat.write(reply, f"chatcmpl-{attempt.id}", attempt.created, attempt.deployment.model.upstream)

    def writer(self, attempt: Attempt) -> "Chunks":
        return Chunks(attempt)


class Chunks(openai_chat.ChunkWriter):
    """Chunks that end as OpenAI's do, with the cost in the usage where it was asked for."""

    __slots__ = ("_attempt",)

    def __init__(self, attempt: Attempt) -> None:
        model = attempt.deployment.model.upstream
        super().__init__(f"chatcmpl-{attempt.id}", attempt.created, model, attempt.request.wants_usage)
        self._attempt = attempt

    def finish(self) -> bytes:
        return super().finish() + sse.DONE

    def counted(self, usage: Usage) -> Fields:
        return _with_cost(super().counted(usage), usage, self._attempt)


class Messages:
    """Anthropic's messages."""

    names = client_names.MESSAGES
    usage_member = "usage"

    def read(self, body: bytes) -> Conversation:
        return anthropic_messages.read(body)

    def write(self, attempt: Attempt, reply: Reply) -> tuple[bytes, tuple[str, ...]]:
        return anthropic_messages.write(reply, f"msg_{attempt.id}", attempt.deployment.model.upstream)

    def writer(self, attempt: Attempt) -> "MessageEvents":
        return MessageEvents(attempt)


class MessageEvents(anthropic_messages.EventWriter):
    """Events of which message_delta says the cost in its usage, where it was asked for."""

    def __init__(self, attempt: Attempt) -> None:
        super().__init__(f"msg_{attempt.id}", attempt.deployment.model.upstream)
        self._attempt = attempt

    def counted(self, usage: Usage) -> Fields:
        return _with_cost(super().counted(usage), usage, self._attempt)


class Contents:
    """Gemini's generateContent."""

    names = client_names.CONTENTS
    usage_member = "usageMetadata"

    def read(self, body: bytes) -> Conversation:
        return google_contents.read(body)

    def write(self, attempt: Attempt, reply: Reply) -> tuple[bytes, tuple[str, ...]]:
        return google_contents.write(reply, attempt.id, attempt.deployment.model.upstream)

    def writer(self, attempt: Attempt) -> "ContentChunks":
        return ContentChunks(attempt)


class ContentChunks(google_contents.ChunkWriter):
    """Responses of which the last says the cost in its usageMetadata, where it was asked for."""

    def __init__(self, attempt: Attempt) -> None:
        super().__init__(attempt.id, attempt.deployment.model.upstream)
        self._attempt = attempt

    def counted(self, usage: Usage) -> Fields:
        return _with_cost(super().counted(usage), usage, self._attempt)


class Responses:
    """OpenAI's responses."""

    names = client_names.RESPONSES
    usage_member = "usage"

    def read(self, body: bytes) -> Conversation:
        return openai_responses.read(body)

    def write(self, attempt: Attempt, reply: Reply) -> tuple[bytes, tuple[str, ...]]:
        return openai_responses.write(reply, _head(attempt))

    def writer(self, attempt: Attempt) -> "Events":
        return Events(attempt)


class Events(openai_responses.EventWriter):
    """Events whose last holds the cost in its usage, where it was asked for."""

    def __init__(self, attempt: Attempt) -> None:
        super().__init__(_head(attempt))
        self._attempt = attempt

    def counted(self, usage: Usage) -> Fields:
        return _with_cost(super().counted(usage), usage, self._attempt)


def _with_cost(counted: Fields, usage: Usage, attempt: Attempt) -> Fields:
    return {**counted, "cost": cost_told(usage, attempt)} if attempt.request.wants_cost else counted


_echo = msgspec.json.Decoder(openai_responses.Echo)


def _head(attempt: Attempt) -> openai_responses.Head:
    model = attempt.deployment.model.upstream
    return openai_responses.Head(f"resp_{attempt.id}", attempt.created, model, _echo.decode(attempt.body))
