"""Embeddings without a model: each word adds one signed unit at a place its hash chooses; the sum gets length 1.

So equal texts have equal vectors, texts that share words lie near each other, and nothing is learned or downloaded.
"""

import array
import base64
import hashlib
import math
import re
import sys

DEFAULT_DIMENSIONS = 256
KNOWN_DIMENSIONS = {"text-embedding-3-small": 1536, "text-embedding-3-large": 3072, "text-embedding-ada-002": 1536}
"""Stand-ins have the size of what they stand in for, so that a column made for one takes the other."""

_WORD = re.compile(r"\w+")


def dimensions_of(name: str) -> int:
    """How long vectors of this model are, directives and prefix left out."""
    return KNOWN_DIMENSIONS.get(name.partition("?")[0].rsplit("/", 1)[-1], DEFAULT_DIMENSIONS)


def embed(text: str, dimensions: int) -> list[float]:
    """A vector of length 1."""
    vector = [0.0] * dimensions
    for word in _WORD.findall(text.casefold()) or [text]:
        digest = hashlib.blake2b(word.encode("utf-8", "replace"), digest_size=8).digest()
        vector[int.from_bytes(digest[:4], "big") % dimensions] += 1.0 if digest[4] & 1 else -1.0
    length = math.sqrt(sum(value * value for value in vector))
    if length == 0:  # the words cancelled each other out
        vector[0] = length = 1.0
    return [value / length for value in vector]


def packed(vector: list[float]) -> str:
    """32-bit little-endian floats in base64, as OpenAI packs them."""
    numbers = array.array("f", vector)
    if sys.byteorder == "big":
        numbers.byteswap()
    return base64.b64encode(numbers.tobytes()).decode()
