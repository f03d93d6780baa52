"""Anthropic's wire: messages, whole and as events, token counts, models.

`requests.py` reads, `messages.py` writes, `errors.py` says how this wire fails and lists the models.
Sources: https://docs.anthropic.com/en/api/messages, .../messages-streaming, .../errors, .../models-list
"""

from llm.sandbox.anthropic import messages
from llm.sandbox.anthropic.errors import WIRE, listing
from llm.sandbox.wire import Operation

__all__ = ["OPERATIONS", "WIRE", "listing"]

OPERATIONS: dict[str, Operation] = {
    "/v1/messages": messages.OPERATION,
    "/v1/messages/count_tokens": messages.COUNTING,
}
