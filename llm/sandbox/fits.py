"""Whether a JSON value fits a JSON schema, for the part of JSON Schema that structured outputs use.

Looked at: types, enum, const, anyOf/oneOf/allOf, local $ref, number and length bounds, multipleOf, pattern, items,
prefixItems, uniqueItems, properties, required, additionalProperties. Other keywords are not: a schema that depends on
them is not the sandbox's business. `instances.py` makes values and checks each with this file before it lets it out.
"""

import re
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


class SchemaError(Exception):
    """The schema cannot be read, or no value for it was found. The message says where and why."""


def resolve(schema: Schema, root: dict[str, Any]) -> Schema:
    """Follow local references (`#/…`). SchemaError if one leads nowhere or round in a circle."""
    for _ in range(32):
        if isinstance(schema, bool) or "$ref" not in schema:
            return schema
        reference = schema["$ref"]
        if not isinstance(reference, str) or not reference.startswith("#"):
            raise SchemaError(f"the reference {reference!r} is not a local one (`#/…`)")
        target: Any = root
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


def fits(value: Any, schema: Schema, root: dict[str, Any]) -> bool:
    """Whether `value` is valid by `schema`, references being looked up in `root`."""
    schema = resolve(schema, root)
    if isinstance(schema, bool):
        return schema
    if "const" in schema and not _same(schema["const"], value):
        return False
    if "enum" in schema and not any(_same(item, value) for item in schema["enum"]):
        return False
    types = types_of(schema)
    if types and not any(_is_type(value, name) for name in types):
        return False
    if not all(fits(value, as_schema(part), root) for part in schema.get("allOf", [])):
        return False
    if "anyOf" in schema and not any(fits(value, as_schema(part), root) for part in schema["anyOf"]):
        return False
    if "oneOf" in schema and sum(fits(value, as_schema(part), root) for part in schema["oneOf"]) != 1:
        return False
    return _content_fits(value, schema, root)


def _content_fits(value: Any, schema: dict[str, Any], root: dict[str, Any]) -> bool:
    if isinstance(value, str):
        return _string_fits(value, schema)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return _number_fits(value, schema)
    if isinstance(value, list):
        return _array_fits(value, schema, root)
    if isinstance(value, dict):
        return _object_fits(value, schema, root)
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
    try:
        return pattern is None or re.search(pattern, value) is not None
    except re.error as reason:
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


def _array_fits(value: list[Any], schema: dict[str, Any], root: dict[str, Any]) -> bool:
    if not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)):
        return False
    if schema.get("uniqueItems") and any(_same(a, b) for i, a in enumerate(value) for b in value[:i]):
        return False
    first = schema.get("prefixItems", [])
    rest = as_schema(schema.get("items", True))
    return all(
        fits(item, as_schema(first[index]) if index < len(first) else rest, root) for index, item in enumerate(value)
    )


def _object_fits(value: dict[str, Any], schema: dict[str, Any], root: dict[str, Any]) -> bool:
    if any(name not in value for name in schema.get("required", [])):
        return False
    properties = schema.get("properties", {})
    rest = as_schema(schema.get("additionalProperties", True))
    return all(fits(item, as_schema(properties.get(name, rest)), root) for name, item in value.items())
