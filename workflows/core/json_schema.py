"""JSON Schema (draft 2020-12, by the `jsonschema` library): is a schema usable, and what of a value does not fit it.

Promises: nothing is fetched from anywhere (references stay inside the schema), and a message names the place and the
rule but never repeats the value, which may be secret or large. Formats checked: date, date-time, time, email, uuid.
Not promised: that a `pattern` or a web of references ends soon on every value; a schema from people who are not trusted
is read with `trusted=False`, which refuses both. Next: `forms.py`, `functions.py`.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from workflows.core.errors import BadDefinition
from workflows.core.payload import MAXIMUM_DEPTH

MAXIMUM_SCHEMA_BYTES = 65_536
MAXIMUM_VIOLATIONS = 20
SHOWN_LENGTH = 200
REFERENCES = ("$ref", "$dynamicRef")


@dataclass(frozen=True, slots=True)
class Violation:
    """One rule a value does not fit. `path`: where in the value, e.g. `lines[2].price`; empty for the whole."""

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path or 'the value'} {self.message}"


def check_schema(schema: Any, path: str, *, trusted: bool = True) -> dict[str, Any]:
    """`schema`, if it can be used; raises BadDefinition whose path begins with `path`.

    With `trusted=False`, patterns and references are refused: one value may keep such a rule busy for hours.
    """
    if not isinstance(schema, Mapping):
        raise BadDefinition(path, f"a JSON schema is an object, not {type(schema).__name__}")
    from workflows.core import json_schema_library

    try:
        size = len(json.dumps(schema))
        for where, key, value in _members(schema, path, 0):
            _check_member(where, key, value, trusted)
    except (TypeError, ValueError) as error:
        raise BadDefinition(path, f"is not JSON: {error}") from None
    except RecursionError:
        raise BadDefinition(path, "is nested too deep") from None
    if size > MAXIMUM_SCHEMA_BYTES:
        raise BadDefinition(path, f"is {size} bytes; a schema has at most {MAXIMUM_SCHEMA_BYTES}")
    fault = json_schema_library.fault_of(schema)
    if fault:
        raise BadDefinition(f"{path}.{fault[0]}" if fault[0] else path, fault[1])
    return dict(schema)


def violations(schema: Mapping[str, Any], value: Any) -> list[Violation]:
    """What of `value` does not fit a checked schema, in order of place; at most MAXIMUM_VIOLATIONS. Empty: it fits."""
    from workflows.core import json_schema_library

    return [Violation(*fault) for fault in json_schema_library.faults_in(schema, value, MAXIMUM_VIOLATIONS)]


def _members(value: Any, path: str, depth: int) -> Iterator[tuple[str, str, Any]]:
    """Every member of every object in the schema, with its path."""
    if depth > MAXIMUM_DEPTH:
        raise BadDefinition(path[:SHOWN_LENGTH], f"is nested more than {MAXIMUM_DEPTH} deep")
    if isinstance(value, Mapping):
        for key, member in value.items():
            yield f"{path}.{key}", str(key), member
            yield from _members(member, f"{path}.{key}", depth + 1)
    elif isinstance(value, list | tuple):
        for index, member in enumerate(value):
            yield from _members(member, f"{path}[{index}]", depth + 1)


def _check_member(path: str, key: str, value: Any, trusted: bool) -> None:
    if key in REFERENCES and isinstance(value, str):
        if not trusted:
            raise BadDefinition(path, "is not allowed here: write the part out")
        if not value.startswith("#"):
            raise BadDefinition(path, "may only refer to a part of the same schema (#/…): nothing is fetched")
    wrong = isinstance(value, str) if key == "pattern" else key == "patternProperties"
    if wrong and not trusted:
        raise BadDefinition(path, "is not allowed here: use enum, format, minLength or maxLength")
