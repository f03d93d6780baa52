"""A value for a JSON schema: what the sandbox answers for structured outputs and puts into a tool call.

The value always fits the schema as `fits.py` reads it; where none is found, SchemaError says why. `hints` are values
the prompt named by property: they are taken where they fit, so that a prompt can dictate arguments.
"""

import math
from dataclasses import dataclass
from typing import Any

from llm.sandbox.fits import Check, Schema, SchemaError, as_schema, fits, resolve, types_of

DEEP = 4
"""From this depth on, what may be left out is left out: recursive schemas end."""
MAX_DEPTH = 32
MAX_VALUES = 2_000
"""A value is made of at most so many parts."""

_SAMPLES = {
    "date": "2025-01-01",
    "time": "12:00:00Z",
    "date-time": "2025-01-01T12:00:00Z",
    "duration": "P1D",
    "email": "sandbox@example.com",
    "hostname": "example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "uri": "https://example.com/",
    "uuid": "00000000-0000-4000-8000-000000000000",
}
_TRIES = (
    "a",
    "A",
    "0",
    "1",
    "abc",
    "ABC",
    "123",
    "abc123",
    "ABC-123",
    "A1",
    "a-b",
    "a_b",
    "1.0",
    "+15550100",
    "#a0b1c2",
)
"""Tried for a `pattern`, besides the samples above; each also repeated to the length asked for."""


@dataclass
class _Making:
    """What stays the same while one value is made, and how many parts may still be made."""

    check: Check
    text: str
    left: int = MAX_VALUES


def instance(schema: dict[str, Any], text: str, hints: dict[str, Any] | None = None) -> Any:
    """A value that fits `schema`; its strings say `text` where the schema leaves them free.

    Raises SchemaError when the schema cannot be read or nothing fitting was found.
    """
    making = _Making(Check(schema), text)
    value = _make(schema, making, 0, hints, 0)
    if not fits(value, schema, making.check):
        raise SchemaError("it uses rules the sandbox does not follow")
    return value


def _make(schema: Schema, making: _Making, depth: int, hint: Any, ordinal: int) -> Any:
    """One value. `ordinal` tells items of one array apart."""
    making.left -= 1
    if making.left < 0 or depth > MAX_DEPTH:
        raise SchemaError("it is too large or has no end")
    schema = _plain(schema, making, depth)
    if hint is not None and not isinstance(hint, dict) and "pattern" not in schema and fits(hint, schema, making.check):
        return hint
    if "const" in schema:
        return schema["const"]
    if schema.get("enum"):
        return schema["enum"][ordinal % len(schema["enum"])]
    kind = _kind(schema)
    if kind == "object":
        return _make_object(schema, making, depth, hint if isinstance(hint, dict) else {})
    if kind == "array":
        return _make_array(schema, making, depth)
    if kind == "string":
        return _make_string(schema, making, ordinal)
    if kind in ("number", "integer"):
        return _make_number(schema, making, kind, ordinal)
    return True if kind == "boolean" else None


def _plain(schema: Schema, making: _Making, depth: int) -> dict[str, Any]:
    """The schema without references and choices: references followed, `allOf` joined, one alternative chosen."""
    making.check.spend()
    schema = resolve(schema, making.check)
    if schema is True:
        return {"type": "string"}
    if schema is False:
        raise SchemaError("`false` allows no value")
    for part in schema.get("allOf", []):
        schema = _joined(schema, _plain(as_schema(part), making, depth))
    for word in ("anyOf", "oneOf"):
        if schema.get(word):
            chosen = _chosen([as_schema(part) for part in schema[word]], depth)
            rest = {key: value for key, value in schema.items() if key != word}
            schema = _joined(rest, _plain(chosen, making, depth + 1) if depth < MAX_DEPTH else {})
    return schema


def _chosen(parts: list[Schema], depth: int) -> Schema:
    """The first alternative; deep down, one that ends."""
    if depth >= DEEP:
        ends = [part for part in parts if isinstance(part, dict) and "$ref" not in part]
        return next((part for part in ends if part.get("type") == "null"), ends[0] if ends else parts[0])
    return parts[0]


def _joined(left: dict[str, Any], right: dict[str, Any]) -> dict[str, Any]:
    both = {**left, **right}
    if "properties" in left and "properties" in right:
        both["properties"] = {**left["properties"], **right["properties"]}
    if "required" in left and "required" in right:
        both["required"] = [*left["required"], *right["required"]]
    return both


def _kind(schema: dict[str, Any]) -> str:
    types = types_of(schema)
    if types:
        return types[0]
    if "properties" in schema or "required" in schema:
        return "object"
    return "array" if "items" in schema or "prefixItems" in schema else "string"


def _make_object(schema: dict[str, Any], making: _Making, depth: int, hints: dict[str, Any]) -> dict[str, Any]:
    properties: dict[str, Any] = schema.get("properties", {})
    required: list[str] = schema.get("required", [])
    names = [name for name in properties if depth < DEEP or name in required]
    value = {name: _make(as_schema(properties[name]), making, depth + 1, hints.get(name), 0) for name in names}
    rest = as_schema(schema.get("additionalProperties", True))
    for name in required:
        if name not in value:
            value[name] = _make(rest, making, depth + 1, hints.get(name), 0)
    return value


def _make_array(schema: dict[str, Any], making: _Making, depth: int) -> list[Any]:
    first: list[Any] = schema.get("prefixItems", [])
    least: int = schema.get("minItems", 0)
    length = max(least, len(first) or (1 if depth < DEEP else 0))
    length = max(least, min(length, schema.get("maxItems", length)))
    if length > making.left:
        raise SchemaError("it is too large or has no end")
    rest = as_schema(schema.get("items", True))
    return [
        _make(as_schema(first[index]) if index < len(first) else rest, making, depth + 1, None, index)
        for index in range(length)
    ]


def _make_string(schema: dict[str, Any], making: _Making, ordinal: int) -> str:
    if "pattern" in schema:
        return _matching(schema, making)
    if schema.get("format") in _SAMPLES:
        return _SAMPLES[schema["format"]]
    text = making.text if ordinal == 0 else f"{ordinal} {making.text}"
    least: int = schema.get("minLength", 0)
    if least > MAX_VALUES:
        raise SchemaError("it asks for a longer string than the sandbox makes")
    return text.ljust(least, ".")[: schema.get("maxLength", max(least, len(text)))]


def _matching(schema: dict[str, Any], making: _Making) -> str:
    least: int = min(schema.get("minLength", 1), 64)
    tries = [*_SAMPLES.values(), *_TRIES]
    tries += [(text * 64)[:length] for text in _TRIES for length in {*range(2, 13), max(least, 1), 16, 24, 32}]
    for text in tries:
        if fits(text, schema, making.check):
            return text
    raise SchemaError(f"the sandbox knows no string for the pattern {schema['pattern']!r}")


def _make_number(schema: dict[str, Any], making: _Making, kind: str, ordinal: int) -> float:
    low = max(schema.get("minimum", -math.inf), schema.get("exclusiveMinimum", -math.inf))
    high = min(schema.get("maximum", math.inf), schema.get("exclusiveMaximum", math.inf))
    step = schema.get("multipleOf") or 1
    start = low if math.isfinite(low) else high if math.isfinite(high) else 0
    near = math.ceil(start / step)
    tries: list[float] = [1 + ordinal, 1, 0, *((near + offset) * step for offset in (ordinal, 0, 1, 2, -1, -2)), start]
    if math.isfinite(low) and math.isfinite(high):
        tries.append((low + high) / 2)
    tries += [start + 0.5, start - 0.5]
    for number in tries:
        value = int(number) if kind == "integer" and float(number).is_integer() else number
        if fits(value, {**schema, "type": kind}, making.check):
            return value
    raise SchemaError("no number lies within its bounds")
