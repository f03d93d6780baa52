"""Gemini's own limits, one by one: schemas put together, tools without plain properties, levels of thinking, texts at once, several candidates, what stands beside the parts.

Next file: `test_google_contents.py`, the same wire at the door.
"""

import json
from typing import Any

import pytest

from llm.core.assembly import assemble
from llm.core.conversation import Conversation, Drops, Message, Options, Text, Tool, ToolCall
from llm.core.dialects import google, google_contents, openai_chat
from llm.core.dialects.google.schemas import adapt
from llm.core.dialects.translation import Outgoing, Target
from llm.core.errors import InvalidRequest

INNER = {"title": "Inner", "type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
ADAPTED = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}


def sent(model: str = "gemini-2.5-flash", tools: tuple[Tool, ...] = (), **options: Any) -> Outgoing:
    asked = Conversation(model, (Message("user", (Text("Hi"),)),), tools=tools, options=Options(**options))
    return google.encode(asked, Target(model))


def test_a_reference_within_all_of_is_put_in_place() -> None:
    drops = Drops()
    field = {"title": "Field", "allOf": [{"$ref": "#/definitions/Inner"}]}
    schema = {"type": "object", "properties": {"f": field}, "definitions": {"Inner": INNER}}
    assert adapt(schema, "s", drops)["properties"]["f"] == {**ADAPTED, "title": "Field"}
    assert drops.names() == ()


def test_members_of_all_of_become_one_schema() -> None:
    drops = Drops()
    low = {"n": {"type": "number", "minimum": 1}}
    high = {"n": {"type": "integer", "minimum": 2}, "c": {"enum": ["x"]}}
    members = [{"$ref": "#/$defs/Inner"}, {"properties": low}, {"properties": high, "required": ["n", "a"]}]
    found = adapt({"allOf": members, "required": ["c"], "$defs": {"Inner": ADAPTED}}, "s", drops)
    assert found == {
        "type": "object",
        "properties": {
            "a": {"type": "string"},
            "n": {"type": "integer", "minimum": 2},
            "c": {"enum": ["x"], "type": "string"},
        },
        "required": ["a", "n", "c"],
    }
    assert drops.names() == ()


def test_one_definition_twice_side_by_side_is_no_circle() -> None:
    inside = {"properties": {"again": {"$ref": "#/$defs/Inner"}}}
    found = adapt({"allOf": [{"$ref": "#/$defs/Inner"}, inside], "$defs": {"Inner": ADAPTED}}, "s", Drops())
    assert found["properties"] == {"a": {"type": "string"}, "again": ADAPTED}


def test_what_cannot_be_put_together_is_named_or_refused() -> None:
    drops = Drops()
    adapt({"allOf": [{"type": "string", "pattern": "a"}, {"pattern": "b"}]}, "s", drops)
    adapt({"oneOf": [{"type": "string"}], "anyOf": [{"type": "string"}]}, "s", drops)
    assert drops.names() == ("s.allOf.pattern", "s.anyOf")
    for members in (
        [{"type": "string"}, {"type": "object"}],
        [{"enum": ["a"]}, {"enum": ["b"]}],
        [False],
        [{"type": {}}, {"type": "string"}],
    ):
        with pytest.raises(InvalidRequest):
            adapt({"allOf": members}, "s", drops)


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"$ref": "#/$defs/Inner", "$defs": {"Inner": ADAPTED}}, ADAPTED),
        ({"allOf": [ADAPTED]}, ADAPTED),
        ({"anyOf": [ADAPTED, {"type": "string"}]}, {"anyOf": [ADAPTED, {"type": "string"}]}),
        ({"type": "object", "properties": {}}, None),
        ({"$ref": "#/$defs/None", "$defs": {"None": {"type": "object"}}}, None),
    ],
)
def test_parameters_are_left_out_only_for_an_object_without_properties(parameters: Any, expected: Any) -> None:
    body = json.loads(sent(tools=(Tool("t", parameters=parameters),)).body)
    assert body["tools"][0]["functionDeclarations"][0].get("parameters") == expected


@pytest.mark.parametrize(
    ("model", "effort", "level", "dropped"),
    [
        ("gemini-3-pro-preview", "none", "low", True),
        ("gemini-3-pro-preview", "minimal", "low", True),
        ("gemini-3-pro-preview", "medium", "high", True),
        ("gemini-3-pro-preview", "high", "high", False),
        ("gemini-3.1-pro-preview", "minimal", "low", True),
        ("gemini-3.1-pro-preview", "medium", "medium", False),
        ("gemini-3-flash-preview", "minimal", "minimal", False),
        ("gemini-3-flash-preview", "medium", "medium", False),
    ],
)
def test_only_levels_the_model_knows_are_sent(model: str, effort: Any, level: str, dropped: bool) -> None:
    outgoing = sent(model, reasoning_effort=effort)
    assert json.loads(outgoing.body)["generationConfig"]["thinkingConfig"]["thinkingLevel"] == level
    assert ("reasoning_effort" in outgoing.dropped) is dropped


def event(*candidates: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps({"candidates": candidates}).encode() + b"\n\n"


def said(index: int, **more: Any) -> dict[str, Any]:
    return {"index": index, "content": {"parts": [{"text": "x"}]}, **more}


def test_a_stream_is_done_when_all_candidates_asked_for_have_ended() -> None:
    decoder = google.stream("s", "p", None, 2)
    decoder.feed(event(said(0, finishReason="STOP")))
    assert not decoder.done
    decoder.feed(event(said(1)))
    assert not decoder.done
    decoder.feed(event(said(1, finishReason="STOP")))
    assert decoder.done


def test_fewer_candidates_than_asked_for_are_done_at_the_connections_end() -> None:
    decoder = google.stream("s", "p", None, 2)
    decoder.feed(event(said(0, finishReason="STOP")))
    decoder.finish()
    assert decoder.done
    blocked = google.stream("s", "p", None, 2)
    blocked.feed(b'data: {"promptFeedback": {"blockReason": "SAFETY"}}\n\n')
    assert blocked.done


def test_a_call_without_arguments_has_an_empty_object() -> None:
    part = {"functionCall": {"name": "t", "args": None}}
    body = {"candidates": [{"content": {"parts": [part]}, "finishReason": "STOP"}]}
    (call,) = google.decode(json.dumps(body).encode(), "s").choices[0].parts
    assert isinstance(call, ToolCall)
    assert call.arguments == "{}"


def test_what_stands_beside_the_parts_is_named_as_lost() -> None:
    grounding = {
        "webSearchQueries": ["q"],
        "groundingChunks": [{"web": {"uri": "https://a"}}, {"web": {"uri": "https://b"}}],
        "groundingSupports": [{"segment": {"text": "x"}, "groundingChunkIndices": [0]}],
    }
    pages = {"urlMetadata": [{"retrievedUrl": "https://c"}]}
    first = said(0, groundingMetadata=grounding)
    last = {"index": 0, "urlContextMetadata": pages, "finishReason": "STOP"}
    whole = google.decode(json.dumps({"candidates": [{**first, **last}]}).encode(), "s")
    decoder = google.stream("s", "p", None)
    deltas = [*decoder.feed(event(first)), *decoder.feed(event(last))]
    names = {"reply.webSearchQueries", "reply.groundingChunks", "reply.urlContextMetadata"}
    for reply in (whole, assemble(deltas)):
        text = reply.choices[0].parts[0]
        assert isinstance(text, Text)
        assert [one.url for one in text.citations] == ["https://a"]
        assert set(openai_chat.write(reply, "i", 0, "m")[1]) == names
        written, dropped = google_contents.write(reply, "i", "m")
        assert set(dropped) == names
        assert json.loads(written)["candidates"][0]["content"]["parts"] == [{"text": "x"}]
