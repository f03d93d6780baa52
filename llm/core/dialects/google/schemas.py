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
WORDS = frozenset({"title", "description", "default"})
"""They limit nothing: of two, one is enough."""

Schema = dict[str, Any]


def adapt(schema: Schema, where: str, drops: Drops) -> Schema:
    """Raises InvalidRequest for a schema that refers to itself, or to nothing, or that nothing can fit, or is none."""
    try:
        return _adapt(schema, schema, where, drops, ())
    except (AttributeError, TypeError):  # a keyword's value of another kind than JSON Schema's
        return cannot("Gemini", "what is no JSON Schema", where)


def _adapt(schema: Any, root: Schema, where: str, drops: Drops, seen: tuple[str, ...]) -> Schema:
    """What it refers to and what it is all of is adapted first, each with its own `seen`, then put together."""
    if schema is True:
        return {}
    if not isinstance(schema, dict):
        cannot("Gemini", "a schema that is no object", where)
    parts = _referred(schema, root, where, drops, seen)
    found: Schema = {}
    for name, value in _plain(schema, where, drops).items():
        if name == "properties" and isinstance(value, dict):
            found[name] = {
                key: _adapt(inner, root, f"{where}.properties.{key}", drops, seen) for key, inner in value.items()
            }
        elif name == "items" and isinstance(value, dict):
            found[name] = _adapt(value, root, f"{where}.items", drops, seen)
        elif name == "anyOf" and isinstance(value, list):
            kinds = "oneOf" if "oneOf" in schema else "anyOf"
            inside = [
                _adapt(inner, root, f"{where}.{kinds}[{number}]", drops, seen) for number, inner in enumerate(value)
            ]
            parts += _alternatives(found, inside)
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
    whole: Schema = {}
    for part in (*parts, found):
        whole = _both(whole, part, where, drops)
    return whole


def _referred(schema: Schema, root: Schema, where: str, drops: Drops, seen: tuple[str, ...]) -> list[Schema]:
    """What a schema refers to and what it is all of, each adapted."""
    parts: list[Schema] = []
    reference = schema.get("$ref")
    if isinstance(reference, str):
        if reference in seen:
            cannot("Gemini", "a schema that refers to itself", where)
        parts.append(_adapt(_target(reference, root, where), root, where, drops, (*seen, reference)))
    members = schema.get("allOf")
    if isinstance(members, list):
        parts += [_adapt(inner, root, f"{where}.allOf[{number}]", drops, seen) for number, inner in enumerate(members)]
    return parts


def _both(one: Schema, other: Schema, where: str, drops: Drops) -> Schema:
    """A schema for what fits both; words of `other` go first. Raises InvalidRequest when nothing can fit."""
    found = {**one, **other}
    for name in one.keys() & other.keys():
        mine, its = one[name], other[name]
        if mine == its or name in WORDS:
            continue
        if name == "properties":
            same = {key: _both(mine[key], its[key], where, drops) for key in mine.keys() & its.keys()}
            found[name] = {**mine, **its, **same}
        elif name == "items":
            found[name] = _both(mine, its, where, drops)
        elif name == "required":
            found[name] = list(dict.fromkeys([*mine, *its]))
        elif name == "enum":
            found[name] = [item for item in mine if item in its]
            if not found[name]:
                cannot("Gemini", "values of which none is allowed", where)
        elif name == "type":
            if {mine, its} != {"integer", "number"}:
                cannot("Gemini", f"what is both {mine} and {its}", where)
            found[name] = "integer"
        elif name.startswith(("min", "max")):
            found[name] = max(mine, its) if name.startswith("min") else min(mine, its)
        elif name == "nullable":
            found[name] = True
        else:
            drops.note(f"{where}.allOf.{name}")
    return found


def _plain(schema: Schema, where: str, drops: Drops) -> Schema:
    """`oneOf`, `const` and lists of types in words Gemini knows."""
    found = dict(schema)
    if "oneOf" in found:
        if "anyOf" in found:
            drops.note(f"{where}.anyOf")
        found["anyOf"] = found.pop("oneOf")
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
            if "anyOf" in found:
                drops.note(f"{where}.type")
            else:
                found["anyOf"] = [{"type": kind} for kind in named]
    return found


def _alternatives(found: Schema, inner: list[Schema]) -> list[Schema]:
    """`null` is no type there: it makes the others nullable. A lone other is given back, to be put together."""
    named = [schema for schema in inner if schema.get("type") != "null"]
    if len(named) < len(inner):
        found["nullable"] = True
    if len(named) == 1:
        return named
    found["anyOf"] = named
    return []


def _target(reference: str, root: Schema, where: str) -> Schema:
    place: Any = root
    for step in reference.removeprefix("#").strip("/").split("/"):
        if step:
            place = place.get(step.replace("~1", "/").replace("~0", "~")) if isinstance(place, dict) else None
    if not reference.startswith("#") or not isinstance(place, dict):
        return cannot("Gemini", f"the schema reference {reference}", where)
    return place
