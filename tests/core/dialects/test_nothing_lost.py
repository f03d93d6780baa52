"""Nothing a client says is lost in silence, on any wire, by property; and what a wire has both ways comes back whole.

Every text of a made-up conversation is a mark of its own. After encoding, each mark stands in the body, or its field is
among those named as dropped, or the request was refused by name. Options are tried one by one in `test_translators.py`.
"""

import base64
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm.core.conversation import (
    CacheControl,
    Choice,
    Conversation,
    File,
    Image,
    Message,
    Part,
    Refusal,
    Reply,
    ResponseFormat,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from llm.core.dialects import anthropic, anthropic_messages, google, ollama, openai_chat
from llm.core.dialects.openai_chat import translator
from llm.core.dialects.translation import Target, Translator
from llm.core.errors import InvalidRequest

TRANSLATORS: dict[str, Translator] = {
    "openai": translator,  # type: ignore[dict-item]
    "anthropic": anthropic,
    "google": google,
    "ollama": ollama,
}
MODELS = {"openai": "gpt-4o", "anthropic": "claude-sonnet-4-6", "google": "gemini-2.5-flash", "ollama": "llama3.2"}


class Marks:
    """Marks given out, and the dropped names that would account for each."""

    def __init__(self) -> None:
        self.accounts: dict[str, tuple[str, ...]] = {}

    def new(self, *names: str) -> str:
        mark = f"mark{len(self.accounts):03}x"
        self.accounts[mark] = names
        return mark

    def packed(self, *names: str) -> str:
        """A mark in base64, as bytes travel."""
        mark = base64.b64encode(f"mark{len(self.accounts):03}x".encode()).decode()
        self.accounts[mark] = names
        return mark


CACHE = st.sampled_from([None, CacheControl(), CacheControl("1h")])


@st.composite
def conversations(draw: st.DrawFn, origin: str) -> tuple[Conversation, dict[str, tuple[str, ...]]]:
    """A conversation for the wire `origin`, with thinking sealed by it or by another."""
    marks = Marks()

    def texts(number: int) -> tuple[Text, ...]:
        return tuple(Text(marks.new(), cache=draw(CACHE)) for _ in range(number))

    def media() -> list[Part]:
        detail = draw(st.sampled_from([None, "low"]))
        kinds: list[Part] = [
            Image(data=marks.packed(), media_type="image/png", detail=detail),
            File(
                data=marks.packed(), media_type="application/pdf", name=marks.new("messages[].content[].file.filename")
            ),
        ]
        return draw(st.lists(st.sampled_from(kinds), max_size=1))

    names = [marks.new() for _ in range(draw(st.integers(1, 3)))]
    messages = [Message(draw(st.sampled_from(["system", "developer"])), texts(draw(st.integers(1, 2))))]
    messages.append(
        Message("user", (*texts(1), *media()), name=draw(st.sampled_from([None, marks.new("messages[].name")])))
    )
    for _ in range(draw(st.integers(0, 2))):
        seal = draw(st.sampled_from([origin, "another"]))
        thinking = [Thinking(marks.new("messages[].reasoning_content"), "seal", origin=seal)]
        called = draw(st.lists(st.sampled_from(names), min_size=1, max_size=3))
        calls = [
            ToolCall(f"c{len(messages)}{place}", name, json.dumps({marks.new(): marks.new()}))
            for place, name in enumerate(called)
        ]
        said = [*draw(st.sampled_from([[], thinking])), *texts(draw(st.integers(0, 1))), *calls]
        messages.append(Message("assistant", tuple(said)))
        for call in draw(st.permutations(calls)):
            result = ToolResult(call.id, texts(draw(st.integers(1, 2))), is_error=draw(st.booleans()))
            messages.append(Message("tool", (result,)))
        if draw(st.booleans()):
            messages.append(Message("assistant", (*texts(1), *draw(st.sampled_from([[], [Refusal(marks.new())]])))))
        messages.append(Message("user", texts(1)))
    schema = {"type": "object", "properties": {marks.new(): {"type": "string", "description": marks.new()}}}
    tools = tuple(
        Tool(name, marks.new(), draw(st.sampled_from([None, schema])), draw(st.sampled_from([None, True])))
        for name in names
    )
    choice = draw(
        st.sampled_from(
            [
                None,
                ToolChoice("auto"),
                ToolChoice("none"),
                ToolChoice("required"),
                ToolChoice("named", tuple(names[:1])),
            ]
        )
    )
    shape = draw(
        st.sampled_from([None, ResponseFormat("schema", "answer", None, schema, True), ResponseFormat("json")])
    )
    made = Conversation(MODELS[origin], tuple(messages), tools, choice, shape)
    return made, marks.accounts


@pytest.mark.parametrize("name", TRANSLATORS)
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_every_word_arrives_or_is_named(name: str, data: st.DataObject) -> None:
    conversation, accounts = data.draw(conversations(name))
    try:
        outgoing = TRANSLATORS[name].encode(conversation, Target(conversation.model))
    except InvalidRequest as refusal:
        assert refusal.param, refusal.message
        return
    body = outgoing.body.decode()
    used = repr(conversation)
    silent = conversation.tool_choice is not None and conversation.tool_choice.mode == "none"
    for mark, names in accounts.items():
        if mark in body or mark not in used:
            continue
        if silent and mark in repr(conversation.tools):
            continue  # tools that may not be called need not be told
        assert any(named in outgoing.dropped for named in names), f"{mark} of {conversation}: {outgoing.dropped}"
    if "CacheControl" in used and name in ("google", "ollama"):
        assert "messages[].content[].cache_control" in outgoing.dropped


@pytest.mark.parametrize(("name", "read"), [("openai", openai_chat.read), ("anthropic", anthropic_messages.read)])
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_a_request_written_and_read_at_the_door_says_the_same(name: str, read: Any, data: st.DataObject) -> None:
    """Once through the wire: from then on nothing changes any more, and no mark is lost."""
    conversation, _ = data.draw(conversations(name))
    dialect = TRANSLATORS[name]
    try:
        first = dialect.encode(conversation, Target(conversation.model))
    except InvalidRequest:
        return
    again = read(first.body)
    assert again.unknown == ()
    second = dialect.encode(again, Target(conversation.model))
    assert json.loads(second.body) == json.loads(first.body)
    assert set(second.dropped) <= set(first.dropped)


PARTS = st.one_of(
    st.builds(Text, st.text(min_size=1, max_size=5)),
    st.builds(
        ToolCall, st.uuids().map(str), st.sampled_from(["f", "g"]), st.sampled_from(["{}", '{"a":1}', '{"é":[]}'])
    ),
)


@pytest.mark.parametrize("name", ["openai", "anthropic"])
@settings(max_examples=150, deadline=None)
@given(st.lists(PARTS, min_size=1, max_size=4), st.booleans())
def test_a_reply_written_for_a_client_and_read_again_is_the_same(name: str, parts: list[Any], cut: bool) -> None:
    if name == "openai":  # one text, then the calls
        text = "".join(part.text for part in parts if isinstance(part, Text))
        parts = [*([Text(text)] if text else []), *(part for part in parts if isinstance(part, ToolCall))]
    calls = any(isinstance(part, ToolCall) for part in parts)
    finish = "length" if cut else "tool_calls" if calls else "stop"
    reply = Reply("i", "m", (Choice(0, tuple(parts), finish),))  # type: ignore[arg-type]
    if name == "openai":
        again = translator.decode(openai_chat.write(reply, "i", 0, "m")[0], "s")
    else:
        again = anthropic.decode(anthropic_messages.write(reply, "i", "m")[0], "s")
    (choice,) = again.choices
    assert (choice.parts, choice.finish) == (tuple(parts), finish)
