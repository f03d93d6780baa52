"""Whether a JSON value fits a JSON schema, for the part of JSON Schema that structured outputs use.

Looked at: types, enum, const, anyOf/oneOf/allOf, local $ref, number and length bounds, multipleOf, pattern, items,
prefixItems, uniqueItems, properties, required, additionalProperties. Other keywords are not: a schema that depends on
them is not the sandbox's business. `instances.py` makes values and checks each with this file before it lets it out.
"""

import re
from dataclasses import dataclass
from typing import Any

Schema = dict[str, Any] | bool

_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "boolean": (bool,),
    "null": (type(None),),
    "number": (int, float),
    "integer": (int,),
}


_REPEATED_GROUP = re.compile(r"\)(?:[*+]|\{\d*,?\d*\})")
_REPEAT = re.compile(r"[*+?]|\{\d*,\d*\}")
MAX_COMPARISONS = 200_000
"""A schema of a few lines can ask for billions; beyond this it is refused."""


class SchemaError(Exception):
    """The schema cannot be read, or no value for it was found. The message says where and why."""


@dataclass
class Check:
    """One question: the schema that references are looked up in, and how many comparisons it may still cost."""

    root: dict[str, Any]
    left: int = MAX_COMPARISONS

    def spend(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise SchemaError("it is too large")


def resolve(schema: Schema, check: Check) -> Schema:
    """Follow local references (`#/…`). SchemaError if one leads nowhere or round in a circle."""
    for _ in range(32):
        if isinstance(schema, bool) or "$ref" not in schema:
            return schema
        reference = schema["$ref"]
        if not isinstance(reference, str) or not reference.startswith("#"):
            raise SchemaError(f"the reference {reference!r} is not a local one (`#/…`)")
        target: Any = check.root
        for step in filter(None, reference[1:].split("/")):
            step = step.replace("~1", "/").replace("~0", "~")
            if not isinstance(target, dict) or step not in target:
                raise SchemaError(f"the reference {reference!r} leads nowhere")
            target = target[step]
        schema = as_schema(target)
    raise SchemaError("references lead round in a circle")


def as_schema(value: Any) -> Schema:
    """`value` as a schema. SchemaError if it is neither an object nor true or false."""
    if isinstance(value, (dict, bool)):
        return value
    raise SchemaError(f"{value!r} is not a schema")


def types_of(schema: dict[str, Any]) -> list[str]:
    """The types a schema allows, empty for any. SchemaError for an unknown one."""
    given = schema.get("type", [])
    types = [given] if isinstance(given, str) else given
    if not isinstance(types, list) or any(item not in _TYPES for item in types):
        raise SchemaError(f"unknown type {given!r}")
    return types


def fits(value: Any, schema: Schema, check: Check) -> bool:
    """Whether `value` is valid by `schema`. SchemaError if that cannot be told."""
    check.spend()
    schema = resolve(schema, check)
    if isinstance(schema, bool):
        return schema
    if "const" in schema and not _same(schema["const"], value):
        return False
    if "enum" in schema and not any(_same(item, value) for item in schema["enum"]):
        return False
    types = types_of(schema)
    if types and not any(_is_type(value, name) for name in types):
        return False
    if not all(fits(value, as_schema(part), check) for part in schema.get("allOf", [])):
        return False
    if "anyOf" in schema and not any(fits(value, as_schema(part), check) for part in schema["anyOf"]):
        return False
    if "oneOf" in schema and sum(fits(value, as_schema(part), check) for part in schema["oneOf"]) != 1:
        return False
    return _content_fits(value, schema, check)


def _content_fits(value: Any, schema: dict[str, Any], check: Check) -> bool:
    if isinstance(value, str):
        return _string_fits(value, schema)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return _number_fits(value, schema)
    if isinstance(value, list):
        return _array_fits(value, schema, check)
    if isinstance(value, dict):
        return _object_fits(value, schema, check)
    return True


def _is_type(value: Any, name: str) -> bool:
    if isinstance(value, bool):
        return name == "boolean"
    if name == "integer" and isinstance(value, float):
        return value.is_integer()
    return isinstance(value, _TYPES[name])


def _same(left: Any, right: Any) -> bool:
    """JSON equality: 1 is 1.0 but not true."""
    return bool(left == right) and isinstance(left, bool) == isinstance(right, bool)


def _string_fits(value: str, schema: dict[str, Any]) -> bool:
    if not schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value)):
        return False
    pattern = schema.get("pattern")
    return pattern is None or _tame(pattern).search(value) is not None


def _tame(pattern: str) -> re.Pattern[str]:
    """The pattern, compiled. SchemaError for one that could take very long: Python's `re` knows no time limit."""
    if len(pattern) > 256 or _REPEATED_GROUP.search(pattern) or len(_REPEAT.findall(pattern)) > 6:
        raise SchemaError(f"the pattern {pattern!r} has repeated groups, or too many repeats, for the sandbox to try")
    try:
        return re.compile(pattern)
    except (re.error, OverflowError) as reason:
        raise SchemaError(f"the pattern {pattern!r} cannot be read: {reason}") from None


def _number_fits(value: float, schema: dict[str, Any]) -> bool:
    step = schema.get("multipleOf")
    if step and abs(value / step - round(value / step)) > 1e-9:
        return False
    return bool(
        schema.get("minimum", value) <= value <= schema.get("maximum", value)
        and value > schema.get("exclusiveMinimum", value - 1)
        and value < schema.get("exclusiveMaximum", value + 1)
    )


def _array_fits(value: list[Any], schema: dict[str, Any], check: Check) -> bool:
    if not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)):
        return False
    if schema.get("uniqueItems") and any(_same(a, b) for i, a in enumerate(value) for b in value[:i]):
        return False
    first = schema.get("prefixItems", [])
    rest = as_schema(schema.get("items", True))
    return all(
        fits(item, as_schema(first[index]) if index < len(first) else rest, check) for index, item in enumerate(value)
    )


def _object_fits(value: dict[str, Any], schema: dict[str, Any], check: Check) -> bool:
    if any(name not in value for name in schema.get("required", [])):
        return False
    properties = schema.get("properties", {})
    rest = as_schema(schema.get("additionalProperties", True))
    return all(fits(item, as_schema(properties.get(name, rest)), check) for name, item in value.items())
