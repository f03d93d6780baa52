"""Requests as bytes: what `rewrite` changes and what it leaves, for any JSON a client may send."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm.core.errors import InvalidRequest
from llm.core.operations.chat import read
from llm.core.operations.members import rewrite

NAMES = st.sampled_from(["model", "stream", "n", "max_tokens", "user", "x", 'a"b', "é", "mo\u0064el"]) | st.text(
    max_size=4
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.sampled_from(['"model":"x"', "model", "gpt-4", "\\"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)
MODELS = st.sampled_from(["gpt-4", "é/日本", 'quo"te', "back\\slash"]) | st.text(min_size=1, max_size=20)


@st.composite
def bodies(draw: st.DrawFn) -> tuple[dict[str, Any], bytes]:
    """A request and one of the many ways to write it."""
    members = draw(st.dictionaries(NAMES.filter(lambda name: name != "model"), VALUES, max_size=5))
    order = draw(st.permutations([*members, "model"]))
    whole = {name: draw(MODELS) if name == "model" else members[name] for name in order}
    text = json.dumps(whole, ensure_ascii=draw(st.booleans()), indent=draw(st.sampled_from([None, 1])))
    return whole, text.encode()


@given(body=bodies(), new=MODELS)
def test_only_the_model_changes(body: tuple[dict[str, Any], bytes], new: str) -> None:
    whole, text = body
    changed = rewrite(text, whole["model"], json.dumps(new).encode(), {})
    assert json.loads(changed) == {**whole, "model": new}


@given(body=bodies())
def test_members_are_added_replaced_and_left_out(body: tuple[dict[str, Any], bytes]) -> None:
    whole, text = body
    changed = rewrite(text, whole["model"], b'"m"', {"stream": b"true", "x": None, "new": b"[1]"})
    expected = {**whole, "model": "m", "stream": True, "new": [1]}
    expected.pop("x", None)
    assert json.loads(changed) == expected


@given(body=bodies())
def test_plain_bytes_that_need_no_change_come_back_as_they_are(body: tuple[dict[str, Any], bytes]) -> None:
    whole, text = body
    same = rewrite(text, whole["model"], msgspec.json.encode(whole["model"]), {})
    assert json.loads(same) == whole
    if b"\\u" not in text:
        assert same == text


@pytest.mark.parametrize(
    "text",
    [
        b'{"model":"a","model":"b","messages":[]}',
        b'{"mod\\u0065l":"a","model":"b"}',
        b'{"model":"a","\\u006dodel":"b"}',
        b'{"model":"a","mo\\u0064el":"b","x":"model"}',
    ],
)
def test_two_models_never_both_reach_the_provider(text: bytes) -> None:
    """A provider may read the first of two alike, we read the last: only one may be left."""
    changed = rewrite(text, "b", b'"b"', {})
    pairs = json.loads(changed, object_pairs_hook=lambda pairs: pairs)
    assert [value for name, value in pairs if name == "model"] == ["b"]


def test_values_keep_their_exact_spelling() -> None:
    text = b'{"temperature": 1.0e0, "seed":12345678901234567890123, "model" :"a", "circuit_breaker":{}, "s":"\\u00e9"}'
    changed = rewrite(text, "a", b'"b"', {"circuit_breaker": None})
    assert changed == b'{"temperature": 1.0e0, "seed":12345678901234567890123, "model" :"b", "s":"\\u00e9"}'


@given(data=st.binary(max_size=200) | st.text(max_size=100).map(str.encode))
def test_no_body_breaks_the_decoder(data: bytes) -> None:
    with pytest.raises(InvalidRequest):
        read(data)
