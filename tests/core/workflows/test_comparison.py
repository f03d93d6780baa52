"""What differs between two definitions, in sentences and lines."""

from workflows.core.comparison import compare

OLD = {
    "name": "Papers",
    "places": ["draft", {"id": "review", "capacity": 3}, "done"],
    "initialPlace": "draft",
    "transitions": [
        {"id": "submit", "fromPlaces": ["draft"], "toPlace": "review"},
        {"id": "approve", "fromPlaces": ["review"], "toPlace": "done"},
    ],
}


def test_nothing_differs_from_itself() -> None:
    same = compare(OLD, OLD)
    assert (same.summary, same.lines) == ((), ())


def test_places_transitions_and_rules_are_told_by_name() -> None:
    new = {
        **OLD,
        "name": "Better papers",
        "places": ["draft", {"id": "review", "capacity": 4}, "gone"],
        "transitions": [
            {"id": "submit", "fromPlaces": ["draft"], "toPlace": "gone", "priority": 2},
            {"id": "reject", "fromPlaces": ["review"], "toPlace": "gone"},
        ],
        "rules": {"good": {"type": "FieldExists", "field": "a"}},
    }
    assert compare(OLD, new).summary == (
        "name changed",
        "place gone added",
        "place done removed",
        "place review: capacity changed",
        "transition reject added",
        "transition approve removed",
        "transition submit: toPlace, priority changed",
        "rule good added",
    )


def test_lines_are_those_that_differ_with_what_is_around_them() -> None:
    lines = compare(OLD, {**OLD, "name": "Better papers"}).lines
    assert lines[0] == ("@", "")
    assert ("-", '  "name": "Papers",') in lines
    assert ("+", '  "name": "Better papers",') in lines
    assert len(lines) < 8


def test_another_order_is_said_to_be_one() -> None:
    assert compare(OLD, {**OLD, "transitions": OLD["transitions"][::-1]}).summary == ("the order changed",)  # type: ignore[index]
