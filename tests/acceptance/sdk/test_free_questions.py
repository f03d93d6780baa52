"""What the product asks providers by itself costs nothing: lists of models, for discovery and health. And embeddings.

Every wire is the sandbox, whose record says which paths were called.
"""

from typing import Any

import openai
import pytest

from tests.acceptance.graphql_client import graphql
from tests.acceptance.review import wait_for
from tests.acceptance.sdk.five import BASES, EMBEDDING_PATHS, LIST_PATHS, Five

HEALTH = "{ llmProviders { id healthStatus { isHealthy observedBy problem checkedAt } models { id } } }"


def providers(five: Five) -> dict[str, Any]:
    rows = graphql(five.product.control_url, HEALTH)["llmProviders"]
    return {row["id"]: row for row in rows if row["id"] in BASES}


def test_discovery_and_health_ask_for_lists_only(five: Five) -> None:
    five.forget()
    wanted = set(LIST_PATHS.values())
    wait_for(lambda: set(five.asked("GET")), lambda seen: wanted <= seen, timeout=30)
    assert set(five.asked("GET")) == wanted, "no other path, whichever provider"
    assert five.asked("POST") == [], "nothing that is billed"


def test_every_provider_is_found_well_by_its_list(five: Five) -> None:
    wait_for(
        lambda: [row["healthStatus"]["checkedAt"] for row in providers(five).values()],
        lambda times: len(times) == len(BASES) and all(times),
    )
    for name, row in providers(five).items():
        assert (row["healthStatus"]["isHealthy"], row["healthStatus"]["problem"]) == (True, None), name
        offered = "sandbox" in {model["id"] for model in row["models"]}
        assert offered == (name == "ollama"), "what has no known price waits, but what is free is offered"


@pytest.mark.parametrize("form", ["float", "base64"])
def test_embeddings_are_the_same_by_every_wire(five: Five, form: str) -> None:
    texts = ["Grüße aus Köln", "greetings from Oslo", "Grüße aus Köln"]
    found = {}
    with openai.OpenAI(base_url=f"{five.product.gateway_url}/v1", api_key="none", max_retries=0) as client:
        for name, path in EMBEDDING_PATHS.items():
            five.forget()
            answer = client.embeddings.create(model=f"e-{name}", input=texts, dimensions=16, encoding_format=form)  # type: ignore[arg-type]
            assert set(five.asked()) == {path}
            assert [one.index for one in answer.data] == [0, 1, 2]
            found[name] = [one.embedding for one in answer.data]
    first = found["openai"]
    if form == "float":
        assert first[0] == first[2] != first[1]
        for vectors in found.values():
            for vector, expected in zip(vectors, first, strict=True):
                assert vector == pytest.approx(expected, abs=1e-6)
    else:
        lengths = {len(vector) for vectors in found.values() for vector in vectors}
        assert len(lengths) == 1, "packed alike"


def test_a_wire_without_embeddings_says_so(five: Five) -> None:
    with (
        openai.OpenAI(base_url=f"{five.product.gateway_url}/v1", api_key="none", max_retries=0) as client,
        pytest.raises(openai.BadRequestError) as caught,
    ):
        client.embeddings.create(model="m-anthropic", input="Hi")
    assert "m-anthropic" in str(caught.value)
