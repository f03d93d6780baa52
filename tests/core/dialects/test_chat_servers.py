"""Servers on OpenAI's wire that do not write as OpenAI does: what they mean arrives all the same, whole and streamed."""

import json
from typing import Any

import pytest

from llm.core.assembly import assemble
from llm.core.conversation import Native, Part, Text, Thinking, ToolCall
from llm.core.dialects import anthropic_messages, openai_chat
from llm.core.dialects.openai_chat import translator
from llm.core.errors import ProviderBroken


def streamed(*said: dict[str, Any]) -> tuple[Part, ...]:
    """The parts of an answer whose chunks say this."""
    choices = [{"index": 0, "delta": delta} for delta in said] + [{"index": 0, "delta": {}, "finish_reason": "stop"}]
    chunks = [json.dumps({"id": "i", "model": "m", "choices": [choice]}) for choice in choices]
    decoder = translator.stream("s", "p", None)
    return assemble(decoder.feed("".join([f"data: {chunk}\n\n" for chunk in chunks]).encode())).choices[0].parts


def whole(message: dict[str, Any]) -> Any:
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return translator.decode(json.dumps({"id": "i", "model": "m", "choices": [choice]}).encode(), "s")


def call(arguments: str, **more: Any) -> dict[str, Any]:
    name = {"name": more.pop("name")} if "name" in more else {}
    return {"tool_calls": [{**more, "function": {"arguments": arguments, **name}}]}


@pytest.mark.parametrize("index", [{}, {"index": 0}], ids=["no index", "index 0 for all"])
def test_calls_of_one_number_and_several_ids_stay_apart(index: dict[str, int]) -> None:
    parts = streamed(
        call("", id="a", name="f", **index), call('{"x":1}', **index), call("{}", id="b", name="g", **index)
    )
    assert parts == (ToolCall("a", "f", '{"x":1}'), ToolCall("b", "g", "{}"))
    again = streamed(
        call("{", id="a", name="f", **index), call("{", id="b", name="g", **index), call("}", id="a", **index)
    )
    assert again == (ToolCall("a", "f", "{}"), ToolCall("b", "g", "{"))


def test_calls_without_index_and_id_are_told_apart_by_their_names() -> None:
    first, second = streamed(call('{"x":1}', name="f"), call("{}", name="f"))
    assert isinstance(first, ToolCall) and isinstance(second, ToolCall)
    assert (first.arguments, second.arguments) == ('{"x":1}', "{}")
    assert first.id != second.id


def test_an_id_of_its_own_for_each_piece_makes_no_new_call() -> None:
    parts = streamed(call("{", id="a", name="f", index=0), call("}", id="b", index=0), call("", id="c", index=0))
    assert parts == (ToolCall("a", "f", "{}"),)


def test_a_name_that_comes_late_is_waited_for_and_one_that_never_comes_is_an_error() -> None:
    assert streamed(call("{", id="a", index=0), call("}", name="f", index=0)) == (ToolCall("a", "f", "{}"),)
    with pytest.raises(ProviderBroken):
        streamed(call("{}", id="a", index=0))
    with pytest.raises(ProviderBroken):
        whole(call("{}", id="a"))


THOUGHT = {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}], "closed": True}
BLOCKS = [THOUGHT, {"type": "text", "text": "Yes"}, {"type": "reference", "reference_ids": [1]}]
READ = (Thinking("hm"), Text("Yes"), Native("openai_chat", BLOCKS[2]))


def test_content_in_blocks_is_read_thinking_included() -> None:
    """Mistral's reasoning models: docs.mistral.ai, Capabilities, Reasoning."""
    assert whole({"content": BLOCKS}).choices[0].parts == READ
    pieces = [[{"type": "thinking", "thinking": [{"type": "text", "text": letter}]}] for letter in "hm"]
    assert (
        streamed(*[{"content": piece} for piece in pieces], {"content": BLOCKS[1:2]}, {"content": BLOCKS[2:]}) == READ
    )
    assert streamed({"content": [{"type": "thinking", "thinking": "hm"}]}, {"content": ["Yes"]}) == READ[:2]
    assert whole({"content": []}).choices[0].parts == ()
    for neither in ({"type": "text"}, 3, [3]):
        with pytest.raises(ProviderBroken):
            whole({"content": neither})


def test_a_block_without_a_place_is_named_by_the_clients_wire() -> None:
    reply = whole({"content": BLOCKS})
    for body, lost in (openai_chat.write(reply, "i", 0, "m"), anthropic_messages.write(reply, "i", "m")):
        assert lost == ("reply.reference",)
        assert b"Yes" in body and b"hm" in body and b"reference_ids" not in body
