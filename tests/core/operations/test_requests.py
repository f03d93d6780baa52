"""What an operation's request says of what it may cost: the limit of one answer, and how many are paid for."""

from typing import Any

import msgspec
import pytest

from llm.core.operations import OPERATIONS, Request


def read(path: str, **members: Any) -> Request:
    given = {
        "chat/completions": {"messages": [{"role": "user"}]},
        "completions": {"prompt": "x"},
        "embeddings": {"input": "x"},
    }
    body = {"model": "m", **given.get(path, {}), **members}
    return OPERATIONS[f"/v1/{path}".encode()].read(msgspec.json.encode(body))


@pytest.mark.parametrize(
    ("path", "members", "limit"),
    [
        ("chat/completions", {}, None),
        ("chat/completions", {"max_tokens": 5}, 5),
        ("chat/completions", {"max_tokens": 5, "max_completion_tokens": 7}, 7),
        ("completions", {"max_tokens": 0}, 0),
        ("responses", {"max_output_tokens": 9}, 9),
        ("embeddings", {}, None),
    ],
)
def test_the_limit_of_one_answer(path: str, members: dict[str, Any], limit: int | None) -> None:
    assert read(path, **members).output_limit == limit


@pytest.mark.parametrize(
    ("path", "members", "choices"),
    [
        ("chat/completions", {}, 1),
        ("chat/completions", {"n": 3}, 3),
        ("completions", {"n": 2}, 2),
        ("completions", {"n": 2, "best_of": 5}, 5),
        ("completions", {"prompt": ["a", "b"], "n": 2}, 4),
        ("completions", {"prompt": [1, 2, 3]}, 1),
        ("completions", {"prompt": [[1, 2], [3]], "best_of": 2}, 4),
        ("responses", {}, 1),
        ("embeddings", {"input": ["a", "b"]}, 1),
    ],
)
def test_how_many_answers_are_paid_for(path: str, members: dict[str, Any], choices: int) -> None:
    assert read(path, **members).choices == choices


@pytest.mark.parametrize(
    ("members", "usage", "cost"),
    [
        ({}, False, False),
        ({"stream": True, "stream_options": {"include_usage": True}}, True, False),
        ({"stream": True, "stream_options": {"include_usage": False}}, False, False),
        ({"usage": {"include": True}}, True, True),
        ({"usage": {}}, False, False),
        ({"usage": None}, False, False),
    ],
)
def test_who_asks_for_the_cost_asks_for_usage(members: dict[str, Any], usage: bool, cost: bool) -> None:
    for path in ("chat/completions", "completions"):
        request = read(path, **members)
        assert (request.wants_usage, request.wants_cost) == (usage, cost)
