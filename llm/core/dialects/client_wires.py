"""How clients speak, for bridges: each operation's way into the inner language and back.

The ids, `created` and the model's name in an answer are ours, so a whole answer and a streamed one say the same. What
ends a stream (usage where it was asked for, the wire's own mark) is written last, once the call is on record.
Next file: `bridge.py`.
"""

from collections.abc import Iterable
from typing import Protocol

from llm.core import sse
from llm.core.conversation import Conversation, Reply
from llm.core.deltas import Delta
from llm.core.dialects import anthropic_messages, openai_chat
from llm.core.operations import Attempt
from llm.core.operations.usage import with_cost


class DeltaWriter(Protocol):
    """One streamed answer on its way out."""

    def write(self, deltas: Iterable[Delta]) -> bytes:
        """Whole events, perhaps none."""
        ...

    def finish(self) -> bytes:
        """The events that close a whole answer."""
        ...


class ClientWire(Protocol):
    """One operation's wire."""

    def read(self, body: bytes) -> Conversation:
        """Raises InvalidRequest, naming the field."""
        ...

    def write(self, attempt: Attempt, reply: Reply) -> bytes: ...

    def writer(self, attempt: Attempt) -> DeltaWriter: ...


class ChatCompletions:
    """OpenAI's chat completions."""

    def read(self, body: bytes) -> Conversation:
        return openai_chat.read(body)

    def write(self, attempt: Attempt, reply: Reply) -> bytes:
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
        told = super().finish()
        if told and self._attempt.request.wants_cost:
            priced = with_cost(sse.data_of(told), self._usage, self._attempt.deployment.model.price)
            told = b"data: " + priced + b"\n\n"
        return told + sse.DONE


class Messages:
    """Anthropic's messages."""

    def read(self, body: bytes) -> Conversation:
        return anthropic_messages.read(body)

    def write(self, attempt: Attempt, reply: Reply) -> bytes:
        return anthropic_messages.write(reply, f"msg_{attempt.id}", attempt.deployment.model.upstream)

    def writer(self, attempt: Attempt) -> anthropic_messages.EventWriter:
        return anthropic_messages.EventWriter(f"msg_{attempt.id}", attempt.deployment.model.upstream)
