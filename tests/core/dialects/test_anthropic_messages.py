"""Anthropic's messages at the door: what its own SDKs send and read, held against the recorded exchanges.

A request that we would send to Anthropic, read at the door, is the same request again; so is a reply, whole or streamed.
"""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from billing.core.pricing import Usage
from llm.core import sse
from llm.core.assembly import assemble
from llm.core.conversation import (
    Choice,
    Conversation,
    File,
    Message,
    Native,
    Reply,
    Text,
    Thinking,
    Tool,
    ToolResult,
)
from llm.core.deltas import ArgumentsDelta, Delta, Finished, Started, TextDelta, ThinkingDelta, ToolCallStarted
from llm.core.dialects import anthropic, anthropic_messages, google, ollama
from llm.core.dialects.openai_chat import translator as openai_chat
from llm.core.dialects.translation import Target, Translator
from llm.core.error_shapes import anthropic_body, anthropic_event
from llm.core.errors import InvalidRequest, ProviderError, Unavailable

WIRE = Path(__file__).parents[2] / "wire" / "anthropic"
CASES = sorted(folder for folder in WIRE.iterdir() if folder.is_dir())
SENT = [
    case for case in CASES if (case / "sent.json").exists() and "body" in json.loads((case / "sent.json").read_text())
]
WHOLE = [case for case in CASES if (case / "back.json").exists()]
STREAMED = [case for case in CASES if (case / "back.txt").exists() and "error" not in case.name]


def body(**more: Any) -> bytes:
    return msgspec.json.encode({"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": "Hi"}], **more})


def read_back(written: bytes) -> Reply:
    decoder = anthropic.stream("s", "anthropic", None)
    return assemble([*decoder.feed(written), *decoder.finish()])


def decoded(stream: bytes) -> list[Delta]:
    decoder = anthropic.stream("s", "anthropic", None)
    return [*decoder.feed(stream), *decoder.finish()]


@pytest.mark.parametrize("case", SENT, ids=lambda case: case.name)
def test_a_request_in_anthropics_own_shape_survives(case: Path) -> None:
    sent = json.loads((case / "sent.json").read_text())["body"]
    conversation = anthropic_messages.read(json.dumps(sent).encode())
    assert conversation.unknown == ()
    again = anthropic.encode(conversation, Target(conversation.model))
    assert json.loads(again.body) == sent


@pytest.mark.parametrize("case", WHOLE, ids=lambda case: case.name)
def test_a_whole_reply_survives(case: Path) -> None:
    reply = anthropic.decode((case / "back.json").read_bytes(), "s")
    again = anthropic.decode(anthropic_messages.write(reply, reply.id, reply.model)[0], "s")
    assert (again.id, again.model) == (reply.id, reply.model)
    assert again.choices[0].finish == reply.choices[0].finish
    assert again.usage is not None
    assert reply.usage is not None
    assert again.usage.completion_total == reply.usage.completion_total
    if case.name != "refusal_explained":  # Anthropic's own field for it comes back as text
        assert again.choices[0].parts == reply.choices[0].parts


@pytest.mark.parametrize("case", STREAMED, ids=lambda case: case.name)
def test_a_streamed_reply_survives(case: Path) -> None:
    deltas = decoded((case / "back.txt").read_bytes())
    reply = assemble(deltas)
    writer = anthropic_messages.EventWriter(reply.id, reply.model)
    written = b"".join([writer.write([delta]) for delta in deltas]) + writer.finish()
    again = read_back(written)
    if case.name != "refusal_explained":
        assert again.choices[0].parts == reply.choices[0].parts
    assert (again.id, again.choices[0].finish) == (reply.id, reply.choices[0].finish)
    kinds = [json.loads(data)["type"] for data in sse.data_in(written)]
    assert (kinds[0], kinds[-1]) == ("message_start", "message_stop")
    assert kinds.count("content_block_start") == kinds.count("content_block_stop")


def test_blocks_never_overlap_though_calls_come_interleaved() -> None:
    deltas: list[Delta] = [
        Started("i", "m"),
        ToolCallStarted(0, 0, 0, "a", "f"),
        ToolCallStarted(0, 1, 1, "b", "g"),
        ArgumentsDelta(0, 1, 1, '{"y":'),
        ArgumentsDelta(0, 0, 0, '{"x":1}'),
        ArgumentsDelta(0, 1, 1, "2}"),
        Finished(0, "tool_calls"),
    ]
    writer = anthropic_messages.EventWriter("i", "m")
    written = writer.write(deltas) + writer.finish()
    opened: list[int] = []
    for data in sse.data_in(written):
        event = json.loads(data)
        if event["type"] == "content_block_start":
            assert not opened
            opened.append(event["index"])
        elif event["type"] == "content_block_stop":
            assert opened.pop() == event["index"]
    assert read_back(written).choices[0].parts == assemble(deltas).choices[0].parts


def test_a_seal_that_comes_with_its_text_is_not_lost() -> None:
    writer = anthropic_messages.EventWriter("i", "m")
    deltas: list[Delta] = [ThinkingDelta(0, 0, "hm", "sig"), TextDelta(0, 1, "x"), Finished(0, "stop")]
    parts = read_back(writer.write(deltas) + writer.finish()).choices[0].parts
    assert (getattr(parts[0], "text", None), getattr(parts[0], "signature", None)) == ("hm", "sig")


def test_results_documents_and_server_tools_are_read() -> None:
    content = [
        {"type": "tool_result", "tool_use_id": "t", "content": "x", "is_error": True},
        {"type": "document", "title": "T", "source": {"type": "text", "media_type": "text/plain", "data": "é"}},
        {"type": "server_tool_use", "id": "s"},
    ]
    tool = {"type": "web_search_20250305", "name": "web_search"}
    conversation = anthropic_messages.read(
        body(messages=[{"role": "user", "content": content}], tools=[tool], speed="fast")
    )
    assert conversation == Conversation(
        "m",
        (
            Message(
                "user",
                (
                    ToolResult("t", (Text("x"),), True),
                    File(data="w6k=", media_type="text/plain", name="T"),
                    Native("anthropic", content[2]),
                ),
            ),
        ),
        (Tool("web_search", native=Native("anthropic", tool)),),
        options=conversation.options,
        include_usage=True,
        unknown=("speed",),
    )
    with pytest.raises(InvalidRequest) as caught:
        google.encode(conversation, Target("gemini-2.5-flash"))
    assert caught.value.param is not None


def said(block: dict[str, Any]) -> dict[str, Any]:
    return {"role": "assistant", "content": [block]}


@pytest.mark.parametrize(
    ("request_body", "param"),
    [
        (body(messages=[]), "messages"),
        (body(messages=[{"role": "king", "content": "x"}]), "messages[0].role"),
        (body(messages=[{"role": "user", "content": [{"type": "text"}]}]), "messages[0].content[0].text"),
        (body(messages=[{"role": "user", "content": [{"type": "image"}]}]), "messages[0].content[0]"),
        (body(messages=[said({"type": "thinking", "thinking": 5})]), "messages[0].content[0].thinking"),
        (
            body(messages=[said({"type": "thinking", "thinking": "", "signature": 5})]),
            "messages[0].content[0].signature",
        ),
        (
            body(messages=[said({"type": "image", "source": {"type": "url", "url": 5}})]),
            "messages[0].content[0].source.url",
        ),
        (body(tools=[{"name": "f"}]), "tools[0].input_schema"),
        (body(tool_choice={"type": "tool"}), "tool_choice"),
        (body(max_tokens="x"), "max_tokens"),
        (b'{"model":"m","messages":[]}', "messages"),
        (b"[", None),
    ],
)
def test_bad_requests_name_the_field(request_body: bytes, param: str | None) -> None:
    with pytest.raises(InvalidRequest) as caught:
        anthropic_messages.read(request_body)
    assert caught.value.param == param


def test_errors_are_in_anthropics_shape() -> None:
    overloaded = Unavailable("Later.", 3)
    assert json.loads(anthropic_body(overloaded)) == {
        "type": "error",
        "error": {"type": "overloaded_error", "message": "Later."},
    }
    event = anthropic_event(ProviderError("Gone."))
    assert event.startswith(b"event: error\ndata: ")
    assert b'"api_error"' in event


def test_a_reply_without_usage_or_reason_is_still_a_message() -> None:
    written = json.loads(anthropic_messages.write(Reply("i", "m", (Choice(0, (Text("x"),), "length"),)), "msg", "m")[0])
    assert (written["stop_reason"], written["usage"]["input_tokens"], written["content"]) == (
        "max_tokens",
        0,
        [{"type": "text", "text": "x"}],
    )
    reply = Reply("i", "m", (Choice(0, (), "stop", "END"),), Usage(1, 2, 3, 4, 5))
    assert json.loads(anthropic_messages.write(reply, "msg", "m")[0])["usage"] == {
        "input_tokens": 1,
        "cache_read_input_tokens": 2,
        "cache_creation_input_tokens": 3,
        "output_tokens": 9,
    }


@pytest.mark.parametrize("system", [None, "Be brief."])
@pytest.mark.parametrize("wire", [anthropic, google, ollama], ids=["anthropic", "google", "ollama"])
def test_an_error_names_the_clients_own_message(wire: Translator, system: str | None) -> None:
    call = {"type": "tool_use", "id": "t1", "name": "look", "input": ["no", "object"]}
    asked = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": [call]}]
    conversation = anthropic_messages.read(body(messages=asked, **({"system": system} if system else {})))
    with pytest.raises(InvalidRequest) as refused:
        wire.encode(conversation, Target("m"))
    assert (refused.value.param or "").startswith("messages[1]")


def test_what_is_dropped_names_the_clients_own_message() -> None:
    failed = {"type": "tool_result", "tool_use_id": "t1", "content": "no", "is_error": True}
    conversation = anthropic_messages.read(body(system="Be brief.", messages=[{"role": "user", "content": [failed]}]))
    assert openai_chat.encode(conversation, Target("m")).dropped == ("messages[0].content[].is_error",)


def test_a_system_prompt_is_text() -> None:
    image = {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}}
    with pytest.raises(InvalidRequest) as refused:
        anthropic_messages.read(body(system=[{"type": "text", "text": "Look."}, image]))
    assert refused.value.param == "system[1]"


@pytest.mark.parametrize(
    "part",
    [
        Thinking("Hm.", "c2ln", origin="google"),
        Thinking("", "c2ln", origin="google"),
        Thinking("Hm.", None, "gAAA", "rs_1", "openai"),
        Thinking("", None, "gAAA", "rs_1", "openai"),
        Thinking("Hm.", "sig", origin="anthropic"),
        Thinking("", None, "data", origin="anthropic"),
    ],
)
def test_reasoning_goes_back_to_the_provider_that_sealed_it(part: Thinking) -> None:
    whole, _ = anthropic_messages.write(Reply("i", "m", (Choice(0, (part,), "stop"),)), "msg", "m")
    writer = anthropic_messages.EventWriter("msg", "m")
    pieces: list[Delta] = [
        ThinkingDelta(0, 0, part.text, id=part.id, origin=part.origin),
        ThinkingDelta(0, 0, "", part.signature, part.redacted, origin=part.origin),
        Finished(0, "stop"),
    ]
    if part.origin == "anthropic" and part.redacted:
        pieces = [ThinkingDelta(0, 0, redacted=part.redacted, origin="anthropic"), Finished(0, "stop")]
    (block,) = json.loads(whole)["content"]
    for told in (block, streamed_block(writer.write(pieces) + writer.finish())):
        request = body(messages=[{"role": "assistant", "content": [told]}])
        assert anthropic_messages.read(request).messages[0].parts == (part,)


def streamed_block(stream: bytes) -> dict[str, Any]:
    """The one block that these events amount to."""
    block: dict[str, Any] = {}
    for event in [json.loads(data) for data in sse.data_in(stream)]:
        if event["type"] == "content_block_start":
            block = event["content_block"]
        elif event["type"] == "content_block_delta":
            delta = event["delta"]
            name = delta.pop("type").removesuffix("_delta")
            block[name] = (block[name] if name == "thinking" else "") + delta[name]
    return block


def test_a_seal_that_was_changed_is_refused() -> None:
    block = {"type": "thinking", "thinking": "Hm.", "signature": "cb1.@"}
    with pytest.raises(InvalidRequest) as refused:
        anthropic_messages.read(body(messages=[{"role": "assistant", "content": [block]}]))
    assert refused.value.param == "messages[0].content[0].signature"
