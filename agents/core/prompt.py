"""Prompt templates: `{name}` and `{name.field}` are replaced, everything else stays as it is.

Data is put in once and never read again as template, so braces in data have no meaning. In a template, braces around
anything but a name (JSON examples, code) are literal; `{{name}}` gives the literal text `{name}`. Text goes in as it
is, other values as JSON. Next: `loop.py`, which sends the result.
"""

import json
import re
from collections.abc import Collection, Mapping
from typing import Any

from agents.core.errors import MappingFailed, PromptTooLong, UnknownVariable
from agents.core.mapping import read

TOKEN_VARIABLES = ("token_id", "current_place", "token_metadata", "workflow_id", "history_count")
VARIABLES = ("input_data", *TOKEN_VARIABLES)
PLAIN_VARIABLES = ("token_id", "current_place", "workflow_id", "history_count")

LENGTH_LIMIT = 2_000_000
"""Characters of one prompt with its data: more than any model reads, less than would hurt a worker."""

_PLACEHOLDER = re.compile(r"\{\{([A-Za-z_][\w.-]*)\}\}|\{([A-Za-z_][\w.-]*)\}")


def placeholders(template: str) -> set[str]:
    """The variables a template names, dotted ones whole."""
    return {found.group(2) for found in _PLACEHOLDER.finditer(template) if found.group(2)}


def check_placeholders(name: str, template: str, known: Collection[str]) -> None:
    """Raise UnknownVariable for the first placeholder (in order of the alphabet) whose variable is not in `known`."""
    for variable in sorted(placeholders(template)):
        if variable not in known and variable.split(".")[0] not in known:
            raise UnknownVariable(name, variable, known)


def render(name: str, template: str, variables: Mapping[str, Any]) -> str:
    """The template with its variables put in. `name` says which template in errors.

    Raises UnknownVariable, PromptTooLong.
    """
    room = LENGTH_LIMIT - len(template)

    def put_in(found: re.Match[str]) -> str:
        nonlocal room
        if found.group(1):
            return f"{{{found.group(1)}}}"
        text = _text(_value(name, found.group(2), variables))
        room -= len(text)
        if room < 0:
            raise PromptTooLong(name, LENGTH_LIMIT)
        return text

    if room < 0:
        raise PromptTooLong(name, LENGTH_LIMIT)
    return _PLACEHOLDER.sub(put_in, template)


def variables_of(input_data: Mapping[str, Any], token: Mapping[str, Any] | None) -> dict[str, Any]:
    """Every variable of one execution: the input's keys, `input_data`, and those of the token where there is one.

    `token` is {id, place, metadata, workflow_id, history_count}. The fixed names win over input keys of the same name.
    """
    variables = {**input_data, "input_data": dict(input_data)}
    if token is not None:
        variables |= {
            "token_id": token["id"],
            "current_place": token["place"],
            "token_metadata": token["metadata"],
            "workflow_id": token["workflow_id"],
            "history_count": token["history_count"],
        }
    return variables


def _value(name: str, variable: str, variables: Mapping[str, Any]) -> Any:
    if variable in variables:
        return variables[variable]
    try:
        return read(variables, variable, name)
    except MappingFailed:
        raise UnknownVariable(name, variable, variables) from None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
