"""The part of `json_schema.py` that needs the `jsonschema` library: imported when first needed, as it takes 0.4 s."""

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from itertools import islice
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import SchemaError, ValidationError
from referencing import Registry
from referencing.exceptions import Unresolvable

SHOWN_LENGTH = 200

_formats = FormatChecker(formats=["date", "time", "email", "uuid"])


@_formats.checks("date-time", raises=ValueError)
def _is_date_time(value: object) -> bool:
    """RFC 3339, section 5.6: a time without an offset is not one point in time."""
    return not isinstance(value, str) or datetime.fromisoformat(value).tzinfo is not None


def fault_of(schema: Mapping[str, Any]) -> tuple[str, str] | None:
    """(path, message) of what makes a schema unusable, or None."""
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        return _joined(error.absolute_path), _message(error)
    return None


def faults_in(schema: Mapping[str, Any], value: Any, most: int) -> list[tuple[str, str]]:
    """(path, message) of what of a value does not fit a checked schema."""
    validator = Draft202012Validator(schema, registry=Registry(), format_checker=_formats)
    try:
        found = islice(validator.iter_errors(value), most)
        return sorted((_joined(error.absolute_path), _message(error)) for error in found)
    except Unresolvable as error:
        return [("", f"cannot be checked: the schema has nothing at {str(error.ref)[:SHOWN_LENGTH]!r}")]
    except RecursionError:
        return [("", "cannot be checked: the schema refers to itself without end")]


def _joined(parts: Iterable[str | int]) -> str:
    path = ""
    for part in parts:
        path = f"{path}[{part}]" if isinstance(part, int) else f"{path}.{part}" if path else str(part)
    return path[: 2 * SHOWN_LENGTH]


def _message(error: ValidationError | SchemaError) -> str:
    """Ours rather than the library's, which repeats the value."""
    rule, want = str(error.validator), error.validator_value
    shown = json.dumps(want, ensure_ascii=False, default=str)
    shown = shown if len(shown) <= SHOWN_LENGTH else f"{shown[:SHOWN_LENGTH]}…"
    if rule == "required" and isinstance(error.instance, Mapping) and isinstance(want, list):
        return "lacks " + ", ".join(repr(name) for name in want if name not in error.instance)
    if rule == "additionalProperties" and isinstance(error.instance, Mapping):
        known = error.schema.get("properties", {}) if isinstance(error.schema, Mapping) else {}
        more = [name for name in error.instance if name not in known]
        return "may not have " + ", ".join(repr(name[:SHOWN_LENGTH]) for name in more[:5])
    said = _SAID.get(rule)
    return said.format(shown) if said else f"does not fit {rule}: {shown}"


_SAID = {
    "type": "must be of type {}",
    "enum": "must be one of {}",
    "const": "must be {}",
    "format": "must have the format {}",
    "minimum": "must be at least {}",
    "maximum": "must be at most {}",
    "exclusiveMinimum": "must be more than {}",
    "exclusiveMaximum": "must be less than {}",
    "minLength": "must have at least {} characters",
    "maxLength": "must have at most {} characters",
    "minItems": "must have at least {} items",
    "maxItems": "must have at most {} items",
    "pattern": "must match {}",
    "multipleOf": "must be a multiple of {}",
    "uniqueItems": "must not have an item twice",
    "anyOf": "fits none of the alternatives",
    "oneOf": "must fit exactly one of the alternatives",
}
