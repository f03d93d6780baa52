"""Ollama's own wire: chat and generate, whole and as lines of JSON, embeddings, the list of models, the version.

`requests.py` reads, `chat.py` writes, `errors.py` says how this wire fails and lists what is asked with GET.
Source: https://docs.ollama.com/api
"""

from llm.sandbox.ollama import chat, embeddings
from llm.sandbox.ollama.errors import WIRE, listing
from llm.sandbox.wire import Operation

__all__ = ["OPERATIONS", "WIRE", "listing"]

OPERATIONS: dict[str, Operation] = {
    "/api/chat": chat.OPERATION,
    "/api/generate": chat.GENERATING,
    "/api/embed": embeddings.OPERATION,
}
