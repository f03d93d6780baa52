"""Gemini's generateContent at the door, held against the recorded exchanges and by property.

A request that we would send to Google, read at the door, is the same request again; so is a reply, whole or streamed.
"""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.core.pricing import Usage
from llm.core.assembly import assemble
from llm.core.conversation import Choice, Citation, Native, Reply, Text, Thinking, TokenLogprob, ToolCall
from llm.core.dialects import google, google_contents
from llm.core.dialects.google_contents.schemas import json_schema
from llm.core.dialects.translation import Target
from llm.core.errors import InvalidRequest
from tests.core.dialects.test_openai_responses import SAID, deltas_of
from tests.core.dialects.test_responses_provider import shown

WIRE = Path(__file__).parents[2] / "wire" / "google"
CASES = sorted(folder for folder in WIRE.iterdir() if folder.is_dir())
SENT = [
    case for case in CASES if (case / "sent.json").exists() and "body" in json.loads((case / "sent.json").read_text())
]
WHOLE = [case for case in CASES if (case / "back.json").exists()]


def read(**fields: Any) -> Any:
    body = {"model": "m", "contents": [{"parts": [{"text": "Hi"}]}], **fields}
    return google_contents.read(json.dumps(body).encode())


@pytest.mark.parametrize("case", SENT, ids=lambda case: case.name)
def test_a_request_in_googles_own_shape_survives(case: Path) -> None:
    sent = json.loads((case / "sent.json").read_text())
    model = sent["path"].removeprefix("/models/").partition(":")[0]
    stream = "stream" in sent["path"]
    conversation = google_contents.read(json.dumps({**sent["body"], "model": model, "stream": stream}).encode())
    again = google.encode(conversation, Target(model))
    body = json.loads(again.body)
    for one in (body, sent["body"]):  # to Google itself the bytes pass; others are always asked to show their thoughts
        one.get("generationConfig", {}).get("thinkingConfig", {}).pop("includeThoughts", None)
    assert body == sent["body"]
    assert (again.path, again.dropped) == (sent["path"], conversation.unknown)


@pytest.mark.parametrize("case", WHOLE, ids=lambda case: case.name)
def test_a_whole_reply_survives(case: Path) -> None:
    reply = google.decode((case / "back.json").read_bytes(), "s")
    written, dropped = google_contents.write(reply, reply.id, reply.model)
    again = google.decode(written, "s")
    assert dropped == ()
    assert (again.id, again.model) == (reply.id, reply.model)
    assert [choice.finish for choice in again.choices] == [choice.finish for choice in reply.choices]
    for one, other in zip(again.choices, reply.choices, strict=True):
        assert shown(one.parts) == shown(other.parts)
        assert (one.logprobs, one.safety) == (other.logprobs, other.safety)
    if reply.usage is not None:
        assert again.usage is not None
        assert (again.usage.prompt_total, again.usage.completion_total) == (
            reply.usage.prompt_total,
            reply.usage.completion_total,
        )


@given(SAID, st.data())
def test_a_stream_and_a_whole_answer_say_the_same(said: list[tuple[str, list[str]]], data: st.DataObject) -> None:
    said = [(kind, texts if kind != "call" else ['{"a":1}']) for kind, texts in said if kind != "custom"]
    deltas = deltas_of(said, data.draw)
    writer = google_contents.ChunkWriter("i", "m")
    stream = b"".join([writer.write([delta]) for delta in deltas]) + writer.finish()
    whole, dropped = google_contents.write(assemble(deltas), "i", "m")
    assert writer.dropped == dropped == ()
    decoder = google.stream("s", "p", None)
    streamed = assemble([*decoder.feed(stream), *decoder.finish()])
    assert decoder.done
    first, second = streamed.choices[0], google.decode(whole, "s").choices[0]
    texts = [[one for one in shown(choice.parts) if one[0] != "ToolCall"] for choice in (first, second)]
    assert joined(texts[0]) == joined(texts[1])
    calls = [[one for one in shown(choice.parts) if one[0] == "ToolCall"] for choice in (first, second)]
    assert calls[0] == calls[1]
    assert first.finish == second.finish
    assert streamed.usage == Usage(1, output=2)


def joined(parts: list[Any]) -> list[Any]:
    """Neighbours of one kind are one on this wire."""
    found: list[Any] = []
    for kind, _, said in parts:
        kind = "Text" if kind == "Refusal" else kind
        if found and kind != "Image" and found[-1][0] == kind:
            found[-1][1] += said
        else:
            found.append([kind, said])
    return found


@pytest.mark.parametrize(
    "part",
    [
        Text("x", signature="c2ln"),
        Thinking("Hm.", "c2ln", origin="google"),
        Thinking("Hm.", "sig", origin="anthropic"),
        Thinking("", None, "data", origin="anthropic"),
        Thinking("Hm.", None, "gAAA", "rs_1", "openai"),
        ToolCall("c", "f", '{"a":1}', signature="c2ln"),
        Native("google", {"executableCode": {"code": "1"}}),
    ],
)
def test_what_was_answered_comes_back_as_it_was(part: Any) -> None:
    written, _ = google_contents.write(Reply("i", "m", (Choice(0, (part,), "stop"),)), "i", "m")
    content = json.loads(written)["candidates"][0]["content"]
    assert read(contents=[content]).messages[0].parts == (part,)


def test_citations_are_grounding_in_bytes() -> None:
    text = Text("Grüße aus Köln.", (Citation("https://e.org", "E", start=10, end=14),))
    written, _ = google_contents.write(Reply("i", "m", (Choice(0, (text,), "stop"),)), "i", "m")
    grounding = json.loads(written)["candidates"][0]["groundingMetadata"]
    assert grounding["groundingChunks"] == [{"web": {"uri": "https://e.org", "title": "E"}}]
    (support,) = grounding["groundingSupports"]
    segment = support["segment"]
    assert text.text.encode()[segment["startIndex"] : segment["endIndex"]].decode() == "Köln"


def test_what_another_provider_ran_is_named_and_logprobs_are_told() -> None:
    block = Native("anthropic", {"type": "server_tool_use"})
    choice = Choice(
        0, (block, Text("x")), "length", logprobs=(TokenLogprob("x", -0.5, top=(TokenLogprob("y", -1.0),)),)
    )
    written, dropped = google_contents.write(Reply("i", "m", (choice,)), "i", "m")
    again = google.decode(written, "s").choices[0]
    assert dropped == ("reply.server_tool_use",)
    assert (again.finish, again.logprobs) == (choice.finish, choice.logprobs)


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"contents": [{"role": "king", "parts": []}]}, "contents[0].role"),
        ({"contents": [{"parts": "x"}]}, "contents[0].parts"),
        ({"contents": [{"parts": [{"inlineData": {}}]}]}, "contents[0].parts[0]"),
        ({"contents": [{"parts": [{"functionResponse": {"name": "f", "response": {}}}]}]}, "contents[0].parts[0]"),
        (
            {"systemInstruction": {"parts": [{"inlineData": {"mimeType": "image/png", "data": ""}}]}},
            "systemInstruction",
        ),
        ({"generationConfig": {"responseMimeType": "text/html"}}, "generationConfig.responseMimeType"),
        ({"contents": []}, "contents"),
        ({"cachedContent": "c"}, "cachedContent"),
    ],
)
def test_bad_requests_name_the_field(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        read(**fields)
    assert refused.value.param == param


@given(
    st.recursive(
        st.one_of(st.none(), st.integers(), st.text(max_size=3)),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(
                st.sampled_from(["parts", "text", "role", "name", "functionCall", "functionDeclarations"]), inner
            )
        ),
    )
)
def test_whatever_comes_is_read_or_refused(value: Any) -> None:
    for member in ("contents", "tools", "toolConfig", "generationConfig", "systemInstruction"):
        try:
            read(**{member: value})
        except InvalidRequest as error:
            assert error.param is not None


def test_results_find_their_calls_by_id_else_by_name_in_order() -> None:
    call = {"functionCall": {"name": "f", "args": {}}}
    results = [{"functionResponse": {"name": "f", "response": {"result": text}}} for text in ("1", "2")]
    failed = {"functionResponse": {"id": "own", "name": "g", "response": {"error": "no"}}}
    turns = read(
        contents=[
            {"role": "model", "parts": [call, {"functionCall": {"id": "own", "name": "g"}}, call]},
            {"parts": [failed, *results]},
        ]
    ).messages
    found = [(part.call_id, part.parts[0].text, part.is_error) for part in turns[1].parts]
    assert found == [("own", "no", True), ("call_0", "1", False), ("call_2", "2", False)]


def test_schemas_become_json_schemas() -> None:
    given_schema = {
        "type": "ARRAY",
        "minItems": "1",
        "items": {"anyOf": [{"type": "STRING", "enum": ["a"], "nullable": True}, {"type": "NUMBER", "example": 1}]},
    }
    assert json_schema(given_schema) == {
        "type": "array",
        "minItems": 1,
        "items": {"anyOf": [{"type": ["string", "null"], "enum": ["a", None]}, {"type": "number"}]},
    }


@pytest.mark.parametrize(
    ("members", "param"),
    [
        ({"generationConfig": {"temperature": "hot"}}, "generationConfig.temperature"),
        ({"generationConfig": {"maxOutputTokens": 1.5}}, "generationConfig.maxOutputTokens"),
        ({"generationConfig": {"stopSequences": [1]}}, "generationConfig.stopSequences"),
        (
            {"generationConfig": {"thinkingConfig": {"thinkingBudget": True}}},
            "generationConfig.thinkingConfig.thinkingBudget",
        ),
        (
            {"tools": [{"functionDeclarations": [{"name": "f", "parametersJsonSchema": [1]}]}]},
            "tools[0].functionDeclarations[0]",
        ),
        ({"tools": [5]}, "tools"),
        ({"toolConfig": 5}, "toolConfig"),
        ({"generationConfig": {"thinkingConfig": 5}}, "generationConfig"),
        ({"contents": [{"parts": [{"functionCall": {"name": 5}}]}]}, "contents[0].parts[0]"),
        ({"contents": [{"parts": [{"inlineData": {"mimeType": "image/png", "data": 5}}]}]}, "contents[0].parts[0]"),
        ({"contents": [{"parts": [{"fileData": {"fileUri": 5}}]}]}, "contents[0].parts[0]"),
    ],
)
def test_a_value_of_the_wrong_type_is_refused_by_name(members: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read(**{"contents": [{"parts": [{"text": "x"}]}], **members})
    assert caught.value.param == param
