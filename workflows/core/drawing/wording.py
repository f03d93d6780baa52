"""How a picture says rules, kinds and arcs in a few words. Next: `sketch.py`."""

from workflows.core.drawing import text
from workflows.core.guard import AllOf, AnyOf, ExpressionRule, FieldRule, Negation, Rule
from workflows.core.net import Arc, Place, Transition

_SIGNS = {"FieldEquals": "=", "FieldGreaterThan": ">", "FieldLessThan": "<", "FieldContains": "contains"}


def said_rule(rule: Rule) -> str:
    """A rule as people write it: `score > 7`."""
    if isinstance(rule, FieldRule):
        return f"has {rule.field}" if rule.kind == "FieldExists" else f"{rule.field} {_SIGNS[rule.kind]} {rule.value!r}"
    if isinstance(rule, Negation):
        return f"not ({said_rule(rule.rule)})"
    if isinstance(rule, ExpressionRule):
        return rule.expression.source
    return (" and " if isinstance(rule, AllOf) else " or ").join(
        f"({said_rule(part)})" if isinstance(part, AllOf | AnyOf) else said_rule(part) for part in rule.rules
    )


def said_guard(step: Transition) -> str:
    """What must hold for it to fire; empty if nothing."""
    if step.otherwise:
        return "else"
    return text.printable(" and ".join(said_rule(rule) for rule in step.guard))


def said_kind(step: Transition) -> str:
    """Who fires it and what it does outside: `agent: reviewer`, `timer: 5 min`; empty for a manual one."""
    if step.kind == "timer":
        return f"timer: {said_seconds(step.due)}"
    reference = f": {step.work.reference}" if step.work is not None and step.work.reference else ""
    kind = "" if step.kind in ("manual", "outcome") else f"{step.kind}{reference}"
    wait = f"after {said_seconds(step.after)}" if step.after else ""
    limit = f"within {said_seconds(step.deadline)}" if step.deadline is not None else ""
    return text.printable(", ".join(part for part in (kind, wait, limit) if part))


def said_place(place: Place) -> str:
    """Who sees its tokens, where that is more than one case."""
    return {"case": "", "workflow": "of all cases", "account": "of all workflows"}[place.scope]


def said_arc(arc: Arc) -> str:
    return f"{arc.weight} of {arc.place}" if arc.weight > 1 else arc.place


def said_seconds(seconds: float) -> str:
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size and seconds % size == 0:
            return f"{seconds // size:g} {unit}"
    return f"{seconds:g} s"
