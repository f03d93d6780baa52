"""Blocks of events are only read event by event where something in them matters, and then nothing is overlooked."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm.core.operations.choices import NOTEWORTHY, noteworthy

PIECES = (
    *(b'"usage"', b'"finish_reason"', b'"error"', b"[DONE]", b":null", b" : null", b":{", b": {", b':"stop"', b',"'),
    *(b"\\", b'"', b":", b"null", b"\n\n", b" "),
)


@given(st.lists(st.sampled_from(PIECES), max_size=12).map(b"".join))
def test_the_quick_look_sees_whatever_the_exact_one_sees(block: bytes) -> None:
    if NOTEWORTHY.search(block) is not None:
        assert noteworthy(block)


def test_a_block_of_plain_events_is_not_looked_into() -> None:
    event = b'data: {"choices":[{"delta":{"content":"hi"},"finish_reason":null}],"usage":null}\n\n'
    assert not noteworthy(event * 50)
    assert not noteworthy(event.replace(b"hi", b'\\"usage\\":{ and \\"error\\": {') * 50)


@pytest.mark.parametrize(
    "what", [b'"usage":{}', b'"usage" :\n{', b'"finish_reason": "stop"', b'"error":"x"', b"[DONE]"]
)
def test_what_matters_is_seen(what: bytes) -> None:
    assert noteworthy(b'data: {"usage":null}\n\ndata: ' + what)
