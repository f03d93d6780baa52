"""What every wire's decoder promises, by property: however a stream is cut, it says what the whole answer says."""

import itertools
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from billing.core.pricing import Usage
from llm.core.assembly import assemble
from llm.core.conversation import Reply, Text, Thinking, ToolCall
from llm.core.deltas import ArgumentsDelta, Delta, ToolCallStarted, UsageDelta
from tests.core.dialects.spoken import WIRES, Spoken, Wire, answers


def heard(reply: Reply) -> dict[str, Any]:
    """A reply as far as every wire can say it."""
    (choice,) = reply.choices
    return {
        "thinking": "".join(part.text for part in choice.parts if isinstance(part, Thinking)),
        "text": "".join(part.text for part in choice.parts if isinstance(part, Text)),
        "calls": [(one.name, json.loads(one.arguments)) for one in choice.parts if isinstance(one, ToolCall)],
        "finish": choice.finish,
    }


def meant(spoken: Spoken) -> dict[str, Any]:
    return {
        "thinking": spoken.all("thinking"),
        "text": spoken.all("text"),
        "calls": [(one.name, one.arguments) for one in spoken.calls],
        "finish": "length" if spoken.cut else "tool_calls" if spoken.calls else "stop",
    }


def booked(wire: Wire, spoken: Spoken) -> Usage:
    """Every token in one bucket: cached and hidden ones apart where the wire tells them."""
    cached = spoken.cached if wire.knows_cache else 0
    hidden = spoken.hidden if wire.knows_hidden else 0
    answer = spoken.answer + spoken.hidden - hidden
    return Usage(input=spoken.prompt - cached, cached_input=cached, output=answer, reasoning=hidden)


def decoded(wire: Wire, stream: bytes, cuts: list[int]) -> tuple[list[Delta], Any]:
    decoder = wire.dialect.stream("seed", "p", None)
    edges = [0, *sorted(cuts), len(stream)]
    found = [delta for start, end in itertools.pairwise(edges) for delta in decoder.feed(stream[start:end])]
    return [*found, *decoder.finish()], decoder


@pytest.mark.parametrize("wire", WIRES, ids=lambda wire: wire.name)
@settings(max_examples=80, deadline=None)
@given(spoken=answers(), data=st.data())
def test_a_stream_cut_anywhere_gives_the_same_deltas(wire: Wire, spoken: Spoken, data: st.DataObject) -> None:
    stream = wire.stream(spoken)
    at_once, decoder = decoded(wire, stream, [])
    assert (decoder.done, decoder.error) == (True, None)
    cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=8))
    assert decoded(wire, stream, cuts)[0] == at_once
    assert decoded(wire, stream, list(range(len(stream))))[0] == at_once, "byte by byte"


@pytest.mark.parametrize("wire", WIRES, ids=lambda wire: wire.name)
@settings(max_examples=80, deadline=None)
@given(spoken=answers())
def test_whole_and_streamed_say_the_same_and_nothing_is_lost(wire: Wire, spoken: Spoken) -> None:
    whole = wire.dialect.decode(wire.whole(spoken), "seed")
    streamed = assemble(decoded(wire, wire.stream(spoken), [])[0])
    assert heard(whole) == heard(streamed) == meant(spoken)
    kinds = [[type(part) for part in reply.choices[0].parts] for reply in (whole, streamed)]
    assert kinds[0] == kinds[1], "the same parts in the same order"
    assert (whole.id, whole.model) == (streamed.id, streamed.model)


@pytest.mark.parametrize("wire", WIRES, ids=lambda wire: wire.name)
@settings(max_examples=80, deadline=None)
@given(spoken=answers())
def test_calls_never_share_an_index_or_an_id(wire: Wire, spoken: Spoken) -> None:
    deltas, _ = decoded(wire, wire.stream(spoken), [])
    started = [delta for delta in deltas if isinstance(delta, ToolCallStarted)]
    assert [delta.index for delta in started] == list(range(len(spoken.calls)))
    assert len({delta.id for delta in started}) == len(started)
    assert len({delta.part for delta in started}) == len(started)
    places = {delta.index: delta.part for delta in started}
    for delta in deltas:
        if isinstance(delta, ArgumentsDelta):
            assert places[delta.index] == delta.part, "each piece goes to the call it belongs to"
    whole = wire.dialect.decode(wire.whole(spoken), "seed")
    identities = [part.id for part in whole.choices[0].parts if isinstance(part, ToolCall)]
    assert len(set(identities)) == len(spoken.calls)


@pytest.mark.parametrize("wire", WIRES, ids=lambda wire: wire.name)
@settings(max_examples=80, deadline=None)
@given(spoken=answers(), data=st.data())
def test_no_token_is_counted_twice_or_below_nothing(wire: Wire, spoken: Spoken, data: st.DataObject) -> None:
    stream = wire.stream(spoken)
    deltas, decoder = decoded(wire, stream, data.draw(st.lists(st.integers(0, len(stream)), max_size=4)))
    expected = booked(wire, spoken)
    assert decoder.usage == assemble(deltas).usage == wire.dialect.decode(wire.whole(spoken), "seed").usage == expected
    total = spoken.prompt + spoken.answer + spoken.hidden
    assert expected.prompt_total + expected.completion_total == total
    for delta in deltas:
        if isinstance(delta, UsageDelta):
            assert min(msgspec.structs.astuple(delta.usage)) >= 0
            assert delta.usage.prompt_total == spoken.prompt, "told early or late, it is the same prompt"
            assert delta.usage.completion_total <= max(spoken.answer + spoken.hidden, 1)
