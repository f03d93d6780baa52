"""Dated names, and who may claim which."""

import pytest

from llm.core.model_names import undated
from llm.core.operations import chat
from llm.core.routing import Catalogue, choose
from llm.core.snapshot import Model, Provider, Snapshot

PROVIDERS = (
    Provider("one", "custom", "openai", "http://one.test/v1", auth="none"),
    Provider("two", "custom", "openai", "http://two.test/v1", auth="none"),
)
MODELS = (
    Model("haiku", "one", "haiku-20240307"),
    Model("gpt", "one", "gpt"),
    Model("gpt-2024-05-13", "two", "gpt-old"),
    Model("pro", "one", "pro"),
    Model("new", "one", "new", aliases=("pro-latest",)),
    Model("dated-2024-05-13", "one", "dated-2024-05-13", rank=1),
    Model("dated-20250102", "one", "dated-20250102", rank=2),
    Model("taken-2024-05-13", "one", "x"),
    Model("other", "one", "other", aliases=("taken",)),
)
CATALOGUE = Catalogue(Snapshot(1, 0, PROVIDERS, MODELS))


def chosen(name: str) -> list[str]:
    found = choose(chat, chat.read(b'{"model":"%b","messages":[{"role":"user"}]}' % name.encode()), CATALOGUE)
    return [one.model.id for one in found]


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("haiku-20240307", "haiku"),
        ("one/haiku-20240307", "haiku"),
        ("haiku-2024-03-07", "haiku"),
        ("haiku-latest", "haiku"),
        ("pro-001", "pro"),
        ("one/pro-002", "pro"),
    ],
)
def test_a_dated_name_leads_to_the_model_without_a_date(name: str, model: str) -> None:
    assert chosen(name) == [model]


def test_a_name_that_somebody_has_is_theirs() -> None:
    assert chosen("gpt-2024-05-13") == ["gpt-2024-05-13"]
    assert chosen("gpt") == ["gpt"], "the other has a date, this one has the name"
    assert chosen("pro-latest") == ["new"]
    assert chosen("taken") == ["other"]


def test_a_model_known_only_by_dates_answers_without_one_the_latest_first() -> None:
    assert chosen("dated") == ["dated-20250102", "dated-2024-05-13"]
    assert chosen("one/dated") == ["dated-20250102", "dated-2024-05-13"]


@pytest.mark.parametrize(
    "name", ["gpt-4", "gpt-4-0613", "m-20241332", "m-2024-5-13", "m-1001", "m-20240307-x", "m20240307"]
)
def test_what_is_no_date_stays(name: str) -> None:
    assert undated(name) == name
