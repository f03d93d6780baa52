"""Embeddings on Ollama's own wire. Source: https://docs.ollama.com/api/embed"""

from typing import Any

import msgspec

from llm.sandbox.faults import Behaviour
from llm.sandbox.ollama.errors import WIRE
from llm.sandbox.ollama.requests import EmbedRequest
from llm.sandbox.reading import read
from llm.sandbox.text import count_tokens
from llm.sandbox.vectors import dimensions_of, embed
from llm.sandbox.wire import Asked, Operation, Said


def _say(request: EmbedRequest, asked: Asked, name: str, told: Behaviour) -> Said:
    inputs = [request.input] if isinstance(request.input, str) else request.input
    dimensions = request.dimensions or dimensions_of(request.model)
    reply: dict[str, Any] = {"model": name, "embeddings": [embed(text, dimensions) for text in inputs]}
    if told.usage != "none":
        tokens = sum(map(count_tokens, inputs)) * (10 if told.usage == "wrong" else 1)
        reply |= {"total_duration": 1, "load_duration": 0, "prompt_eval_count": tokens}
    return Said([msgspec.json.encode(reply).ljust(told.huge or 0)])


OPERATION = Operation(WIRE, lambda asked: read(asked.body, EmbedRequest), _say)
