"""Embeddings on Gemini's wire, one text or many. Source: https://ai.google.dev/api/embeddings"""

from typing import Any

import msgspec

from llm.sandbox.faults import Behaviour
from llm.sandbox.google.errors import WIRE
from llm.sandbox.google.requests import BatchRequest, EmbedRequest, batch, embedding, text_of
from llm.sandbox.vectors import dimensions_of, embed
from llm.sandbox.wire import Asked, Operation, Said


def _one(request: EmbedRequest, asked: Asked, name: str, told: Behaviour) -> Said:
    return Said([msgspec.json.encode({"embedding": _vector(request, request.model)}).ljust(told.huge or 0)])


def _many(request: BatchRequest, asked: Asked, name: str, told: Behaviour) -> Said:
    vectors = [_vector(one, request.model) for one in request.requests]
    return Said([msgspec.json.encode({"embeddings": vectors}).ljust(told.huge or 0)])


def _vector(request: EmbedRequest, model: str) -> dict[str, Any]:
    return {"values": embed(text_of(request.content), request.output_dimensionality or dimensions_of(model))}


ONE = Operation(WIRE, embedding, _one)
MANY = Operation(WIRE, batch, _many)
