"""Mappings: what is read from a token, what is written to it, and what a model's answer may be."""

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.core.errors import MappingFailed
from agents.core.mapping import (
    DEPTH_LIMIT,
    available,
    check_input_mapping,
    check_output_mapping,
    deeper_than,
    map_input,
    map_output,
    parse_answer,
    read,
    without_unstorable,
)

NAMES = st.text(alphabet="abcdefgh_ é1", min_size=1, max_size=6)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=10,
)
OBJECTS = st.dictionaries(NAMES, VALUES, max_size=4)
PATHS = st.lists(NAMES, min_size=1, max_size=8)

TOKEN: dict[str, Any] = {
    "id": "t-1",
    "place": "draft",
    "data": {"document": {"title": "On nets", "pages": [{"text": "first"}, {"text": "second"}]}},
    "metadata": {"by": "ada"},
}


def test_input_reads_every_kind_of_path() -> None:
    mapping = {
        "title": "data.document.title",
        "second": "data.document.pages.1.text",
        "author": "metadata.by",
        "token": "id",
        "where": "place",
        "everything": "metadata",
    }
    assert map_input(mapping, TOKEN) == {
        "title": "On nets",
        "second": "second",
        "author": "ada",
        "token": "t-1",
        "where": "draft",
        "everything": {"by": "ada"},
    }


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("data.document.author", "there is no 'author' in 'data.document'; there is: pages, title."),
        ("data.document.title.x", "there is no 'x' in 'data.document.title', a text."),
        ("data.document.pages.2", "there is no item '2' in 'data.document.pages', a list of 2."),
        ("data.document.pages.-1", "there is no item '-1' in 'data.document.pages', a list of 2."),
    ],
)
def test_a_path_to_nowhere_says_where_it_ended(path: str, said: str) -> None:
    with pytest.raises(MappingFailed) as raised:
        map_input({"x": path}, TOKEN)
    assert str(raised.value) == f"inputMapping: {path!r}: {said}"
    assert raised.value.details == {"mapping": "inputMapping", "path": path}


@pytest.mark.parametrize("path", ["", "data..x", ".data", "data.", "tokens.x", "id.x", 7, None, "data" + ".x" * 64])
def test_a_malformed_input_path_is_refused_at_creation(path: Any) -> None:
    with pytest.raises(MappingFailed):
        check_input_mapping({"key": path})


@pytest.mark.parametrize(
    "mapping",
    [
        {"data": "content"},
        {"id": "content"},
        {"place.x": "content"},
        {"data.x": ""},
        {"data.x": 3},
        {"data.x": "content", "data.x.y": "content"},
    ],
)
def test_a_malformed_output_mapping_is_refused_at_creation(mapping: dict[str, Any]) -> None:
    with pytest.raises(MappingFailed):
        check_output_mapping(mapping)


def test_neighbouring_targets_are_no_conflict() -> None:
    check_output_mapping({"data.x": "a", "data.x1": "b"})


def test_output_keeps_the_neighbours_of_what_it_writes() -> None:
    data = {"review": {"by": "ada", "score": 1}, "title": "On nets"}
    change = map_output({"data.review.score": "score", "metadata.seen": "ok"}, {"score": 9, "ok": True}, data, {})
    assert change.data == {"review": {"by": "ada", "score": 9}}
    assert change.metadata == {"seen": True}


def test_output_refuses_to_write_into_text() -> None:
    with pytest.raises(MappingFailed) as raised:
        map_output({"data.title.short": "content"}, {"content": "x"}, {"title": "On nets"}, {})
    assert str(raised.value) == ("outputMapping: 'data.title.short': 'short' would lie inside a text, not an object.")


def test_an_answer_without_a_mapped_key_is_an_error() -> None:
    with pytest.raises(MappingFailed) as raised:
        map_output({"data.score": "score"}, available({"content": "hello"}, "hello"), {}, {})
    assert raised.value.details == {"mapping": "outputMapping", "path": "score"}


@given(data=OBJECTS, path=PATHS, value=VALUES)
def test_what_is_written_is_read_back_and_nothing_else_changes(
    data: dict[str, Any], path: list[str], value: Any
) -> None:
    before = copy.deepcopy(data)
    target = ".".join(["data", *path])
    try:
        change = map_output({target: "output"}, {"output": value}, data, {})
    except MappingFailed:
        return  # the path crosses a value that is not an object
    finally:
        assert data == before
    merged = {**data, **change.data}
    assert read({"data": merged}, target, "test") == value
    assert set(change.data) == {path[0]}
    assert {key: merged[key] for key in data if key != path[0]} == {key: data[key] for key in data if key != path[0]}
    if isinstance(data.get(path[0]), dict) and len(path) > 1:
        siblings = {key: item for key, item in data[path[0]].items() if key != path[1]}
        assert {key: merged[path[0]][key] for key in siblings} == siblings


@given(first=NAMES, second=NAMES, values=st.tuples(VALUES, VALUES))
def test_several_targets_below_one_key_all_arrive(first: str, second: str, values: tuple[Any, Any]) -> None:
    mapping = {f"data.top.{first}": "a", f"data.top.{second}x": "b"}
    if first == f"{second}x":
        return
    change = map_output(mapping, {"a": values[0], "b": values[1]}, {}, {})
    assert change.data == {"top": {first: values[0], f"{second}x": values[1]}}


@given(st.dictionaries(NAMES, VALUES, max_size=4))
def test_a_json_object_answer_becomes_its_keys_bare_or_fenced(value: dict[str, Any]) -> None:
    text = json.dumps(value)
    expected = without_unstorable(json.loads(text))
    assert parse_answer(text) == expected
    assert parse_answer(f"\n```json\n{text}\n```\n") == expected


@given(st.text())
def test_any_other_answer_is_content(text: str) -> None:
    assert parse_answer("-" + text) == {"content": "-" + text}


@pytest.mark.parametrize(
    "text",
    [
        "[1]",
        '"text"',
        "12",
        '{"a": NaN}',
        '{"a": 1e999}',
        '{"a": 1} and more',
        '{"a":' * 70 + "1" + "}" * 70,
        "[" * 100_000,
        '{"a":' * 100_000,
        f'{{"a": {"9" * 301}}}',
    ],
)
def test_json_that_is_no_storable_object_stays_text(text: str) -> None:
    assert parse_answer(text) == {"content": text}


def test_what_postgres_cannot_store_is_replaced() -> None:
    assert parse_answer('{"a\\u0000": "\\ud800x"}') == {"a\ufffd": "\ufffdx"}


def test_answers_can_be_named_in_three_ways_whatever_they_are() -> None:
    assert available({"content": "hi"}, "hi") == {"content": "hi", "response": "hi", "output": "hi"}
    assert available({"score": 1}, '{"score": 1}') == {
        "content": '{"score": 1}',
        "response": '{"score": 1}',
        "output": {"score": 1},
        "score": 1,
    }
    assert available({"output": "own"}, '{"output": "own"}')["output"] == "own"


def test_depth_is_counted_without_recursion() -> None:
    nested: Any = 1
    for _ in range(DEPTH_LIMIT):
        nested = {"a": nested}
    assert not deeper_than(nested, DEPTH_LIMIT)
    assert deeper_than([nested], DEPTH_LIMIT)
