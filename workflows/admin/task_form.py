"""The page's form of a task, made from its JSON schema; the service has the last word on what fits.

Each field of the schema is one input; what no input fits is asked for as JSON. An optional field left empty is no part
of the answer. Next: `human_tasks.py`.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.html import escape
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from workflows.core.forms import Field, fields_of

NOTHING = ("", "-")


class NumberInput(UnfoldAdminTextInputWidget):
    input_type = "number"


class DateInput(UnfoldAdminTextInputWidget):
    input_type = "date"


class MomentInput(UnfoldAdminTextInputWidget):
    input_type = "datetime-local"


class TaskForm(forms.Form):
    """Inputs are called `field_0`, `field_1` … as names in a schema may be anything."""

    def __init__(self, schema: Mapping[str, Any], data: Mapping[str, Any] | None = None) -> None:
        self._asked = {f"field_{number}": field for number, field in enumerate(fields_of(schema))}
        shown = {key: _as_typed(field.default) for key, field in self._asked.items() if field.default is not None}
        super().__init__(data, initial=shown)
        for key, field in self._asked.items():
            self.fields[key] = _input_of(field)

    def answer(self) -> dict[str, Any]:
        """The checked input as the answer's JSON object."""
        given = {field.name: self.cleaned_data[key] for key, field in self._asked.items()}
        return {name: _json_value(value) for name, value in given.items() if value is not None}

    def refuse(self, violations: Sequence[Mapping[str, str]]) -> None:
        """Show what the service said beside the fields it is about."""
        keys = {field.name: key for key, field in self._asked.items()}
        for violation in violations:
            name = violation["path"].partition(".")[0].partition("[")[0]
            self.add_error(keys.get(name), f"{violation['path'] or 'The answer'} {violation['message']}")


def _input_of(field: Field) -> forms.Field:
    about: dict[str, Any] = {"label": field.label, "help_text": escape(field.help), "required": field.required}
    if field.widget == "choice":
        choices = [NOTHING, *((str(number), _said(each)) for number, each in enumerate(field.choices))]
        widget = UnfoldAdminSelectWidget()
        picked = forms.TypedChoiceField(
            choices=choices,
            coerce=lambda number: _Value(field.choices[int(number)]),
            empty_value=None,
            widget=widget,
            **about,
        )
        if field.default is not None and field.default in field.choices:
            picked.initial = str(field.choices.index(field.default))
        return picked
    if field.widget == "yes or no":
        return forms.TypedChoiceField(
            choices=[NOTHING, ("true", "Yes"), ("false", "No")],
            coerce=lambda word: word == "true",
            empty_value=None,
            widget=UnfoldAdminSelectWidget(),
            **about,
        )
    if field.widget == "number":
        return forms.FloatField(widget=NumberInput(attrs={"step": "any"}), **about)
    if field.widget == "whole number":
        return forms.IntegerField(widget=NumberInput(), **about)
    if field.widget == "date":
        return forms.DateField(widget=DateInput(), **about)
    if field.widget == "date and time":
        return forms.DateTimeField(widget=MomentInput(), **about)
    if field.widget == "json":
        return _JsonField(widget=UnfoldAdminTextareaWidget(attrs={"rows": 4}), **about)
    long = field.widget == "long text"
    line = UnfoldAdminTextareaWidget(attrs={"rows": 4}) if long else UnfoldAdminTextInputWidget()
    return forms.CharField(max_length=field.maximum_length, strip=False, empty_value=None, widget=line, **about)


class _Value:
    """A choice, wrapped so that `null`, `false` and `0` are told from nothing chosen."""

    def __init__(self, value: Any) -> None:
        self.value = value


class _JsonField(forms.CharField):
    def clean(self, value: Any) -> Any:
        text = super().clean(value)
        if not text:
            return None
        try:
            return _Value(json.loads(text))
        except (ValueError, RecursionError):
            raise ValidationError("Write JSON.", code="invalid") from None


def _json_value(value: Any) -> Any:
    if isinstance(value, _Value):
        return value.value
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return value.isoformat() if isinstance(value, date) else value


def _as_typed(default: Any) -> Any:
    """A default as its input shows it."""
    if isinstance(default, bool):
        return "true" if default else "false"
    return json.dumps(default, ensure_ascii=False) if isinstance(default, list | dict) else default


def _said(choice: Any) -> str:
    return choice if isinstance(choice, str) else json.dumps(choice, ensure_ascii=False)
