"""Expressions: what they see, what they refuse, and that none of them can hold up or fill up the engine."""

import time

import pytest

from workflows.core.errors import BadDefinition
from workflows.core.expressions import (
    ExpressionFailed,
    View,
    evaluate_expression,
    fill,
    parse_expression,
    parse_template,
)
from workflows.core.guard import evaluate, parse_rule


def value(source: str, **data: object) -> object:
    return evaluate_expression(parse_expression(source, "x"), View(data, {"by": "me"}))


def test_they_see_data_and_metadata() -> None:
    assert value("data.n > 1.5 && metadata.by == 'me'", n=2) is True
    assert value("{'a': data.tags.map(t, t + '!'), 'b': null}", tags=["x"]) == {"a": ["x!"], "b": None}
    assert value("data.a.b", a={"b": [1]}) == [1]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("data.n", 'data.n: Key not found in map : "n"'),
        ("data.n + 1", 'data.n + 1: Key not found in map : "n"'),
        ("1 / 0", "1 / 0: divide by zero"),
        ("timestamp('2026-01-01T00:00:00Z')", "timestamp('2026-01-01T00:00:00Z'): gives a datetime, which is no JSON value; make it a string"),
        ("b'x'", "b'x': gives a bytearray, which is no JSON value; make it a string"),
        ("1.0 / 0.0", "1.0 / 0.0: gives inf, which JSON has no number for"),
    ],
)  # fmt: skip
def test_what_gives_no_value_says_why(source: str, message: str) -> None:
    with pytest.raises(ExpressionFailed) as caught:
        value(source)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    "source", ["", "data.", "open('/etc/passwd')", "data.x.__class__()", "os.system('x')", "x" * 1_001, "1" * 30]
)
def test_what_is_no_expression_is_refused_with_its_path(source: str) -> None:
    with pytest.raises(BadDefinition) as caught:
        parse_expression(source, "transitions[0].correlation")
    assert caught.value.path == "transitions[0].correlation"


def test_loops_in_loops_end_at_the_budget_and_growth_is_refused_beforehand() -> None:
    begun = time.monotonic()
    with pytest.raises(ExpressionFailed, match="budget"):
        value("data.l.all(a, data.l.all(b, data.l.all(c, true)))", l=list(range(300)))
    with pytest.raises(ExpressionFailed, match="too many to loop over or add up"):
        value("data.l.map(a, data.s + data.s)", l=list(range(5_000)), s="x" * 100_000)
    with pytest.raises(BadDefinition, match="recursion depth"):
        value("+".join(["data.s"] * 120), s="x")
    assert time.monotonic() - begun < 10


def test_a_regular_expression_that_blows_up_elsewhere_does_not_here() -> None:
    begun = time.monotonic()
    assert value("data.s.matches('^(a+)+$')", s="a" * 50_000 + "!") is False
    assert time.monotonic() - begun < 5


def test_a_rule_whose_expression_fails_does_not_hold_and_says_why() -> None:
    rule = parse_rule({"type": "Expression", "expression": "data.score > 5"}, "x")
    assert evaluate(rule, {"score": 6}, {}).passed
    assert evaluate(rule, {}, {}).reason == 'data.score > 5: Key not found in map : "score"'
    assert not evaluate(parse_rule({"type": "Expression", "expression": "data.score"}, "x"), {"score": 1}, {}).passed


def test_a_template_gives_an_object_or_fails() -> None:
    view = View({"n": 1})
    assert fill(parse_template({"m": "data.n + 1"}, "x"), view, {"k": 0}) == {"m": 2}
    assert fill(parse_template({"m": "data.n + 1"}, "x", adds=True), view, {"k": 0}) == {"k": 0, "m": 2}
    with pytest.raises(ExpressionFailed, match="gives a int, and must give an object"):
        fill(parse_template("data.n", "x"), view, {})
