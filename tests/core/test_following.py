"""The events of a stream read for what they say: each wire, as our own writers write it, says the same."""

from collections.abc import Callable
from typing import Any

import pytest

from billing.core.pricing import Usage
from llm.core import sse, stream_wire
from llm.core.deltas import (
    ArgumentsDelta,
    Delta,
    Finished,
    Started,
    TextDelta,
    ThinkingDelta,
    ToolCallStarted,
    UsageDelta,
)
from llm.core.dialects import anthropic_messages, google_contents, openai_chat, openai_responses
from llm.core.errors import Unavailable
from llm.core.following import Following, Said, StreamFailed, ToolCall, error_in
from llm.core.operations import OPERATIONS
from llm.core.stream_wire import Settled

WRITERS: dict[str, Callable[[], Any]] = {
    "chat completions": lambda: openai_chat.ChunkWriter("chatcmpl-1", 1, "gpt-4", False),
    "messages": lambda: anthropic_messages.EventWriter("msg_1", "gpt-4"),
    "responses": lambda: openai_responses.EventWriter(openai_responses.Head("resp_1", 1, "gpt-4")),
    "content generation": lambda: google_contents.ChunkWriter("r1", "gpt-4"),
}
ANSWER: list[Delta] = [
    Started("1", "gpt-4"),
    ThinkingDelta(0, 0, "Let me see. "),
    ThinkingDelta(0, 0, "Yes."),
    TextDelta(0, 1, "It is "),
    TextDelta(0, 1, "raining"),
    ToolCallStarted(0, 2, 0, "call_1", "weather"),
    ArgumentsDelta(0, 2, 0, '{"city":'),
    ArgumentsDelta(0, 2, 0, '"Ulm"}'),
    Finished(0, "tool_calls"),
    UsageDelta(Usage(3, output=9)),
]


def written(wire: str, deltas: list[Delta] = ANSWER) -> list[bytes]:
    """The events of an answer, one by one, numbered as the gateway numbers them."""
    writer = WRITERS[wire]()
    block = b"".join(writer.write([delta]) for delta in deltas) + writer.finish()
    if wire == "chat completions":
        block += sse.DONE
    return [event for event, _ in sse.events(sse.numbered(block, 0)[0])]


def followed(operation: str, events: list[bytes], first: int = 1) -> list[Said]:
    following = Following(operation, first)
    said = [following.read(stream_wire.number_of(event) or 0, event) for event in events]
    return [one for one in said if one is not None]


@pytest.mark.parametrize("wire", WRITERS)
def test_every_wire_says_the_same(wire: str) -> None:
    said = followed(wire, written(wire))
    assert [text for one in said for text in one.texts] == [(0, "It is "), (0, "raining")]
    assert "".join(one.thinking or "" for one in said) == "Let me see. Yes."
    calls = [call for one in said for call in one.calls]
    assert [(call.tool, call.arguments.replace(" ", "")) for call in calls] == [("weather", '{"city":"Ulm"}')]
    assert [end for one in said for end in one.finish] == [(0, "tool_calls")]
    assert said[-1].model == "gpt-4"
    assert said[-1].tokens >= 4
    numbers = [one.number for one in said]
    assert numbers == sorted(set(numbers)), "one event, one number"


@pytest.mark.parametrize("wire", ["chat completions", "messages", "responses"])
def test_a_call_keeps_its_id(wire: str) -> None:
    calls = [call for one in followed(wire, written(wire)) for call in one.calls]
    assert calls == [ToolCall(0, "call_1", "weather", '{"city":"Ulm"}')]


def test_legacy_completions_are_text() -> None:
    events = [
        b'id: 1\ndata: {"id":"cmpl-1","model":"davinci","choices":[{"index":0,"text":"Once"}]}\n\n',
        b'id: 2\ndata: {"choices":[{"index":1,"text":" upon","finish_reason":"length"}]}\n\n',
        b"id: 3\ndata: [DONE]\n\n",
    ]
    first, second = followed("completions", events)
    assert (first.texts, first.model) == (((0, "Once"),), "davinci")
    assert (second.texts, second.finish) == (((1, " upon"),), ((1, "length"),))


@pytest.mark.parametrize("wire", [*WRITERS, "completions"])
def test_an_error_event_is_read_in_the_words_of_each_wire(wire: str) -> None:
    operation = next(one for one in OPERATIONS.values() if one.name == wire)
    (said,) = followed(wire, [b"id: 1\n" + operation.error_event(Unavailable("Come back later.", 1))])
    assert said.error is not None
    assert said.error.message == "Come back later."


def test_a_member_named_error_that_says_nothing_is_no_error() -> None:
    assert error_in(b'{"type":"response.created","response":{"id":"r","error":null}}') is None
    assert error_in(b'{"choices":[],"error":null}') is None
    assert error_in(b'{"choices":[{"delta":{"content":"the \\"error\\" is"}}]}') is None
    failed = error_in(b'{"type":"response.failed","response":{"error":{"code":"server_error","message":"no"}}}')
    assert failed is not None
    assert (failed.message, failed.code) == ("no", "server_error")


def test_a_stream_whose_beginning_is_gone_says_so_where_it_matters() -> None:
    events = written("chat completions")
    said = followed("chat completions", events[3:4], first=4)
    assert [text for one in said for text in one.texts] == [(0, "It is ")]
    with pytest.raises(StreamFailed) as refused:
        followed("chat completions", events[6:], first=7)
    assert (refused.value.status, refused.value.code) == (410, "STREAM_EVENTS_FORGOTTEN")


@pytest.mark.parametrize("junk", [b"{", b'{"choices": 7}', b'{"choices":[{"delta":[]}]}', b"\xff\xfe", b"[" * 100_000])
def test_an_event_that_cannot_be_understood_is_an_error_of_ours(junk: bytes) -> None:
    with pytest.raises(StreamFailed) as refused:
        followed("chat completions", [b"id: 7\ndata: " + junk + b"\n\n"])
    assert refused.value.code == "PROVIDER_BROKEN"


@pytest.mark.parametrize("operation", ["embeddings", ""])
def test_what_is_no_stream_of_words_cannot_be_followed(operation: str) -> None:
    with pytest.raises(StreamFailed):
        Following(operation)


def test_what_a_stream_came_to_survives_its_event() -> None:
    settled = Settled("openai", "gpt-4", "ok", Usage(3, output=9), 1_234_567)
    event = stream_wire.settled_event(settled)
    assert stream_wire.read_settled(event) == settled
    assert stream_wire.read_settled(b'id: 1\ndata: {"event":"settled"}\n\n') is None
    assert stream_wire.number_of(event) is None
    assert stream_wire.number_of(b": keep-alive\nid: 12\ndata: x\n\n") == 12
