"""Gemini's wire: generateContent, streamed as events or as one JSON array, embeddings, token counts, models.

The model and the operation stand in the path, below `/v1` or `/v1beta`; a `?` of directives is written `%3F` there.
Google's own client refuses such a name: with it, directives come by the header `x-sandbox-fault`. `requests.py` reads,
`content.py` writes, `errors.py` says how this wire fails and lists the models. Source: https://ai.google.dev/api
"""

from llm.sandbox.google import content, embeddings
from llm.sandbox.google.errors import WIRE, listing
from llm.sandbox.wire import Asked, Operation

__all__ = ["WIRE", "find", "listing"]

_VERBS: dict[str, Operation] = {
    "generateContent": content.WHOLE,
    "streamGenerateContent": content.ARRAY,
    "countTokens": content.COUNTING,
    "embedContent": embeddings.ONE,
    "batchEmbedContents": embeddings.MANY,
}


def find(asked: Asked) -> Operation | None:
    """The operation of a path that ends in `:verb`. A stream is an array unless `alt=sse` is asked for."""
    verb = asked.path.rpartition(":")[2]
    if verb == "streamGenerateContent" and "alt=sse" in asked.query.split("&"):
        return content.EVENTS
    return _VERBS.get(verb)
