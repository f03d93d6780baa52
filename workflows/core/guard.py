"""Rules: conditions on a token's fields, written as JSON objects, parsed once, evaluated at every firing.

    {"type": "FieldExists",      "field": "document.author"}
    {"type": "FieldEquals",      "field": "status", "value": "ready"}
    {"type": "FieldGreaterThan", "field": "score", "value": 7}      (FieldLessThan likewise; numbers only)
    {"type": "FieldContains",    "field": "tags", "value": "urgent"}  (of a string, list or object)
    {"type": "And", "rules": [...]}   {"type": "Or", "rules": [...]}   {"type": "Not", "rule": {...}}
    {"type": "Expression", "expression": "data.score > 7 && tokens.all(t, t.data.ok)"}  (see expressions.py)

A string names one of the definition's own `rules`, among them copies of stored ones. A field is a dotted path into the
token's data; `metadata.` and `data.` as first step choose explicitly. A rule sees the tokens as they lie in their
places: data handed in with a firing cannot talk a guard round. Evaluation never raises.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from workflows.core.errors import BadDefinition
from workflows.core.expressions import Expression, ExpressionFailed, View, evaluate_expression, parse_expression

Comparison = Literal["FieldExists", "FieldEquals", "FieldGreaterThan", "FieldLessThan", "FieldContains"]
COMPARISONS: tuple[Comparison, ...] = (
    "FieldExists",
    "FieldEquals",
    "FieldGreaterThan",
    "FieldLessThan",
    "FieldContains",
)
MAXIMUM_DEPTH = 16
MAXIMUM_PARTS = 64
MAXIMUM_PATH = 500
_ABSENT: Any = object()


@dataclass(frozen=True, slots=True)
class FieldRule:
    kind: Comparison
    field: str
    value: Any = None


@dataclass(frozen=True, slots=True)
class AllOf:
    rules: tuple["Rule", ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    rules: tuple["Rule", ...]


@dataclass(frozen=True, slots=True)
class Negation:
    rule: "Rule"


@dataclass(frozen=True, slots=True)
class ExpressionRule:
    expression: Expression


Rule = FieldRule | AllOf | AnyOf | Negation | ExpressionRule


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a rule passed, why, and the verdicts of its parts."""

    passed: bool
    reason: str
    parts: tuple["Verdict", ...] = ()


def parse_rule(written: Any, path: str, depth: int = 0, stored: Mapping[str, Rule] | None = None) -> Rule:
    """The rule written at `path`; a string names one of `stored`. Raises BadDefinition with the path of the fault."""
    if depth > MAXIMUM_DEPTH:
        raise BadDefinition(path, f"rules are nested more than {MAXIMUM_DEPTH} deep")
    if isinstance(written, str):
        if stored and written in stored:
            return stored[written]
        raise BadDefinition(
            path,
            f"there is no stored rule {written!r}; store it (`createRule`), write the rule itself, e.g. {_EXAMPLE}, "
            "or leave it out",
        )
    if not isinstance(written, Mapping):
        raise BadDefinition(path, f"a rule is an object such as {_EXAMPLE}, not {type(written).__name__}")
    kind = written.get("type")
    if kind in COMPARISONS:
        return _parse_comparison(kind, written, path)
    if kind in ("And", "Or"):
        _only(written, path, "type", "rules")
        parts = written.get("rules")
        if not isinstance(parts, list) or not 1 <= len(parts) <= MAXIMUM_PARTS:
            raise BadDefinition(f"{path}.rules", f"must be a list of 1 to {MAXIMUM_PARTS} rules")
        rules = tuple(parse_rule(part, f"{path}.rules[{index}]", depth + 1, stored) for index, part in enumerate(parts))
        return AllOf(rules) if kind == "And" else AnyOf(rules)
    if kind == "Not":
        _only(written, path, "type", "rule")
        return Negation(parse_rule(written.get("rule"), f"{path}.rule", depth + 1, stored))
    if kind == "Expression":
        _only(written, path, "type", "expression")
        return ExpressionRule(parse_expression(written.get("expression"), f"{path}.expression"))
    known = ", ".join((*COMPARISONS, "And", "Or", "Not", "Expression"))
    raise BadDefinition(f"{path}.type", f"no rule type {kind!r}; known: {known}")


def evaluate(rule: Rule, data: Mapping[str, Any], metadata: Mapping[str, Any], view: View | None = None) -> Verdict:
    """Whether the rule holds for these fields; expressions see the whole `view`, or these fields alone."""
    if isinstance(rule, FieldRule):
        return _compare(rule, _look_up(rule.field, data, metadata))
    if isinstance(rule, ExpressionRule):
        return _judge(rule.expression, view or View(data, metadata))
    if isinstance(rule, Negation):
        part = evaluate(rule.rule, data, metadata, view)
        return Verdict(not part.passed, f"not ({part.reason})", (part,))
    parts = tuple(evaluate(part, data, metadata, view) for part in rule.rules)
    if isinstance(rule, AllOf):
        failed = [part.reason for part in parts if not part.passed]
        return Verdict(not failed, " and ".join(failed or [part.reason for part in parts]), parts)
    passed = [part.reason for part in parts if part.passed]
    return Verdict(bool(passed), " or ".join(passed or [part.reason for part in parts]), parts)


def _judge(expression: Expression, view: View) -> Verdict:
    """A failed evaluation, such as a missing field, is a rule that does not hold."""
    try:
        found = evaluate_expression(expression, view)
    except ExpressionFailed as error:
        return Verdict(False, str(error))
    return Verdict(found is True, f"{expression.source} is {_short(found)}")


def _parse_comparison(kind: Comparison, written: Mapping[str, Any], path: str) -> FieldRule:
    _only(written, path, "type", "field", *(() if kind == "FieldExists" else ("value",)))
    field = written.get("field")
    if not isinstance(field, str) or not field.strip() or len(field) > MAXIMUM_PATH:
        raise BadDefinition(f"{path}.field", "must be the dotted path of a field, e.g. document.author")
    if kind == "FieldExists":
        return FieldRule(kind, field)
    if "value" not in written:
        raise BadDefinition(f"{path}.value", f"{kind} needs a value to compare with")
    value = written["value"]
    if kind in ("FieldGreaterThan", "FieldLessThan") and not _is_number(value):
        raise BadDefinition(f"{path}.value", f"must be a number, not {type(value).__name__}")
    return FieldRule(kind, field, value)


def _only(written: Mapping[str, Any], path: str, *known: str) -> None:
    for key in written:
        if key not in known:
            raise BadDefinition(f"{path}.{key}", f"unknown key; a {written.get('type')} has {', '.join(known)}")


def _look_up(field: str, data: Mapping[str, Any], metadata: Mapping[str, Any]) -> Any:
    first, _, rest = field.partition(".")
    if rest and first == "metadata":
        return _walk(metadata, rest)
    if rest and first == "data":
        return _walk(data, rest)
    return _walk(data, field)


def _walk(value: Any, path: str) -> Any:
    for step in path.split("."):
        if isinstance(value, Mapping) and step in value:
            value = value[step]
        elif isinstance(value, list | tuple) and step.isdecimal() and int(step[:9]) < len(value):
            value = value[int(step[:9])]
        else:
            return _ABSENT
    return value


def _compare(rule: FieldRule, found: Any) -> Verdict:
    if rule.kind == "FieldExists":
        there = found is not _ABSENT
        return Verdict(there, f"{rule.field} {'exists' if there else 'does not exist'}")
    if found is _ABSENT:
        return Verdict(False, f"{rule.field} does not exist")
    wanted = _short(rule.value)
    if rule.kind == "FieldEquals":
        return _verdict(_same(found, rule.value), rule.field, found, f"equal {wanted}")
    if rule.kind == "FieldGreaterThan":
        return _verdict(_is_number(found) and found > rule.value, rule.field, found, f"be greater than {wanted}")
    if rule.kind == "FieldLessThan":
        return _verdict(_is_number(found) and found < rule.value, rule.field, found, f"be less than {wanted}")
    return _verdict(_contains(found, rule.value), rule.field, found, f"contain {wanted}")


def _verdict(passed: bool, field: str, found: Any, demand: str) -> Verdict:
    return Verdict(passed, f"{field} is {_short(found)} and must {demand}")


def _same(found: Any, value: Any) -> bool:
    """JSON equality: true is not 1."""
    return isinstance(found, bool) == isinstance(value, bool) and bool(found == value)


def _contains(found: Any, value: Any) -> bool:
    if isinstance(found, str):
        return isinstance(value, str) and value in found
    if isinstance(found, Mapping):
        return isinstance(value, str) and value in found
    return isinstance(found, list | tuple) and any(_same(item, value) for item in found)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _short(value: Any) -> str:
    said = repr(value)
    return said if len(said) <= 60 else said[:57] + "..."


_EXAMPLE = '{"type": "FieldExists", "field": "document"}'
