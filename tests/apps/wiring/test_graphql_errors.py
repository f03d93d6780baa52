"""GraphQL's own complaints about variables and arguments never repeat them: a provider's key may be among them."""

from typing import Any

import pytest

from circuit_breaker.graphql.errors import shown
from circuit_breaker.schema import schema

KEY = "sk-in-a-variable-0123456789"
CONFIGURE = "mutation($input: LlmProviderConfigInput!) { configureLlmProvider(input: $input) { id } }"
GIVEN = {"providerType": "openai", "name": "OpenAI", "apiKey": KEY}


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (
            {**GIVEN, "apiKey": [KEY]},
            "got an invalid value at 'input.apiKey'; String cannot represent a non string value.",
        ),
        ({**GIVEN, "nam": "x"}, "got an invalid value; Field 'nam' is not defined by type 'LlmProviderConfigInput'."),
        ({"providerType": "openai", "apiKey": KEY}, "Field 'name' of required type 'String!' was not provided."),
        (KEY, "got an invalid value; Expected type 'LlmProviderConfigInput' to be a mapping."),
    ],
)
def test_a_variable_that_does_not_fit_is_not_repeated(given: Any, told: str) -> None:
    result = schema.execute(CONFIGURE, variables={"input": given})
    messages = [shown(error, "r")["message"] for error in result.errors or ()]
    assert any(message.endswith(told) for message in messages), messages
    assert KEY not in repr(messages)


def test_an_argument_that_does_not_fit_is_not_repeated() -> None:
    query = (
        f'mutation {{ configureLlmProvider(input: {{providerType: "openai", name: "O", apiKey: ["{KEY}"]}}) {{ id }} }}'
    )
    result = schema.execute(query)
    messages = [shown(error, "r")["message"] for error in result.errors or ()]
    assert messages and KEY not in repr(messages)
