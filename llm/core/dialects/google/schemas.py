"""A JSON Schema in the subset of OpenAPI's that Gemini reads. Source: https://ai.google.dev/api/caching#Schema

Next file: `decoding.py`.
"""

from typing import Any

from llm.core.conversation import Drops, cannot

KEPT = {"type", "format", "title", "description", "nullable", "default", "propertyOrdering", "required", "pattern"}
KEPT |= {"minItems", "maxItems", "minProperties", "maxProperties", "minLength", "maxLength", "minimum", "maximum"}
SILENT = frozenset(
    {"$schema", "$id", "$defs", "definitions", "$ref", "additionalProperties", "const", "oneOf", "allOf"}
)
"""Put in place, or left out by the rule of `rules.CHANGED`."""

Schema = dict[str, Any]


def adapt(schema: Schema, where: str, drops: Drops) -> Schema:
    """Raises InvalidRequest for a schema that refers to itself, or to nothing."""
    return _adapt(schema, schema, where, drops, ())


def _adapt(schema: Schema, root: Schema, where: str, drops: Drops, seen: tuple[str, ...]) -> Schema:
    reference = schema.get("$ref")
    if isinstance(reference, str):
        if reference in seen:
            cannot("Gemini", "a schema that refers to itself", where)
        besides = {name: value for name, value in schema.items() if name != "$ref"}
        return _adapt({**_target(reference, root, where), **besides}, root, where, drops, (*seen, reference))
    found: Schema = {}
    for name, value in _plain(schema).items():
        if name == "properties" and isinstance(value, dict):
            found[name] = {key: _adapt(inner, root, where, drops, seen) for key, inner in value.items()}
        elif name == "items" and isinstance(value, dict):
            found[name] = _adapt(value, root, where, drops, seen)
        elif name == "anyOf" and isinstance(value, list):
            _alternatives(found, [_adapt(inner, root, where, drops, seen) for inner in value])
        elif name == "enum":
            if all(isinstance(item, str) for item in value):  # others Gemini refuses
                found[name] = value
                found.setdefault("type", "string")
            else:
                drops.note(f"{where}.enum")
        elif name in KEPT:
            found[name] = value
        elif name not in SILENT:
            drops.note(f"{where}.{name}")
    return found


def _plain(schema: Schema) -> Schema:
    """`oneOf`, a lone `allOf`, `const` and lists of types in words Gemini knows."""
    found = dict(schema)
    if "oneOf" in found:
        found["anyOf"] = found.pop("oneOf")
    if isinstance(found.get("allOf"), list):
        for inner in found.pop("allOf"):
            found = {**inner, **found}
    if "const" in found:
        found["enum"] = [found["const"]]
    kinds = found.get("type")
    if isinstance(kinds, list):
        named = [kind for kind in kinds if kind != "null"]
        if len(named) < len(kinds):
            found["nullable"] = True
        if len(named) == 1:
            found["type"] = named[0]
        else:
            del found["type"]
            found["anyOf"] = [{"type": kind} for kind in named]
    return found


def _alternatives(found: Schema, inner: list[Schema]) -> None:
    """`null` is no type there: it makes the others nullable."""
    named = [schema for schema in inner if schema.get("type") != "null"]
    if len(named) < len(inner):
        found["nullable"] = True
    if len(named) == 1:
        found.update({**named[0], **found})
    else:
        found["anyOf"] = named


def _target(reference: str, root: Schema, where: str) -> Schema:
    place: Any = root
    for step in reference.removeprefix("#").strip("/").split("/"):
        if step:
            place = place.get(step.replace("~1", "/").replace("~0", "~")) if isinstance(place, dict) else None
    if not reference.startswith("#") or not isinstance(place, dict):
        return cannot("Gemini", f"the schema reference {reference}", where)
    return place
