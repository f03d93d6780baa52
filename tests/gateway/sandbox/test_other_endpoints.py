"""Embeddings, legacy completions, models, and what is not served."""

import base64
import json
import math
import struct

import pytest

from llm.sandbox.replies import reply
from llm.sandbox.vectors import embed
from tests.gateway.sandbox.asking import ask, body, chunks

EMBEDDINGS = "/v1/embeddings"


def test_embeddings_have_length_one_and_are_the_same_every_time() -> None:
    vector = embed("The quick brown fox", 64)
    assert len(vector) == 64
    assert math.isclose(sum(value * value for value in vector), 1.0)
    assert vector == embed("the QUICK, brown fox!", 64)


def test_texts_that_share_words_lie_nearer_than_texts_that_do_not() -> None:
    def nearness(left: str, right: str) -> float:
        return sum(a * b for a, b in zip(embed(left, 512), embed(right, 512), strict=True))

    assert nearness("red apple pie", "green apple pie") > nearness("red apple pie", "fast blue cars") + 0.3


def test_a_text_without_words_still_has_a_vector() -> None:
    assert math.isclose(sum(value * value for value in embed("", 3)), 1.0)


def test_base64_holds_the_same_numbers_as_the_list() -> None:
    plain = body(ask(EMBEDDINGS, model="sandbox", input="hello", dimensions=8))["data"][0]["embedding"]
    packed = ask(EMBEDDINGS, model="sandbox", input="hello", dimensions=8, encoding_format="base64")
    raw = base64.b64decode(body(packed)["data"][0]["embedding"])
    assert list(struct.unpack("<8f", raw)) == pytest.approx(plain)


@pytest.mark.parametrize(
    ("model", "size"), [("sandbox", 256), ("text-embedding-3-small", 1536), ("sandbox/text-embedding-3-large", 3072)]
)
def test_a_stand_in_has_the_size_of_what_it_stands_in_for(model: str, size: int) -> None:
    assert len(body(ask(EMBEDDINGS, model=model, input="a"))["data"][0]["embedding"]) == size


@pytest.mark.parametrize(("given", "count"), [("a", 1), (["a", "b"], 2), ([1, 2, 3], 1), ([[1], [2], [3]], 3)])
def test_every_form_of_input_is_read(given: object, count: int) -> None:
    answer = body(ask(EMBEDDINGS, model="sandbox", input=given, dimensions=4))
    assert [entry["index"] for entry in answer["data"]] == list(range(count))
    assert answer["usage"]["prompt_tokens"] > 0


@pytest.mark.parametrize("given", [[], ["a"] * 2049, 7, None])
def test_an_input_that_cannot_be_embedded_is_refused(given: object) -> None:
    answer = ask(EMBEDDINGS, model="sandbox", input=given)
    assert answer.status == 400
    assert body(answer)["error"]["param"] == "input"


def test_legacy_completions_answer_every_prompt_and_stream_the_same() -> None:
    asked = {"model": "gpt-3.5-turbo-instruct", "prompt": ["one", "two"], "max_tokens": 50}
    whole = body(ask("/v1/completions", **asked))
    stream = chunks(ask("/v1/completions", **asked, stream=True, stream_options={"include_usage": True}))
    texts = ["", ""]
    for chunk in stream[:-1]:
        texts[chunk["choices"][0]["index"]] += chunk["choices"][0]["text"]
    assert texts == [choice["text"] for choice in whole["choices"]]
    assert [text.rsplit(" ", 1)[1] for text in texts] == ["one", "two"]
    assert stream[-1]["usage"] == whole["usage"]


def test_models_are_listed_and_shown() -> None:
    listed = json.loads(reply("GET", "/v1/models", {}, b"").parts[0])
    assert [entry["id"] for entry in listed["data"]] == ["sandbox"]
    assert json.loads(reply("GET", "/v1/models/sandbox", {}, b"").parts[0]) == listed["data"][0]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/health", 200),
        ("GET", "/v1/models/gpt-4", 404),
        ("GET", "/v1/chat/completions", 405),
        ("POST", "/v1/models", 404),
        ("GET", "/v1/absent", 404),
        ("GET", "/", 404),
    ],
)
def test_other_paths(method: str, path: str, status: int) -> None:
    answer = reply(method, path, {}, b"")
    assert answer.status == status
    assert (status == 200) != ("error" in body(answer))
