"""Prompt templates: what is replaced, what stays, what is refused."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.core import prompt
from agents.core.errors import PromptTooLong, UnknownVariable

TOKEN: dict[str, Any] = {
    "id": "t-1",
    "place": "draft",
    "metadata": {"by": "ada"},
    "workflow_id": "document_review",
    "history_count": 2,
}


def test_every_variable_of_the_api_is_replaced() -> None:
    template = "{input_data}|{token_id}|{current_place}|{token_metadata}|{workflow_id}|{history_count}|{title}"
    variables = prompt.variables_of({"title": "On nets"}, TOKEN)
    assert prompt.render("system", template, variables) == (
        '{"title": "On nets"}|t-1|draft|{"by": "ada"}|document_review|2|On nets'
    )


def test_dotted_names_reach_into_values() -> None:
    variables = prompt.variables_of({"document": {"pages": ["first", "second"]}}, TOKEN)
    assert prompt.render("system", "{document.pages.1} {token_metadata.by}", variables) == "second ada"


@given(st.text())
def test_data_is_never_read_as_template(text: str) -> None:
    hostile = "{token_id}{{x}}" + text + "{nobody}"
    assert prompt.render("system", "<{value}>", {"value": hostile, "token_id": "secret"}) == f"<{hostile}>"


@given(st.text())
def test_a_template_without_placeholders_stays_as_it_is(template: str) -> None:
    if not prompt.placeholders(template) and "{{" not in template:
        assert prompt.render("system", template, {}) == template


def test_braces_around_anything_but_a_name_are_literal() -> None:
    template = 'Answer {"score": 1, "why": {"text": ""}} or {} or { x } or {{name}}.'
    assert prompt.placeholders(template) == set()
    assert prompt.render("system", template, {}) == (
        'Answer {"score": 1, "why": {"text": ""}} or {} or { x } or {name}.'
    )


def test_an_unknown_variable_is_named_with_those_that_exist() -> None:
    with pytest.raises(UnknownVariable) as raised:
        prompt.render("prompts.system", "{titel}", {"title": 1, "input_data": {}})
    assert str(raised.value) == (
        "prompts.system: there is no variable {titel} here; there are: {input_data}, {title}. "
        "Write {{titel}} for the literal text."
    )
    assert raised.value.code == "PROMPT_VARIABLE_UNKNOWN"


def test_token_variables_do_not_exist_without_a_token() -> None:
    with pytest.raises(UnknownVariable):
        prompt.render("system", "{token_id}", prompt.variables_of({}, None))


def test_placeholders_are_checked_before_any_run() -> None:
    prompt.check_placeholders("system", "{title} {token_metadata.by}", {"title", "token_metadata"})
    with pytest.raises(UnknownVariable):
        prompt.check_placeholders("system", "{title} {body}", {"title"})


def test_fixed_names_win_over_input_keys() -> None:
    variables = prompt.variables_of({"token_id": "forged", "input_data": "forged"}, TOKEN)
    assert variables["token_id"] == "t-1"
    assert variables["input_data"] == {"token_id": "forged", "input_data": "forged"}


def test_a_prompt_beyond_the_limit_is_refused() -> None:
    with pytest.raises(PromptTooLong):
        prompt.render("system", "{value}{value}", {"value": "x" * (prompt.LENGTH_LIMIT // 2)})
