"""OpenAI's wire: chat completions, legacy completions, responses, embeddings, models; the example for another wire.

`OPERATIONS` is what `routes.py` takes. `requests.py` reads, the file of each path's name writes, `errors.py` says how
this wire fails. Source: https://platform.openai.com/docs/api-reference
"""

from llm.sandbox.openai import chat, completions, embeddings, models, responses
from llm.sandbox.openai.errors import WIRE
from llm.sandbox.wire import Operation

__all__ = ["OPERATIONS", "WIRE", "listing"]

OPERATIONS: dict[str, Operation] = {
    "/v1/chat/completions": chat.OPERATION,
    "/v1/completions": completions.OPERATION,
    "/v1/embeddings": embeddings.OPERATION,
    "/v1/responses": responses.OPERATION,
}
listing = models.listing
