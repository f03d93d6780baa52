"""Responses at the door, by property: whatever is said, a stream and a whole answer say it alike, and nothing is lost."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.core.pricing import Usage
from llm.core import sse
from llm.core.assembly import assemble
from llm.core.conversation import Choice, Image, Message, Native, Refusal, Reply, Text, Thinking, ToolCall
from llm.core.deltas import (
    ArgumentsDelta,
    Delta,
    Finished,
    ImageDelta,
    NativeDelta,
    RefusalDelta,
    Started,
    TextDelta,
    ThinkingDelta,
    ToolCallStarted,
    UsageDelta,
)
from llm.core.dialects import openai_responses
from llm.core.dialects.openai_responses import events, rules
from llm.core.dialects.openai_responses.wire import WireRequest
from llm.core.dialects.seals import sealed, unsealed
from llm.core.errors import InvalidRequest, ProviderBroken

HEAD = openai_responses.Head("resp_1", 0, "m")
TEXT = st.text(max_size=5)
SAID = st.lists(
    st.tuples(st.sampled_from(["text", "refusal", "thinking", "call", "custom", "image", "native"]), st.lists(TEXT)),
    max_size=6,
)


def deltas_of(said: list[tuple[str, list[str]]], draw: Any) -> list[Delta]:
    """What was said as deltas, arguments of the calls interleaved as drawn."""
    found: list[Delta] = [Started("i", "m")]
    arguments: list[ArgumentsDelta] = []
    calls = 0
    for part, (kind, texts) in enumerate(said):
        if kind in ("call", "custom"):
            custom = kind == "custom"
            found.append(ToolCallStarted(0, part, calls, f"id{calls}", "f", custom=custom))
            arguments += [ArgumentsDelta(0, part, calls, text, custom) for text in texts]
            calls += 1
        elif kind == "image":
            found.append(ImageDelta(0, part, Image(data="aWk=", media_type="image/png")))
        elif kind == "native":
            found.append(NativeDelta(0, part, Native("google", {"executableCode": {}})))
        else:
            make = {"text": TextDelta, "refusal": RefusalDelta, "thinking": ThinkingDelta}[kind]
            found += [make(0, part, text) for text in texts]
    for one in draw(st.permutations(range(calls))):
        found += [delta for delta in arguments if delta.index == one]
    return [*found, Finished(0, draw(st.sampled_from(["stop", "length"]))), UsageDelta(Usage(1, output=2))]


@given(SAID, st.data())
def test_a_stream_and_a_whole_answer_say_the_same(said: list[tuple[str, list[str]]], data: st.DataObject) -> None:
    deltas = deltas_of(said, data.draw)
    writer = openai_responses.EventWriter(HEAD)
    told = [
        json.loads(one) for one in sse.data_in(b"".join([writer.write([delta]) for delta in deltas]) + writer.finish())
    ]
    whole, dropped = openai_responses.write(assemble(deltas), HEAD)
    assert told[-1]["response"] == json.loads(whole)
    assert writer.dropped == dropped == (("reply.executableCode",) if any(kind == "native" for kind, _ in said) else ())
    assert [event["sequence_number"] for event in told] == list(range(len(told)))
    added = [event["output_index"] for event in told if event["type"] == "response.output_item.added"]
    done = {event["output_index"]: event["item"] for event in told if event["type"] == "response.output_item.done"}
    assert added == list(range(len(added)))
    assert [done[index] for index in added] == told[-1]["response"]["output"]


@given(st.lists(st.sampled_from(["text", "refusal", "thinking", "call", "custom"]), min_size=1, max_size=6), st.data())
def test_what_was_answered_comes_back_as_it_was(kinds: list[str], data: st.DataObject) -> None:
    """An answer sent back as input is the assistant's message again, part by part."""
    texts = [data.draw(TEXT) for _ in kinds]
    make: dict[str, Any] = {
        "text": lambda number, text: Text(text),
        "refusal": lambda number, text: Refusal(text),
        "thinking": lambda number, text: Thinking(text, f"s{number}", origin="anthropic"),
        "call": lambda number, text: ToolCall(f"c{number}", "f", json.dumps({"a": text}), signature="sig"),
        "custom": lambda number, text: ToolCall(f"c{number}", "f", text, custom=True),
    }
    parts = tuple([make[kind](number, text) for number, (kind, text) in enumerate(zip(kinds, texts, strict=True))])
    written, dropped = openai_responses.write(Reply("i", "m", (Choice(0, parts, "stop"),)), HEAD)
    again = openai_responses.read(json.dumps({"model": "m", "input": json.loads(written)["output"]}).encode())
    assert dropped == again.unknown == ()
    assert again.messages == (Message("assistant", parts, place="input[0]"),)


@pytest.mark.parametrize(
    "part",
    [
        Thinking("t", "sig", origin="anthropic"),
        Thinking("", None, "data", origin="anthropic"),
        Thinking("t", "sig"),
        Thinking("t"),
        Thinking("t", None, "gAAA", "rs_1", "openai"),
    ],
)
def test_a_seal_goes_back_to_whose_it_is(part: Thinking) -> None:
    assert unsealed(part.text, sealed(part), part.id, "x") == part


@given(st.text(max_size=20))
def test_a_broken_seal_is_refused_or_foreign(content: str) -> None:
    for text in (content, f"cb1.{content}"):
        try:
            assert unsealed("", text, None, "x").origin == "openai" or text.startswith("cb1.")
        except InvalidRequest as error:
            assert error.param == "x"


def test_an_answer_that_fits_no_event_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "MAX_BYTES", 10)
    writer = openai_responses.EventWriter(HEAD)
    writer.write([TextDelta(0, 0, "0123456789")])
    with pytest.raises(ProviderBroken):
        writer.write([TextDelta(0, 0, "x")])


@given(
    st.recursive(
        st.one_of(st.none(), st.integers(), TEXT),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(st.sampled_from(["type", "role", "content", "id", "call_id", "name"]), inner)
        ),
    )
)
def test_whatever_comes_is_read_or_refused(given_input: Any) -> None:
    for member in ("input", "tools", "tool_choice", "text", "reasoning"):
        body = {"model": "m", "input": "Hi", member: given_input}
        try:
            openai_responses.read(json.dumps(body).encode())
        except InvalidRequest as error:
            assert error.param is not None


def test_rules_name_members_that_are_read() -> None:
    known = set(WireRequest.__struct_fields__) | {"background", "stream_options"}
    for name in (*rules.REFUSED, *rules.CHANGED):
        assert name.partition(".")[0].removesuffix("[]") in known


def test_what_is_echoed_is_what_was_asked() -> None:
    echo = msgspec.json.decode(
        b'{"model":"m","tools":[{"type":"function","name":"f","n":1.0}],"top_p":1e0}', type=openai_responses.Echo
    )
    body, _ = openai_responses.write(Reply("i", "m", ()), openai_responses.Head("resp_1", 0, "m", echo))
    assert b'"tools":[{"type":"function","name":"f","n":1.0}]' in body
    assert b'"top_p":1e0' in body
