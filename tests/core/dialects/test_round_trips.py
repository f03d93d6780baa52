"""What Gemini's and Ollama's requests can say comes back from them as it was, by property: encode and read once more.

Gemini's are read by our own door. Ollama has no door here: `read_ollama` is written from its documentation
(https://docs.ollama.com/api/chat). From the first time through the wire on, nothing changes any more.
"""

import base64
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm.core.conversation import (
    Audio,
    Conversation,
    File,
    Image,
    Message,
    Native,
    Options,
    Part,
    Refusal,
    ResponseFormat,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolResult,
)
from llm.core.dialects import google, google_contents, ollama
from llm.core.dialects.translation import Target
from llm.core.errors import InvalidRequest
from tests.core.dialects.test_nothing_lost import conversations

HALVES = st.one_of(st.none(), st.sampled_from([0.0, 0.25, 0.5, 1.0]))
COUNTS = st.one_of(st.none(), st.integers(1, 5))
SHARED = {
    "temperature": HALVES,
    "top_p": HALVES,
    "top_k": COUNTS,
    "max_tokens": COUNTS,
    "stop": st.lists(st.sampled_from(["A", "END", "\n"]), max_size=3, unique=True).map(tuple),
    "seed": st.one_of(st.none(), st.integers(0, 9)),
    "frequency_penalty": HALVES,
    "presence_penalty": HALVES,
    "logprobs": st.sampled_from([None, True]),
    "top_logprobs": COUNTS,
}
"""Settings that both wires have."""
OF_GEMINI = {
    **SHARED,
    "n": COUNTS,
    "thinking_budget": st.one_of(st.none(), st.integers(0, 2000)),
    "modalities": st.sampled_from([(), ("text", "image")]),
    "web_search_options": st.sampled_from([None, {}]),
}


def read_gemini(body: bytes, first: Conversation) -> Conversation:
    """As the door does: model and streaming stand in the address."""
    return google_contents.read(
        msgspec.json.encode({**msgspec.json.decode(body), "model": first.model, "stream": first.stream})
    )


def read_ollama(body: bytes, first: Conversation) -> Conversation:
    """An Ollama chat request, calls numbered and results found by the name of the tool."""
    wire = json.loads(body)
    opened: list[tuple[str, str]] = []
    messages: list[Message] = []
    for fields in wire["messages"]:
        parts: list[Part] = [Thinking(fields["thinking"])] if fields.get("thinking") else []
        texts = (Text(fields["content"]),) if fields["content"] else ()
        if fields["role"] == "tool":
            place = next(number for number, (name, _) in enumerate(opened) if name == fields["tool_name"])
            said = fields["content"].removeprefix("Error: ")
            failed = said != fields["content"]
            messages.append(Message("tool", (ToolResult(opened.pop(place)[1], (Text(said),), failed),)))
            continue
        parts += [*texts, *[Image(data=data, media_type="image/png") for data in fields.get("images", ())]]
        for call in fields.get("tool_calls", ()):
            function = call["function"]
            opened.append((function["name"], f"c{len(messages)}.{len(parts)}"))
            parts.append(ToolCall(opened[-1][1], function["name"], json.dumps(function["arguments"])))
        messages.append(Message(fields["role"], tuple(parts)))
    tools = [one["function"] for one in wire.get("tools", ())]
    shape = wire.get("format")
    options = wire.get("options", {})
    names = {"num_predict": "max_tokens"}
    given_options = {names.get(name, name): value for name, value in options.items() if name != "num_ctx"}
    asked = {name: wire[name] for name in ("logprobs", "top_logprobs") if name in wire}
    return Conversation(
        wire["model"],
        tuple(messages),
        tuple(Tool(one["name"], one.get("description"), one["parameters"]) for one in tools),
        response_format=None
        if shape is None
        else ResponseFormat("json")
        if shape == "json"
        else ResponseFormat("schema", schema=shape),
        options=msgspec.convert({**given_options, **asked}, Options),
        stream=wire["stream"],
    )


WIRES: dict[str, tuple[Any, Any, dict[str, Any], str]] = {
    "google": (google, read_gemini, OF_GEMINI, "gemini-2.5-flash"),
    "google-third": (google, read_gemini, OF_GEMINI, "gemini-3-flash"),
    "ollama": (ollama, read_ollama, SHARED, "llama3.2"),
}


def heard(conversation: Conversation, seals: bool) -> list[tuple[str, str, str]]:
    """What is said, in order, as far as these wires can: by whom, of what kind, and the words.

    `seals`: thinking is kept with the wire's own seal only.
    """
    found: list[tuple[str, str, str]] = []
    for message in conversation.messages:
        role = "system" if message.role == "developer" else "user" if message.role == "tool" else message.role
        for part in message.parts:
            if isinstance(part, Text | Refusal):
                found.append((role, "text", part.text))
            elif isinstance(part, ToolCall):
                found.append((role, "call", f"{part.name} {json.loads(part.arguments)}"))
            elif isinstance(part, ToolResult):
                words = "".join([one.text for one in part.parts if isinstance(one, Text)])
                found.append((role, "failure" if part.is_error else "result", words))
            elif isinstance(part, Image):
                found.append((role, "image", part.data or ""))
            elif isinstance(part, Thinking) and (not seals or part.origin == "google"):
                found.append((role, "thinking", part.text))
    return found


def joined(said: list[tuple[str, str, str]]) -> list[tuple[str, str, str]]:
    """System first; neighbouring texts of one role are one on one of these wires."""
    ordered = sorted(said, key=lambda one: one[0] != "system")
    found: list[tuple[str, str, str]] = []
    for role, kind, words in ordered:
        if found and kind == "text" and found[-1][:2] == (role, kind):
            found[-1] = (role, kind, found[-1][2] + words)
        else:
            found.append((role, kind, words))
    return found


@pytest.mark.parametrize("name", WIRES)
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_what_a_wire_can_say_comes_back_as_it_was(name: str, data: st.DataObject) -> None:
    dialect, read, strategies, model = WIRES[name]
    made, _ = data.draw(conversations(name.partition("-")[0]))
    options = Options(**{option: data.draw(strategy, label=option) for option, strategy in strategies.items()})
    first = msgspec.structs.replace(made, model=model, options=options, stream=data.draw(st.booleans()))
    try:
        sent = dialect.encode(first, Target(model))
    except InvalidRequest as refused:
        assert refused.param is not None
        return
    again = read(sent.body, first)
    assert (again.model, again.stream, again.options) == (model, first.stream, options)
    assert again.unknown == ()
    seals = name != "ollama"
    assert joined(heard(again, seals)) == joined(heard(first, seals))
    silent = name == "ollama" and first.tool_choice is not None and first.tool_choice.mode == "none"
    assert [(one.name, one.description) for one in again.tools] == [
        (one.name, one.description) for one in first.tools if not silent
    ]
    if name != "ollama":
        assert again.tool_choice == first.tool_choice
    assert shape_of(again) == shape_of(first)
    second = dialect.encode(again, Target(model))
    assert json.loads(second.body) == json.loads(sent.body)
    assert set(second.dropped) <= set(sent.dropped)


def shape_of(conversation: Conversation) -> Any:
    wanted = conversation.response_format
    return None if wanted is None else (wanted.mode, wanted.schema)


SIGNED = st.sampled_from([None, "c2ln", "//79"])
WORDS = st.text(min_size=1, max_size=6)
DATA = st.binary(min_size=1, max_size=4).map(lambda raw: base64.b64encode(raw).decode())
SHOWN = (
    st.builds(lambda data: Image(data=data, media_type="image/webp"), DATA),
    st.builds(lambda: Image(url="gs://a/b.png", media_type="image/png")),
    st.builds(lambda data: File(data=data, media_type="application/pdf"), DATA),
    st.builds(lambda: File(url="https://generativelanguage.googleapis.com/v1beta/files/x", media_type="video/mp4")),
)
ASKED = st.lists(
    st.one_of(*SHOWN, st.builds(Text, WORDS), st.builds(lambda data: Audio(data, "ogg"), DATA)), min_size=1, max_size=3
)
ANSWERED = st.lists(
    st.one_of(
        st.builds(lambda text, seal: Text(text, signature=seal), WORDS, SIGNED),
        st.builds(lambda text: Thinking(text, "c2ln", origin="google"), st.text(max_size=5)),
        st.builds(lambda code: Native("google", {"executableCode": {"code": code}}), WORDS),
    ),
    max_size=3,
)
ARGUMENTS = st.dictionaries(WORDS, st.one_of(WORDS, st.integers(-9, 9), st.none(), st.booleans()), max_size=2)
CALLED = st.lists(st.tuples(st.sampled_from("fg"), ARGUMENTS, SIGNED), max_size=3)


@settings(max_examples=150, deadline=None)
@given(asked=ASKED, answered=ANSWERED, called=CALLED, data=st.data())
def test_every_part_that_gemini_has_comes_back_field_by_field(
    asked: list[Part], answered: list[Part], called: list[tuple[str, Any, str | None]], data: st.DataObject
) -> None:
    calls = [
        ToolCall(f"c{number}", name, json.dumps(given, separators=(",", ":"), ensure_ascii=False), signature=seal)
        for number, (name, given, seal) in enumerate(called)
    ]
    results = [
        ToolResult(call.id, (Text(data.draw(WORDS)), *data.draw(st.lists(st.one_of(*SHOWN), max_size=2))), failed)
        for call, failed in zip(calls, data.draw(st.lists(st.booleans(), min_size=3, max_size=3)), strict=False)
    ]
    turns = [Message("user", tuple(asked)), Message("assistant", (*answered, *calls))]
    if results:
        turns.append(Message("user", tuple(results)))
    first = Conversation("gemini-3-flash", tuple([turn for turn in turns if turn.parts]))
    sent = google.encode(first, Target(first.model))
    assert sent.dropped == ()
    again = read_gemini(sent.body, first)
    skipped = next((call.id for call in calls if call.signature is None), None) if calls else None
    expected = [
        msgspec.structs.replace(part, signature=google.rules.SKIP_SIGNATURE)
        if isinstance(part, ToolCall) and part is calls[0] and part.id == skipped
        else part
        for turn in first.messages
        for part in turn.parts
    ]
    assert [part for message in again.messages for part in message.parts] == expected


def test_every_setting_of_both_wires_is_tried() -> None:
    assert set(SHARED) == {*ollama.encoding.SAMPLING, "stop", "logprobs", "top_logprobs"}
    assert set(google.encoding.SAMPLING) <= set(OF_GEMINI)
