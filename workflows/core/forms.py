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
ORDER = "x-order"
"""A form may list its properties in the order in which people are to see them."""
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
    unknown = [name for name in _order(checked) if name not in checked.get("properties", {})]
    if unknown or (ORDER in checked and not isinstance(checked[ORDER], list)):
        raise BadDefinition(
            f"{path}.{ORDER}", f"lists names of properties; unknown: {', '.join(unknown)[:200] or 'all'}"
        )
    if len(checked.get("properties", {})) > MAXIMUM_FIELDS:
        raise BadDefinition(f"{path}.properties", f"has more than {MAXIMUM_FIELDS} fields")
    return checked


def faults_of_answer(form: Mapping[str, Any], answer: Mapping[str, Any]) -> list[Violation]:
    """What of an answer does not fit a checked form. An empty form takes no fields at all."""
    closed = {"type": "object", "additionalProperties": False}
    open_by_word = "additionalProperties" in form or "unevaluatedProperties" in form
    return violations({"type": "object", **form} if open_by_word else {**closed, **form}, answer)


def fields_of(form: Mapping[str, Any]) -> list[Field]:
    """The fields as `x-order` lists them, then the required ones as the form lists those, then the others by name.

    Not in order of mention: JSON objects have none, and Postgres keeps none.
    """
    required, properties = form.get("required", ()), form.get("properties", {})
    listed = [name for name in (*_order(form), *required) if name in properties]
    return [
        _field(name, each if isinstance(each := properties[name], Mapping) else {}, name in required)
        for name in dict.fromkeys((*listed, *sorted(properties)))
    ]


def _order(form: Mapping[str, Any]) -> list[str]:
    given = form.get(ORDER)
    return [name for name in given if isinstance(name, str)] if isinstance(given, list) else []


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
