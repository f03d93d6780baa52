"""OpenAI's responses as a provider's wire: what our own door for them reads and writes survives the way around."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from billing.core.pricing import Usage
from llm.core.assembly import assemble
from llm.core.conversation import Choice, Image, Message, Refusal, Reply, Text, Thinking, TokenLogprob, ToolCall
from llm.core.dialects import openai_chat, openai_responses
from llm.core.dialects.openai_responses import translator
from llm.core.dialects.translation import Target
from llm.core.errors import InvalidRequest, ProviderBroken, ProviderError
from tests.core.dialects.test_openai_responses import SAID, deltas_of

WIRE = Path(__file__).parents[2] / "wire"
HEAD = openai_responses.Head("resp_1", 0, "m")
OWN = [case for case in sorted((WIRE / "openai_responses").iterdir()) if (case / "request.json").exists()]
CHATS = sorted(case for name in ("anthropic", "google", "ollama") for case in (WIRE / name).glob("*/request.json"))


@pytest.mark.parametrize("case", OWN, ids=lambda case: case.name)
def test_a_request_of_its_own_shape_survives(case: Path) -> None:
    try:
        conversation = openai_responses.read((case / "request.json").read_bytes())
    except InvalidRequest:
        return  # refused at the door already
    outgoing = translator.encode(conversation, Target("o3"))
    again = openai_responses.read(outgoing.body)
    kept = [message for message in conversation.messages if "reasoning" not in case.name or message.role != "assistant"]
    found = [message for message in again.messages if "reasoning" not in case.name or message.role != "assistant"]
    assert [(one.role, one.parts) for one in found] == [(one.role, one.parts) for one in kept]
    assert (again.tool_choice, again.response_format) == (conversation.tool_choice, conversation.response_format)
    assert [tool.name for tool in again.tools] == [tool.name for tool in conversation.tools]
    changed = {"store": again.options.store, "logprobs": again.options.logprobs}
    assert again.options == conversation.options.__class__(
        **{name: changed.get(name, getattr(conversation.options, name)) for name in again.options.__struct_fields__}
    )
    assert again.options.store is bool(conversation.options.store)
    assert again.unknown == ()


@pytest.mark.parametrize("file", CHATS, ids=lambda file: f"{file.parent.parent.name}/{file.parent.name}")
def test_a_chat_request_says_the_same_as_a_response_or_names_what_it_loses(file: Path) -> None:
    conversation = openai_chat.read(file.read_bytes())
    try:
        outgoing = translator.encode(conversation, Target("gpt-4o"))
    except InvalidRequest as error:
        assert error.param is not None
        return
    again = openai_responses.read(outgoing.body)
    assert [tool.name for tool in again.tools] == [tool.name for tool in conversation.tools]
    assert again.tool_choice == conversation.tool_choice
    assert texts_of(again.messages) == texts_of(conversation.messages)


def texts_of(messages: tuple[Message, ...]) -> list[str]:
    return [part.text for one in messages for part in one.parts if isinstance(part, Text) and part.text]


@given(SAID, st.data())
def test_a_stream_we_write_is_read_as_what_was_said(said: list[tuple[str, list[str]]], data: st.DataObject) -> None:
    said = [(kind, texts) for kind, texts in said if kind != "native"]
    deltas = deltas_of(said, data.draw)
    writer = openai_responses.EventWriter(HEAD)
    stream = b"".join([writer.write([delta]) for delta in deltas]) + writer.finish()
    cut = data.draw(st.integers(0, len(stream)))
    decoder, at_once = translator.stream("s", "p", None), translator.stream("s", "p", None)
    found = [*decoder.feed(stream[:cut]), *decoder.feed(stream[cut:]), *decoder.finish()]
    assert found == at_once.feed(stream)
    assert decoder.done
    whole, _ = openai_responses.write(assemble(deltas), HEAD)
    told = assemble(found)
    assert saying(told) == saying(translator.decode(whole, "s"))
    assert shown(told.choices[0].parts) == shown(assemble(deltas).choices[0].parts)
    assert told.usage == Usage(1, output=2)


def saying(reply: Reply) -> Reply:
    """The reply without texts that say nothing: deltas tell of no text that never comes."""
    return structs.replace(
        reply,
        choices=tuple(
            structs.replace(
                one, parts=tuple(part for part in one.parts if not isinstance(part, Text | Refusal) or part.text)
            )
            for one in reply.choices
        ),
    )


def shown(parts: tuple[Any, ...]) -> list[Any]:
    """Parts without whose reasoning it is, and without texts that say nothing."""
    return [
        (type(part).__name__, getattr(part, "id", None) if isinstance(part, ToolCall) else None, said)
        for part in parts
        if (said := getattr(part, "text", getattr(part, "arguments", getattr(part, "data", None))))
    ]


@pytest.mark.parametrize(
    "part",
    [
        Text("Grüße"),
        Refusal("no"),
        Thinking("Hm.", None, "gAAA", "rs_1", "openai"),
        Thinking("", None, "gAAA", "rs_1", "openai"),
        ToolCall("c", "f", '{"a":1}'),
        ToolCall("c", "f", "free", custom=True),
        Image(data="aWk=", media_type="image/png"),
    ],
)
def test_a_reply_of_each_kind_survives(part: Any) -> None:
    finish = "tool_calls" if isinstance(part, ToolCall) else "stop"
    reply = Reply("resp_1", "m", (Choice(0, (part,), finish, native_finish="completed"),), Usage(3, 1, 0, 2, 1))
    written, _ = openai_responses.write(reply, HEAD)
    assert translator.decode(written, "s") == reply
    if not isinstance(part, Image):
        request = openai_responses.read(json.dumps({"model": "m", "input": json.loads(written)["output"]}).encode())
        outgoing = translator.encode(request, Target("m"))
        assert openai_responses.read(outgoing.body).messages == (Message("assistant", (part,), place="input[0]"),)


def test_log_probabilities_survive_whole() -> None:
    logprobs = (TokenLogprob("x", -0.5, (120,), (TokenLogprob("x", -0.5, (120,)),)),)
    reply = Reply("resp_1", "m", (Choice(0, (Text("x"),), "stop", native_finish="completed", logprobs=logprobs),))
    assert translator.decode(openai_responses.write(reply, HEAD)[0], "s") == reply


@pytest.mark.parametrize(
    ("event", "status", "code"),
    [
        (
            {"type": "error", "code": "rate_limit_exceeded", "message": "Slow sk-1", "param": None},
            429,
            "rate_limit_exceeded",
        ),
        ({"type": "error", "error": {"code": "server_error", "message": "Sorry sk-1"}}, 502, "server_error"),
        (
            {
                "type": "response.failed",
                "response": {"output": [], "status": "failed", "error": {"code": "server_error", "message": "Sorry"}},
            },
            502,
            "server_error",
        ),
    ],
)
def test_errors_in_a_stream(event: Any, status: int, code: str) -> None:
    decoder = translator.stream("s", "openai", "sk-1")
    decoder.feed(b"data: " + json.dumps(event).encode() + b"\n\n")
    assert decoder.error is not None
    assert (decoder.error.status, decoder.error.wire_code, decoder.done) == (status, code, False)
    assert "sk-1" not in decoder.error.message


@pytest.mark.parametrize(
    "answer",
    [
        {"output": [{}]},
        {"output": ["x"]},
        {"output": [{"type": "message", "content": [{"type": "output_text"}]}]},
        {"output": [{"type": "function_call"}]},
        {"output": [], "status": "failed", "error": {"message": "No"}},
        {"error": {"message": "No"}},
    ],
)
def test_what_is_no_answer_is_called_so(answer: Any) -> None:
    with pytest.raises((ProviderBroken, ProviderError)):
        translator.decode(json.dumps(answer).encode(), "s")
