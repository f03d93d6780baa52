"""Reads `work`: what a step does outside, or the signal that a transition waits for. One row per kind.

    agent     {"agent": ID}
    function  {"function": NAME}
    signal    {"signal": NAME, "correlation": {FIELD: EXPRESSION}}
    human     {"title", "assignee", "group", "form", "deadline", "escalation": {"after", "assignee", "group"}}
    workflow  {"workflow": ID, "place": PLACE, "returns": [PLACE, ...], "outcomes": {PLACE: OUTCOME}}

All but signal also `input` and `output`: templates (`expressions.py`) of what the handler gets and what is merged into
the token's data. An assignee or a group is a name, or {"expression": E} over the token that gives one. What a kind does
with its settings is told where its handler is. Next: `refinement.py`.
"""

from collections.abc import Mapping
from typing import Any

from workflows.core.errors import BadDefinition
from workflows.core.expressions import Expression, parse_expression, parse_template
from workflows.core.forms import check_form
from workflows.core.net import LONGEST_PERSON, Kind, Work
from workflows.core.written import only, read_choice, read_list, read_object, read_seconds, read_text, without_nothing

OUTCOMES = ("ok", "failed", "timeout", "cancelled")
MAXIMUM_RETURNS = 100

_KEYS: dict[str, tuple[str, ...]] = {
    "agent": ("agent",),
    "function": ("function",),
    "human": ("title", "assignee", "group", "form", "deadline", "escalation"),
    "workflow": ("workflow", "place", "returns", "outcomes"),
}


def read_work(kind: Kind, written: Any, path: str) -> Work | None:
    """The work of a transition of this kind, None for one that has none; raises BadDefinition."""
    if kind == "signal":
        return _signal(read_object(written if written is not None else {}, path), path)
    if kind not in _KEYS:
        if written is not None:
            raise BadDefinition(path, f"a transition of kind {kind} has no work; give it another kind")
        return None
    given = read_object(written if written is not None else {}, path)
    only(given, path, (*_KEYS[kind], "input", "output"))
    settings = {key: value for key, value in given.items() if key not in ("input", "output")}
    people = _people(settings, path)
    _check_settings(kind, settings, path)
    reference = settings.pop(kind, None) if kind != "human" else settings.get("title", "")
    if kind != "human":
        reference = read_text(reference, f"{path}.{kind}")
    return Work(
        reference=str(reference),
        input=parse_template(given["input"], f"{path}.input") if "input" in given else None,
        output=parse_template(given["output"], f"{path}.output", adds=True) if "output" in given else None,
        settings=settings,
        people=people,
    )


def _signal(given: Mapping[str, Any], path: str) -> Work:
    only(given, path, ("signal", "correlation"))
    correlation = read_object(given.get("correlation", {}), f"{path}.correlation")
    fields = tuple((key, parse_expression(each, f"{path}.correlation.{key}")) for key, each in correlation.items())
    return Work(read_text(given.get("signal"), f"{path}.signal"), correlation=fields)


def _check_settings(kind: Kind, settings: dict[str, Any], path: str) -> None:
    """Checks and, for durations, rewrites the kind's own keys."""
    for key in ("title", "place"):
        if key in settings:
            read_text(settings[key], f"{path}.{key}")
    if "form" in settings:
        check_form(settings["form"], f"{path}.form")
    if "deadline" in settings:
        settings["deadline"] = read_seconds(settings["deadline"], f"{path}.deadline")
    for index, item in enumerate(read_list(settings.get("returns", []), f"{path}.returns", MAXIMUM_RETURNS)):
        read_text(item, f"{path}.returns[{index}]")
    if "outcomes" in settings:
        for place, outcome in read_object(settings["outcomes"], f"{path}.outcomes").items():
            read_choice(outcome, f"{path}.outcomes.{place}", OUTCOMES)


def _people(settings: dict[str, Any], path: str) -> tuple[tuple[str, Expression], ...]:
    """Checks whom a task is for, and whom it goes to; takes what an expression says out of `settings`, by its key."""
    if "escalation" in settings:
        settings["escalation"] = _escalation(settings["escalation"], f"{path}.escalation")
    said: list[tuple[str, Expression]] = []
    for prefix, holder in (("", settings), ("escalation.", settings.get("escalation", {}))):
        for key in ("assignee", "group"):
            where, written = f"{path}.{prefix}{key}", holder.get(key)
            if isinstance(written, Mapping):
                only(written, where, ("expression",))
                said.append((f"{prefix}{key}", parse_expression(written.get("expression"), f"{where}.expression")))
                del holder[key]
            elif key in holder:
                read_text(written, where, LONGEST_PERSON)
    return tuple(said)


def _escalation(written: Any, path: str) -> dict[str, Any]:
    given = without_nothing(read_object(written, path))
    only(given, path, ("after", "assignee", "group"))
    if "assignee" not in given and "group" not in given:
        raise BadDefinition(path, "says neither assignee nor group")
    if "after" in given:
        given["after"] = read_seconds(given["after"], f"{path}.after")
    return given
