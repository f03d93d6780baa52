"""Gemini's schemas, a subset of OpenAPI's, as JSON Schema. Source: https://ai.google.dev/api/caching#Schema

The way back is `../google/schemas.py`. Next file: `writing.py`.
"""

from typing import Any

COUNTS = frozenset({"minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties"})
"""Numbers that Google's JSON writes as text."""
LEFT = frozenset({"nullable", "propertyOrdering", "example"})
Schema = dict[str, Any]


def json_schema(given: Schema) -> Schema:
    """Types in small letters, `nullable` as a type; the order of properties and examples say nothing there."""
    if not isinstance(given, dict):
        return given  # no schema: who answers says so
    found: Schema = {}
    for name, value in given.items():
        if name == "type" and isinstance(value, str):
            found["type"] = value.lower()
        elif name == "properties" and isinstance(value, dict):
            found["properties"] = {key: json_schema(inner) for key, inner in value.items()}
        elif name == "items":
            found["items"] = json_schema(value)
        elif name == "anyOf" and isinstance(value, list):
            found["anyOf"] = [json_schema(inner) for inner in value]
        elif name in COUNTS:
            found[name] = int(value)
        elif name not in LEFT:
            found[name] = value
    if given.get("nullable") and "type" in found:
        found["type"] = [found["type"], "null"]
        if "enum" in found:
            found["enum"] = [*found["enum"], None]
    return found
