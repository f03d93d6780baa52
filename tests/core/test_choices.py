"""Blocks of events are only read event by event where something in them matters, and then nothing is overlooked."""

from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.core.pricing import Usage
from llm.core.deployment import Deployment
from llm.core.dialects import openai
from llm.core.operations import Attempt, Operation, chat
from llm.core.operations.choices import LARGE_BLOCK, NOTEWORTHY, Chunks, noteworthy, noteworthy_inside
from llm.core.operations.estimate import tokens_written
from llm.core.snapshot import Model, Provider


def decoder(wants_usage: bool) -> Chunks:
    request = chat.read(
        b'{"model":"m","messages":[{"role":"user","content":"Hi"}],"stream":true,"stream_options":{"include_usage":%b}}'
        % (b"true" if wants_usage else b"false")
    )
    deployment = Deployment(Model("m", "acme", "m"), Provider("acme", "custom", "openai", "http://127.0.0.1/v1"))
    attempt = Attempt(cast(Operation, chat), request, b"", deployment, None, "id", 0)
    return Chunks(attempt, openai.decode_error)


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


PLAIN = b'data: {"choices":[{"delta":{"content":"hi"},"finish_reason":null}],"usage":null}\n\n'


@pytest.mark.parametrize(
    "what", [b'"usage":{"prompt_tokens":1}', b'"finish_reason":"stop"', b'"error":{"message":"no"}', b"[DONE]"]
)
def test_what_matters_is_seen_inside_a_large_block_too(what: bytes) -> None:
    assert not noteworthy_inside(PLAIN * 200)
    assert noteworthy_inside(PLAIN * 200 + b"data: " + what + b"\n\n" + PLAIN * 200)


@pytest.mark.parametrize("wants", [False, True])
@pytest.mark.parametrize("spaces", [False, True])
def test_the_end_of_a_large_block_is_read_however_it_is_written(wants: bool, spaces: bool) -> None:
    usage = b'data: {"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":12}}\n\n'
    last = PLAIN.replace(b"null}]", b'"stop"}]')
    if spaces:
        usage, last = usage.replace(b":", b" : "), last.replace(b":", b" : ")
        usage, last = (one.replace(b"data : ", b"data:") for one in (usage, last))
    block = PLAIN * 300 + last + usage + b"data: [DONE]\n\n"
    assert len(block) > LARGE_BLOCK
    chunks = decoder(wants)
    assert chunks.feed(block) == PLAIN * 300 + last + usage * wants
    assert (chunks.done, chunks.finished) == (True, True)
    assert chunks.usage == Usage(9, output=12)


def test_only_what_the_model_wrote_is_counted() -> None:
    function = {"name": "look_up", "arguments": '{"a":1}'}
    message = {
        "role": "assistant",
        "content": "Hello",
        "tool_calls": [{"id": "call_1", "type": "function", "function": function}],
    }
    assert (
        tokens_written([{"index": 0, "message": message, "finish_reason": "stop", "logprobs": {"content": ["x"]}}]) == 5
    )
