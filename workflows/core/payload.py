"""What JSON a token may carry: checked once, at the border, before anything is locked or written.

Refused: what is no JSON object, NaN and infinities, NUL and lone surrogates (Postgres stores neither), more than
MAXIMUM_DEPTH levels, more than MAXIMUM_BYTES as JSON. The message names the path of the fault.
"""

import json
import math
from collections.abc import Mapping
from typing import Any

from workflows.core.errors import BadInput

MAXIMUM_BYTES = 1_000_000
MAXIMUM_DEPTH = 64
MAXIMUM_BITS = 1024


def checked_object(value: Any, argument: str) -> dict[str, Any]:
    """`value` as a JSON object ({} for None); raises BadInput."""
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise BadInput(argument, f"must be a JSON object, not {type(value).__name__}")
    _check(value, argument, 0)
    size = len(json.dumps(value, ensure_ascii=False, default=dict).encode())
    if size > MAXIMUM_BYTES:
        raise BadInput(argument, f"is {size} bytes as JSON; at most {MAXIMUM_BYTES} are kept")
    return dict(value)


def checked_text(value: Any, argument: str, maximum: int = 200) -> str:
    """`value` as a non-empty line of text; raises BadInput."""
    if not isinstance(value, str) or not value.strip():
        raise BadInput(argument, "must be a non-empty string")
    if len(value) > maximum:
        raise BadInput(argument, f"has {len(value)} characters; at most {maximum} are kept")
    _check_string(value, argument)
    return value


def _check(value: Any, path: str, depth: int) -> None:
    if depth > MAXIMUM_DEPTH:
        raise BadInput(path[:200], f"is nested more than {MAXIMUM_DEPTH} deep")
    if isinstance(value, str):
        _check_string(value, path)
    elif isinstance(value, Mapping):
        for key, item in value.items():
            if not isinstance(key, str):
                raise BadInput(path, f"has the key {key!r}; JSON keys are strings")
            _check_string(key, path)
            _check(item, f"{path}.{key}", depth + 1)
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            _check(item, f"{path}[{index}]", depth + 1)
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise BadInput(path, f"is {value}, which JSON has no number for")
    elif isinstance(value, int):
        if value.bit_length() > MAXIMUM_BITS:
            raise BadInput(path, f"is an integer of {value.bit_length()} bits; at most {MAXIMUM_BITS} are kept")
    elif value is not None:
        raise BadInput(path, f"is a {type(value).__name__}, which is no JSON value")


def _check_string(value: str, path: str) -> None:
    if "\x00" in value:
        raise BadInput(path[:200], "holds a NUL character, which cannot be stored")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise BadInput(path[:200], "holds half a surrogate pair, which is no text") from None
