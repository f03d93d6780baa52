"""What a client may want done: one module per operation, and the table of them by our path.

A new operation is a module with the members of `Operation` (operation.py) and a line here; the pipeline needs no
change. Next file: `operation.py`.
"""

from llm.core.operations import chat, completions, contents, embeddings, messages, responses, token_counts
from llm.core.operations.operation import Attempt, DecodeError, Operation, Request, StreamDecoder

__all__ = ["OPERATIONS", "Attempt", "DecodeError", "Operation", "Request", "StreamDecoder"]

_all: tuple[Operation, ...] = (chat, completions, embeddings, responses, messages, token_counts, contents)
OPERATIONS: dict[bytes, Operation] = {f"/v1{one.path}".encode(): one for one in _all}
"""By the path clients use."""
