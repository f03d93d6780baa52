"""What every translating dialect promises, by property: nothing lost in silence, splits change nothing, counts are true."""

import itertools
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm.core.assembly import assemble
from llm.core.conversation import Conversation, Message, Options, Text, ToolCall, text_of
from llm.core.deltas import ToolCallStarted, UsageDelta
from llm.core.dialects import anthropic, anthropic_messages, google, ollama, rule_tables
from llm.core.dialects.openai_chat import translator
from llm.core.dialects.openai_responses import translator as openai_responses
from llm.core.dialects.translation import Target
from llm.core.errors import InvalidRequest, ProviderBroken, ProviderError

TRANSLATORS: dict[str, ModuleType] = {
    "anthropic": anthropic,
    "google": google,
    "ollama": ollama,
    "openai_responses": openai_responses,
}
SETTINGS: dict[str, Any] = {
    "temperature": 0.5,
    "top_p": 0.5,
    "top_k": 3,
    "max_tokens": 7,
    "stop": ("X",),
    "n": 2,
    "seed": 77,
    "frequency_penalty": 0.25,
    "presence_penalty": 0.75,
    "logit_bias": {"5": 1.0},
    "logprobs": True,
    "top_logprobs": 3,
    "parallel_tool_calls": False,
    "reasoning_effort": "high",
    "thinking_budget": 2048,
    "verbosity": "low",
    "modalities": ("audio",),
    "audio": {"voice": "v"},
    "prediction": {"type": "content"},
    "web_search_options": {},
    "service_tier": "flex",
    "store": True,
    "user": "u",
    "safety_identifier": "s",
    "prompt_cache_key": "k",
    "metadata": {"a": "b"},
}
TEXT = st.text(max_size=6)
NUMBERS = st.one_of(st.none(), st.integers(-5, 50))


def hello(**options: Any) -> Conversation:
    return Conversation("m", (Message("user", (Text("Hi"),)),), options=Options(**options))


def test_the_page_of_rules_is_the_rules() -> None:
    page = Path(__file__).parents[3] / "docs" / "reference" / "dialects.md"
    assert page.read_text() == rule_tables.page()


@pytest.mark.parametrize("option", SETTINGS)
@pytest.mark.parametrize("name", TRANSLATORS)
def test_no_option_is_lost_in_silence(name: str, option: str) -> None:
    """It changes what is sent, or it is named as dropped, or the request is refused naming it."""
    dialect = TRANSLATORS[name]
    plain = dialect.encode(hello(), Target("m"))
    try:
        outgoing = dialect.encode(hello(**{option: SETTINGS[option]}), Target("m"))
    except InvalidRequest as error:
        assert error.param == option
        return
    assert outgoing.body != plain.body or option in outgoing.dropped


def test_the_options_tried_are_all_there_are() -> None:
    assert set(SETTINGS) == set(Options.__struct_fields__)


@given(
    st.lists(st.tuples(st.sampled_from(["text", "thinking", "tool_use"]), st.lists(TEXT, max_size=3)), max_size=5),
    st.data(),
)
def test_an_anthropic_stream_split_anywhere_says_what_was_put_in(blocks: list[Any], data: st.DataObject) -> None:
    kinds = {
        "text": ("text_delta", "text"),
        "thinking": ("thinking_delta", "thinking"),
        "tool_use": ("input_json_delta", "partial_json"),
    }
    events: list[Any] = [{"type": "message_start", "message": {"id": "i", "model": "m", "usage": {"input_tokens": 1}}}]
    for index, (kind, texts) in enumerate(blocks):
        events.append(
            {
                "type": "content_block_start",
                "index": index,
                "content_block": {"type": kind, "id": f"t{index}", "name": "f", "input": {}},
            }
        )
        name, member = kinds[kind]
        events.extend(
            {"type": "content_block_delta", "index": index, "delta": {"type": name, member: text}} for text in texts
        )
        events.append({"type": "content_block_stop", "index": index})
    events.append({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 2}})
    events.append({"type": "message_stop"})
    stream = b"".join(
        b"event: x\ndata: " + json.dumps(event, ensure_ascii=False).encode() + b"\n\n" for event in events
    )
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    whole, pieces = anthropic.stream("s", "p", None), anthropic.stream("s", "p", None)
    edges = [0, *cuts, len(stream)]
    found = [delta for start, end in itertools.pairwise(edges) for delta in pieces.feed(stream[start:end])]
    assert found == whole.feed(stream)
    parts = assemble(found).choices[0].parts
    said = ["".join(texts) or ("{}" if kind == "tool_use" else "") for kind, texts in blocks]
    assert [part.arguments if isinstance(part, ToolCall) else getattr(part, "text", None) for part in parts] == said
    numbers = [delta.index for delta in found if isinstance(delta, ToolCallStarted)]
    assert numbers == list(range(len(numbers)))
    writer = anthropic_messages.EventWriter("i", "m")
    again = anthropic.stream("s", "p", None)
    assert assemble(again.feed(writer.write(found) + writer.finish())).choices[0].parts == parts


@given(st.lists(st.lists(st.tuples(st.booleans(), TEXT), max_size=3), min_size=1, max_size=4), st.booleans(), st.data())
def test_a_gemini_stream_says_the_same_as_events_as_array_and_whole(
    chunks: list[Any], calls: bool, data: st.DataObject
) -> None:
    pieces = [[{"text": text, "thought": thought} for thought, text in chunk] for chunk in chunks]
    if calls:
        pieces.append([{"functionCall": {"name": "f", "args": {"a": '}"{'}}}, {"functionCall": {"name": "f"}}])
    ends = [{} for _ in pieces[1:]] + [{"finishReason": "STOP"}]
    documents = [
        {
            "candidates": [{"content": {"parts": parts}, **end}],
            "usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": number},
        }
        for number, (parts, end) in enumerate(zip(pieces, ends, strict=True))
    ]
    events = b"".join(b"data: " + json.dumps(one, ensure_ascii=False).encode() + b"\r\n\r\n" for one in documents)
    array = json.dumps(documents, ensure_ascii=False, indent=1).encode()
    replies = []
    for stream in (events, array):
        cut = data.draw(st.integers(0, len(stream)))
        decoder = google.stream("s", "p", None)
        replies.append(assemble([*decoder.feed(stream[:cut]), *decoder.feed(stream[cut:]), *decoder.finish()]))
        assert decoder.done
    everything = {
        **documents[-1],
        "candidates": [{"content": {"parts": [part for parts in pieces for part in parts]}, "finishReason": "STOP"}],
    }
    whole = google.decode(json.dumps(everything).encode(), "s")
    assert replies[0] == replies[1] == whole
    identities = [part.id for part in whole.choices[0].parts if isinstance(part, ToolCall)]
    assert len(set(identities)) == len(identities) == (2 if calls else 0)
    assert text_of(whole.choices[0].parts) == "".join(
        text for chunk in chunks for thought, text in chunk if not thought
    )


@given(NUMBERS, NUMBERS, NUMBERS, NUMBERS)
def test_usage_is_never_negative_and_no_token_counts_twice(
    a: int | None, b: int | None, c: int | None, d: int | None
) -> None:
    gemini = {"promptTokenCount": a, "cachedContentTokenCount": b, "candidatesTokenCount": c, "thoughtsTokenCount": d}
    body = {"candidates": [{"finishReason": "STOP"}], "usageMetadata": gemini}
    usage = google.decode(json.dumps(body).encode(), "s").usage
    assert usage is not None
    assert min(msgspec.structs.astuple(usage)) >= 0
    assert usage.prompt_total == max(a or 0, 0)
    assert usage.completion_total == max(c or 0, 0) + max(d or 0, 0)
    start = {
        "type": "message_start",
        "message": {"usage": {"input_tokens": a, "cache_read_input_tokens": b, "output_tokens": 1}},
    }
    end = {
        "type": "message_delta",
        "delta": {},
        "usage": {"output_tokens": c, "output_tokens_details": {"thinking_tokens": d}},
    }
    decoder = anthropic.stream("s", "p", None)
    found = decoder.feed(b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in (start, end)))
    for delta in found:
        if isinstance(delta, UsageDelta):
            assert min(msgspec.structs.astuple(delta.usage)) >= 0
    if a is not None:
        assert decoder.usage is not None
        assert decoder.usage.completion_total == max(c if c is not None else 1, 0)


@pytest.mark.parametrize("name", TRANSLATORS)
@given(st.binary(max_size=60))
def test_what_is_no_answer_is_called_so(name: str, noise: bytes) -> None:
    dialect = TRANSLATORS[name]
    with pytest.raises((ProviderBroken, ProviderError)):
        dialect.decode(noise, "s")
    decoder = dialect.stream("s", "p", None)
    try:
        decoder.feed(noise)
        decoder.finish()
    except ProviderBroken:
        return
    assert not decoder.done


@pytest.mark.parametrize(
    ("dialect", "answer"),
    [
        (translator, {"choices": [{"message": {"tool_calls": ["x"]}, "finish_reason": "stop"}]}),
        (translator, {"choices": [{"message": {}, "content_filter_results": [{}], "finish_reason": "stop"}]}),
        (google, {"candidates": [{"groundingMetadata": {"groundingSupports": ["x"]}, "finishReason": "STOP"}]}),
        (google, {"candidates": [{"logprobsResult": {"chosenCandidates": [{"logProbability": "x"}]}}]}),
    ],
)
def test_members_of_another_shape_are_no_answer(dialect: ModuleType, answer: dict[str, Any]) -> None:
    body = json.dumps(answer).encode()
    with pytest.raises(ProviderBroken):
        dialect.decode(body, "s")
    with pytest.raises(ProviderBroken):
        dialect.stream("s", "p", None).feed(b"data: " + body + b"\n\n")
