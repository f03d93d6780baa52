"""How data moves between a token and an agent: dotted paths, the input mapping, the output mapping, the model's answer.

Pure functions on plain JSON values; nothing given is ever changed in place. A path is names joined by dots, of any
depth up to DEPTH_LIMIT; a whole number steps into a list when reading. Next: `prompt.py`.
"""

import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from agents.core.errors import MappingFailed

DEPTH_LIMIT = 64
"""Deeper paths are refused and a deeper JSON answer counts as plain text: all of it must be storable."""

INTEGER_DIGITS = 300

INPUT_ROOTS = ("data", "metadata", "id", "place")
OUTPUT_ROOTS = ("data", "metadata")
ALWAYS_AVAILABLE = ("content", "response", "output")

_FENCED = re.compile(r"\A```(?:json)?\s*\n(.*)\n```\Z", re.DOTALL | re.IGNORECASE)
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class TokenChange:
    """Top-level keys to replace in a token, already complete: a shallow merge applies them."""

    data: dict[str, Any]
    metadata: dict[str, Any]


def check_input_mapping(mapping: Mapping[str, Any]) -> None:
    """Raise MappingFailed unless every value is a path a token can answer."""
    for key, path in mapping.items():
        if not key:
            raise MappingFailed("inputMapping", str(path), "its agent key is empty; give it a name.")
        root, rest = _split("inputMapping", path)
        if root not in INPUT_ROOTS:
            raise MappingFailed("inputMapping", path, "starts with none of data, metadata, id, place.")
        if rest and root in ("id", "place"):
            raise MappingFailed("inputMapping", path, f"{root!r} is plain text and has no fields.")


def check_output_mapping(mapping: Mapping[str, Any]) -> None:
    """Raise MappingFailed unless every target is a field below data or metadata and no target lies inside another."""
    targets: list[list[str]] = []
    for path, source in mapping.items():
        root, rest = _split("outputMapping", path)
        if root not in OUTPUT_ROOTS or not rest:
            raise MappingFailed("outputMapping", path, "must name a field, as data.<field> or metadata.<field>.")
        _split("outputMapping", source)
        targets.append([root, *rest])
    targets.sort()
    # Sorted, a path directly precedes the paths inside it.
    for outer, inner in pairwise(targets):
        if inner[: len(outer)] == outer:
            raise MappingFailed("outputMapping", ".".join(inner), f"lies inside the target {'.'.join(outer)!r}.")


def map_input(mapping: Mapping[str, str], token: Mapping[str, Any]) -> dict[str, Any]:
    """The agent's input, by its keys, read from `token` ({data, metadata, id, place}).

    Raises MappingFailed naming the path and the step at which it leads nowhere.
    """
    return {key: read(token, path, "inputMapping") for key, path in mapping.items()}


def map_output(
    mapping: Mapping[str, str], answer: Mapping[str, Any], data: Mapping[str, Any], metadata: Mapping[str, Any]
) -> TokenChange:
    """What changes in a token with this data and metadata when `answer` (see `available`) is mapped into it.

    Objects on the way to a target are made where missing. Raises MappingFailed if the answer lacks a mapped key or a
    target lies inside a value that is not an object.
    """
    before = {"data": data, "metadata": metadata}
    after: dict[str, dict[str, Any]] = {"data": {}, "metadata": {}}
    for path, source in mapping.items():
        root, steps = _split("outputMapping", path)
        if root not in OUTPUT_ROOTS or not steps:
            raise MappingFailed("outputMapping", path, "must name a field, as data.<field> or metadata.<field>.")
        value = read(answer, source, "outputMapping")
        top = steps[0]
        present = after[root].get(top, before[root].get(top))
        after[root][top] = _placed(present, steps[1:], value, path)
    return TokenChange(data=after["data"], metadata=after["metadata"])


def read(source: Mapping[str, Any], path: str, mapping: str) -> Any:
    """The value at a dotted path. `mapping` names the mapping in errors."""
    value: Any = source
    root, rest = _split(mapping, path)
    for position, step in enumerate([root, *rest]):
        if isinstance(value, Mapping) and step in value:
            value = value[step]
        elif isinstance(value, list) and step.isascii() and step.isdigit() and int(step) < len(value):
            value = value[int(step)]
        else:
            raise MappingFailed(mapping, path, _nowhere(value, step, path.split(".")[:position]))
    return value


def parse_answer(text: str) -> dict[str, Any]:
    """A model's answer as keys: its own if it is one JSON object (bare or in one code fence), else `content`."""
    body = text.strip()
    fenced = _FENCED.match(body)
    try:
        value = json.loads(
            fenced.group(1) if fenced else body,
            parse_constant=_refuse_constant,
            parse_float=_finite_float,
            parse_int=_bounded_integer,
        )
    except (ValueError, RecursionError):
        return {"content": text}
    if not isinstance(value, dict) or deeper_than(value, DEPTH_LIMIT):
        return {"content": text}
    storable: dict[str, Any] = without_unstorable(value)
    return storable


def available(output: Mapping[str, Any], text: str) -> dict[str, Any]:
    """What an output mapping may name: the answer's own keys, then content and response (text), output (all of it)."""
    whole: Any = text if dict(output) == {"content": text} else dict(output)
    return {"content": text, "response": text, "output": whole, **output}


def without_unstorable(value: Any) -> Any:
    """The JSON value with NUL and lone surrogates replaced by U+FFFD: Postgres can store neither."""
    if isinstance(value, str):
        return _UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", value)
    if isinstance(value, dict):
        return {without_unstorable(key): without_unstorable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [without_unstorable(item) for item in value]
    return value


def deeper_than(value: Any, limit: int) -> bool:
    """Whether a JSON value nests deeper than `limit` objects and lists; no recursion, so no depth can break it."""
    level: list[Any] = [value]
    for _ in range(limit + 1):
        level = [item for holder in level for item in _items(holder)]
        if not level:
            return False
    return True


def _items(value: Any) -> Iterable[Any]:
    if isinstance(value, Mapping):
        return value.values()
    return value if isinstance(value, list) else ()


def _split(mapping: str, path: Any) -> tuple[str, list[str]]:
    if not isinstance(path, str) or not path:
        raise MappingFailed(mapping, str(path), "a path is text such as data.title.")
    steps = path.split(".")
    if not all(steps):
        raise MappingFailed(mapping, path, "has an empty step; dots stand between names only.")
    if len(steps) > DEPTH_LIMIT:
        raise MappingFailed(mapping, path, f"is deeper than {DEPTH_LIMIT} steps.")
    return steps[0], steps[1:]


def _placed(present: Any, steps: list[str], value: Any, path: str) -> Any:
    """`present` with `value` at `steps` below it; copies the objects it changes."""
    if not steps:
        return value
    if present is None:
        present = {}
    if not isinstance(present, Mapping):
        raise MappingFailed("outputMapping", path, f"{steps[0]!r} would lie inside a {_kind(present)}, not an object.")
    return {**present, steps[0]: _placed(present.get(steps[0]), steps[1:], value, path)}


def _nowhere(value: Any, step: str, before: list[str]) -> str:
    where = f"in {'.'.join(before)!r}" if before else "here"
    if isinstance(value, Mapping):
        known = ", ".join(sorted(map(str, value))[:20]) or "no field at all"
        return f"there is no {step!r} {where}; there is: {known}."
    if isinstance(value, list):
        return f"there is no item {step!r} {where}, a list of {len(value)}."
    return f"there is no {step!r} {where}, a {_kind(value)}."


def _kind(value: Any) -> str:
    names = {str: "text", bool: "boolean", int: "number", float: "number", list: "list", type(None): "null"}
    return names.get(type(value), "object")


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def _finite_float(digits: str) -> float:
    """`1e999` reads as infinity, which no database stores as JSON."""
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError(f"{digits} is beyond any number")
    return value


def _bounded_integer(digits: str) -> int:
    """Longer integers are refused by the token that would carry them."""
    if len(digits) > INTEGER_DIGITS:
        raise ValueError(f"an integer of {len(digits)} digits")
    return int(digits)
