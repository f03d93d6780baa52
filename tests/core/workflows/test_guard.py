"""Rules say whether they hold and why; no value breaks them."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflows.core.guard import evaluate, parse_rule

DATA = {
    "score": 7,
    "title": "A day",
    "tags": ["x", 1, True],
    "document": {"author": {"name": "Ann"}},
    "none": None,
    "yes": True,
}

CASES: list[tuple[dict[str, Any], bool, str]] = [
    ({"type": "FieldExists", "field": "document.author.name"}, True, "document.author.name exists"),
    ({"type": "FieldExists", "field": "none"}, True, "none exists"),
    ({"type": "FieldExists", "field": "document.x"}, False, "document.x does not exist"),
    ({"type": "FieldExists", "field": "tags.1"}, True, "tags.1 exists"),
    ({"type": "FieldExists", "field": "tags.3"}, False, "tags.3 does not exist"),
    ({"type": "FieldExists", "field": "data.score"}, True, "data.score exists"),
    ({"type": "FieldEquals", "field": "metadata.by", "value": "me"}, True, "metadata.by is 'me' and must equal 'me'"),
    ({"type": "FieldEquals", "field": "by", "value": "me"}, False, "by does not exist"),
    ({"type": "FieldEquals", "field": "yes", "value": 1}, False, "yes is True and must equal 1"),
    ({"type": "FieldEquals", "field": "score", "value": 7.0}, True, "score is 7 and must equal 7.0"),
    ({"type": "FieldGreaterThan", "field": "score", "value": 7}, False, "score is 7 and must be greater than 7"),
    ({"type": "FieldGreaterThan", "field": "score", "value": 6.5}, True, "score is 7 and must be greater than 6.5"),
    ({"type": "FieldLessThan", "field": "score", "value": 8}, True, "score is 7 and must be less than 8"),
    ({"type": "FieldLessThan", "field": "title", "value": 8}, False, "title is 'A day' and must be less than 8"),
    ({"type": "FieldGreaterThan", "field": "yes", "value": 0}, False, "yes is True and must be greater than 0"),
    ({"type": "FieldContains", "field": "title", "value": "day"}, True, "title is 'A day' and must contain 'day'"),
    ({"type": "FieldContains", "field": "title", "value": 1}, False, "title is 'A day' and must contain 1"),
    ({"type": "FieldContains", "field": "tags", "value": "x"}, True, "tags is ['x', 1, True] and must contain 'x'"),
    (
        {"type": "FieldContains", "field": "document", "value": "author"},
        True,
        "document is {'author': {'name': 'Ann'}} and must contain 'author'",
    ),
    ({"type": "FieldContains", "field": "none", "value": "x"}, False, "none is None and must contain 'x'"),
    ({"type": "Not", "rule": {"type": "FieldExists", "field": "x"}}, True, "not (x does not exist)"),
    (
        {"type": "And", "rules": [{"type": "FieldExists", "field": "score"}, {"type": "FieldExists", "field": "x"}]},
        False,
        "x does not exist",
    ),
    (
        {"type": "Or", "rules": [{"type": "FieldExists", "field": "score"}, {"type": "FieldExists", "field": "x"}]},
        True,
        "score exists",
    ),
    (
        {"type": "Or", "rules": [{"type": "FieldExists", "field": "x"}, {"type": "FieldExists", "field": "y"}]},
        False,
        "x does not exist or y does not exist",
    ),
]


@pytest.mark.parametrize(("written", "passed", "reason"), CASES)
def test_a_rule_says_whether_and_why(written: dict[str, Any], passed: bool, reason: str) -> None:
    verdict = evaluate(parse_rule(written, "rule"), DATA, {"by": "me"})
    assert (verdict.passed, verdict.reason) == (passed, reason)


def test_a_combined_rule_keeps_the_verdicts_of_its_parts() -> None:
    written = {
        "type": "And",
        "rules": [{"type": "FieldExists", "field": "score"}, {"type": "FieldExists", "field": "x"}],
    }
    assert [part.passed for part in evaluate(parse_rule(written, "rule"), DATA, {}).parts] == [True, False]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=3), children, max_size=3),
    max_leaves=8,
)
kinds = st.sampled_from(["FieldExists", "FieldEquals", "FieldGreaterThan", "FieldLessThan", "FieldContains"])


@given(
    kind=kinds,
    value=json_values,
    number=st.integers() | st.floats(),
    data=st.dictionaries(st.sampled_from("ab"), json_values),
    field=st.sampled_from(["a", "b", "a.a", "a.0", "a.²", "data.b", "a..b"]),
)
def test_no_value_breaks_a_rule_and_not_is_its_contrary(
    kind: str, value: Any, number: float, data: dict[str, Any], field: str
) -> None:
    written: dict[str, Any] = {"type": kind, "field": field}
    if kind in ("FieldGreaterThan", "FieldLessThan"):
        written["value"] = number
    elif kind != "FieldExists":
        written["value"] = value
    verdict = evaluate(parse_rule(written, "rule"), data, {})
    contrary = evaluate(parse_rule({"type": "Not", "rule": written}, "rule"), data, {})
    assert contrary.passed is not verdict.passed
    assert len(verdict.reason) < 400
