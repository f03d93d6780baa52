"""Forms of human tasks: a JSON schema of an object, and how each of its fields is asked for on a page.

Whoever may write a workflow may write a form, so patterns and references are refused (`json_schema.py`). A field that
the form does not name is refused in an answer, unless the form says `additionalProperties`. Next: `admin/task_form.py`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from workflows.core.errors import BadDefinition
from workflows.core.json_schema import Violation, check_schema, violations

Widget = Literal["text", "long text", "number", "whole number", "yes or no", "choice", "date", "date and time", "json"]
MAXIMUM_FIELDS = 200
LONG_TEXT = 200
"""A text that may be longer than this is asked for in several lines."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a form as a page shows it. `json`: a value the page has no other way to ask for."""

    name: str
    widget: Widget
    label: str
    help: str
    required: bool
    default: Any
    choices: tuple[Any, ...] = ()
    maximum_length: int | None = None


def check_form(form: Any, path: str) -> dict[str, Any]:
    """`form`, if it can be used; raises BadDefinition with the path."""
    checked = check_schema(form, path, trusted=False)
    if checked.get("type", "object") != "object":
        raise BadDefinition(f"{path}.type", 'the answer to a form is an object: write "object"')
    if len(checked.get("properties", {})) > MAXIMUM_FIELDS:
        raise BadDefinition(f"{path}.properties", f"has more than {MAXIMUM_FIELDS} fields")
    return checked


def faults_of_answer(form: Mapping[str, Any], answer: Mapping[str, Any]) -> list[Violation]:
    """What of an answer does not fit a checked form. An empty form takes no fields at all."""
    closed = {"type": "object", "additionalProperties": False}
    open_by_word = "additionalProperties" in form or "unevaluatedProperties" in form
    return violations({"type": "object", **form} if open_by_word else {**closed, **form}, answer)


def fields_of(form: Mapping[str, Any]) -> list[Field]:
    """The fields in order of mention, required ones as the form says."""
    required = form.get("required", ())
    return [
        _field(name, each if isinstance(each, Mapping) else {}, name in required)
        for name, each in form.get("properties", {}).items()
    ]


def _field(name: str, schema: Mapping[str, Any], required: bool) -> Field:
    choices = schema.get("enum") or ([schema["const"]] if "const" in schema else [])
    return Field(
        name=name,
        widget="choice" if choices else _widget(schema),
        label=str(schema.get("title") or name),
        help=str(schema.get("description") or ""),
        required=required,
        default=schema.get("default"),
        choices=tuple(choices),
        maximum_length=schema.get("maxLength"),
    )


def _widget(schema: Mapping[str, Any]) -> Widget:
    kind = schema.get("type")
    if kind == "string":
        formats: dict[Any, Widget] = {"date": "date", "date-time": "date and time"}
        asked: Widget = "long text" if schema.get("maxLength", 0) > LONG_TEXT else "text"
        return formats.get(schema.get("format"), asked)
    simple: dict[Any, Widget] = {"number": "number", "integer": "whole number", "boolean": "yes or no"}
    return simple.get(kind, "json") if isinstance(kind, str) else "json"
