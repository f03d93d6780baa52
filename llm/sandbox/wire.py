"""What a wire must be able to do: the seam between the rules common to all and the way one API says them.

A wire is a folder. It gives a `Wire` (its errors and what a broken stream looks like) and one `Operation` for each
path: `read` makes its request of what was asked, `say` makes the bytes. Directives, statuses and breaks are applied
once for all, in `replies.py`; a wire only looks at those that change what is said. `openai` is the example.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from llm.sandbox.conversation import Conversation
from llm.sandbox.errors import Refusal
from llm.sandbox.faults import Behaviour

Recall = Callable[[str], Conversation | None]
"""The conversation a reply of this id ended, if it is still remembered."""


def recall_nothing(identity: str) -> None:
    """For those who keep no memory."""
    return


@dataclass(frozen=True)
class Asked:
    """One request as it came; `path` has no query.

    Of the headers only the directives', `anthropic-version` and, emptied, `x-goog-api-key` are here.
    """

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes
    recall: Recall = field(default=recall_nothing, compare=False)


@dataclass(frozen=True)
class Wire:
    """How one API fails, and what its streams are."""

    error: Callable[[Refusal], bytes]
    """The body of an error."""
    error_event: Callable[[int], bytes]
    """The event that says in band, as event number so-and-so, that the stream failed."""
    malformed_event: bytes
    """An event that cannot be read."""
    stream_type: str = "text/event-stream"


@dataclass(frozen=True)
class Said:
    """What was made: the events of a stream, or one whole body."""

    parts: list[bytes]
    streamed: bool = False
    remember: tuple[str, Conversation] | None = None
    """An id under which `Asked.recall` shall find the conversation, this answer included."""
    recalled: bool = False
    """It was made of something remembered: it must not be repeated from a cache."""


@dataclass(frozen=True)
class Operation:
    """One path of one API. Both functions raise Refusal."""

    wire: Wire
    read: Callable[[Asked], Any]
    """Its request: anything with a `model`, directives and all."""
    say: Callable[[Any, Asked, str, Behaviour], Said]
    """The request, what it was made of, the model's name as the reply says it, and the directives."""
    method: str = "POST"
