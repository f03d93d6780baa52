"""Conversations that a later request may go on with by naming a reply's id (`previous_response_id`).

Bounded twice, by number and by characters of text; the oldest go first, one that alone is very large is not kept, and a
request that names a forgotten one is refused as OpenAI refuses an unknown id.
"""

from llm.sandbox.conversation import Conversation

MAX_CONVERSATIONS = 1000
MAX_CHARACTERS = 16 * 1024 * 1024


class Memory:
    """The newest conversations by id."""

    def __init__(self) -> None:
        self._kept: dict[str, Conversation] = {}
        self._size = 0

    def keep(self, identity: str, conversation: Conversation) -> None:
        self._forget(identity)
        size = _size(conversation)
        if size > MAX_CHARACTERS // 4:
            return
        self._kept[identity] = conversation
        self._size += size
        while self._kept and (len(self._kept) > MAX_CONVERSATIONS or self._size > MAX_CHARACTERS):
            self._forget(next(iter(self._kept)))

    def recall(self, identity: str) -> Conversation | None:
        return self._kept.get(identity)

    def _forget(self, identity: str) -> None:
        known = self._kept.pop(identity, None)
        if known is not None:
            self._size -= _size(known)


def _size(conversation: Conversation) -> int:
    """Characters, nearly; each turn and call also counts something for itself."""
    calls = sum(64 + len(call.arguments) for turn in conversation.turns for call in turn.calls)
    return calls + sum(64 + len(turn.text) for turn in conversation.turns)
