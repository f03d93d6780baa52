"""Embeddings on OpenAI's wire: lists of numbers, or the same packed in base64."""

from typing import Any

import msgspec

from llm.sandbox.faults import Behaviour
from llm.sandbox.openai.errors import WIRE
from llm.sandbox.openai.requests import EmbeddingRequest, texts
from llm.sandbox.reading import read
from llm.sandbox.text import count_tokens
from llm.sandbox.vectors import dimensions_of, embed, packed
from llm.sandbox.wire import Asked, Operation, Said


def _say(request: EmbeddingRequest, asked: Asked, name: str, told: Behaviour) -> Said:
    dimensions = request.dimensions or dimensions_of(request.model)
    inputs = texts(request.input, "input")
    in_base64 = request.encoding_format == "base64"
    data = [
        {"object": "embedding", "index": index, "embedding": packed(vector) if in_base64 else vector}
        for index, vector in enumerate(embed(text, dimensions) for text in inputs)
    ]
    reply: dict[str, Any] = {"object": "list", "data": data, "model": name}
    if told.usage != "none":
        tokens = sum(map(count_tokens, inputs)) * (10 if told.usage == "wrong" else 1)
        reply["usage"] = {"prompt_tokens": tokens, "total_tokens": tokens}
    body = msgspec.json.encode(reply)
    return Said([body.ljust(told.huge or 0)])  # a huge one ends in blanks: vectors of that size would take seconds


OPERATION = Operation(WIRE, lambda asked: read(asked.body, EmbeddingRequest), _say)
