"""Answers made up by hypothesis, and how each provider's wire would say them, whole and streamed.

Written by hand from the providers' documentation, not by our translators: the two must not share a mistake. What an
answer says is a list of things said in order; `PIECES` letters of a text come at a time.
"""

import itertools
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from hypothesis import strategies as st

from llm.core.dialects import anthropic, google, ollama
from llm.core.dialects.openai_chat import translator as openai_chat

Fields = dict[str, Any]
LETTERS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=9)
NAMES = st.text("abcdefg_", min_size=1, max_size=6)
ARGUMENTS = st.dictionaries(LETTERS, st.one_of(LETTERS, st.integers(-9, 9), st.none(), st.lists(LETTERS)), max_size=3)
COUNTS = st.integers(0, 1000)


@dataclass(frozen=True)
class Said:
    """One thing said: `what` is thinking, text or call."""

    what: str
    text: str = ""
    name: str = ""
    arguments: Fields | None = None


@dataclass(frozen=True)
class Spoken:
    """An answer. Thinking comes first and calls last, as models speak, so every wire can say it in order."""

    said: tuple[Said, ...]
    cut: bool
    """Ended by the limit."""
    prompt: int
    cached: int
    """Of `prompt`."""
    answer: int
    hidden: int
    """Thinking, not in `answer`."""
    size: int
    """Letters in one piece of a text."""

    @property
    def calls(self) -> list[Said]:
        return [one for one in self.said if one.what == "call"]

    def all(self, what: str) -> str:
        return "".join(one.text for one in self.said if one.what == what)

    def pieces(self, text: str) -> list[str]:
        return [text[start : start + self.size] for start in range(0, len(text), self.size)]


@st.composite
def answers(draw: st.DrawFn) -> Spoken:
    thinking = [Said("thinking", draw(LETTERS))] if draw(st.booleans()) else []
    text = [Said("text", draw(LETTERS))] if draw(st.booleans()) else []
    calls = [
        Said("call", name=name, arguments=given)
        for name, given in draw(st.lists(st.tuples(NAMES, ARGUMENTS), max_size=3))
    ]
    prompt = draw(COUNTS)
    return Spoken(
        (*thinking, *text, *calls),
        draw(st.booleans()),
        prompt,
        draw(st.integers(0, prompt)),
        draw(COUNTS),
        draw(COUNTS) if thinking else 0,
        draw(st.integers(1, 4)),
    )


@dataclass(frozen=True)
class Wire:
    """`knows_cache` and `knows_hidden`: it tells those counts apart."""

    name: str
    dialect: ModuleType
    whole: Callable[[Spoken], bytes]
    stream: Callable[[Spoken], bytes]
    knows_cache: bool = True
    knows_hidden: bool = True


def encode(document: Any) -> bytes:
    return json.dumps(document, ensure_ascii=False).encode()


def events(documents: Iterable[Any], named: bool = False) -> bytes:
    return b"".join(
        (b"event: " + one["type"].encode() + b"\n" if named else b"") + b"data: " + encode(one) + b"\n\n"
        for one in documents
    )


def in_turns(streams: list[list[Fields]]) -> list[Fields]:
    """Several streams interleaved: the first of each, the second of each, and so on."""
    return [one for row in itertools.zip_longest(*streams) for one in row if one is not None]


# OpenAI's chat, which is Azure's, too. Source: https://platform.openai.com/docs/api-reference/chat


def openai_usage(spoken: Spoken) -> Fields:
    answer = spoken.answer + spoken.hidden
    return {
        "prompt_tokens": spoken.prompt,
        "completion_tokens": answer,
        "total_tokens": spoken.prompt + answer,
        "prompt_tokens_details": {"cached_tokens": spoken.cached},
        "completion_tokens_details": {"reasoning_tokens": spoken.hidden},
    }


def openai_finish(spoken: Spoken) -> str:
    return "length" if spoken.cut else "tool_calls" if spoken.calls else "stop"


def openai_whole(spoken: Spoken) -> bytes:
    message: Fields = {"role": "assistant", "content": spoken.all("text") or None}
    if spoken.all("thinking"):
        message["reasoning_content"] = spoken.all("thinking")
    if spoken.calls:
        message["tool_calls"] = [
            {
                "id": f"c{place}",
                "type": "function",
                "function": {"name": call.name, "arguments": json.dumps(call.arguments)},
            }
            for place, call in enumerate(spoken.calls)
        ]
    choice = {"index": 0, "message": message, "finish_reason": openai_finish(spoken)}
    return encode({"id": "i", "model": "m", "choices": [choice], "usage": openai_usage(spoken)})


def openai_stream(spoken: Spoken) -> bytes:
    deltas: list[Fields] = [{"role": "assistant", "content": ""}]
    deltas += [{"reasoning_content": piece} for piece in spoken.pieces(spoken.all("thinking"))]
    deltas += [{"content": piece} for piece in spoken.pieces(spoken.all("text"))]
    calls = []
    for place, call in enumerate(spoken.calls):
        first = {
            "index": place,
            "id": f"c{place}",
            "type": "function",
            "function": {"name": call.name, "arguments": ""},
        }
        rest = [
            {"index": place, "function": {"arguments": piece}} for piece in spoken.pieces(json.dumps(call.arguments))
        ]
        calls.append([{"tool_calls": [one]} for one in (first, *rest)])
    deltas += in_turns(calls)
    choices = [{"index": 0, "delta": delta, "finish_reason": None} for delta in deltas]
    choices.append({"index": 0, "delta": {}, "finish_reason": openai_finish(spoken)})
    chunks: list[Fields] = [{"id": "i", "model": "m", "choices": [choice], "usage": None} for choice in choices]
    chunks.append({"id": "i", "model": "m", "choices": [], "usage": openai_usage(spoken)})
    return events(chunks) + b"data: [DONE]\n\n"


# Anthropic. Source: https://docs.anthropic.com/en/api/messages-streaming


def anthropic_usage(spoken: Spoken) -> Fields:
    return {
        "input_tokens": spoken.prompt - spoken.cached,
        "cache_read_input_tokens": spoken.cached,
        "cache_creation_input_tokens": 0,
        "output_tokens": spoken.answer + spoken.hidden,
    }


def anthropic_stop(spoken: Spoken) -> str:
    return "max_tokens" if spoken.cut else "tool_use" if spoken.calls else "end_turn"


def anthropic_blocks(spoken: Spoken) -> list[Fields]:
    found: list[Fields] = []
    for one in spoken.said:
        if one.what == "call":
            found.append({"type": "tool_use", "id": f"c{len(found)}", "name": one.name, "input": one.arguments})
        elif one.what == "text":
            found.append({"type": "text", "text": one.text})
        else:
            found.append({"type": "thinking", "thinking": one.text, "signature": "sealed"})
    return found


def anthropic_message(spoken: Spoken, content: list[Fields], stop: str | None, usage: Fields) -> Fields:
    head = {"id": "i", "type": "message", "role": "assistant", "model": "m", "content": content}
    return {**head, "stop_reason": stop, "stop_sequence": None, "usage": usage}


def anthropic_whole(spoken: Spoken) -> bytes:
    return encode(anthropic_message(spoken, anthropic_blocks(spoken), anthropic_stop(spoken), anthropic_usage(spoken)))


def anthropic_block_events(spoken: Spoken, place: int, block: Fields) -> list[Fields]:
    if block["type"] == "text":
        empty, deltas = {**block, "text": ""}, [{"type": "text_delta", "text": p} for p in spoken.pieces(block["text"])]
    elif block["type"] == "thinking":
        empty = {**block, "thinking": "", "signature": ""}
        deltas = [{"type": "thinking_delta", "thinking": p} for p in spoken.pieces(block["thinking"])]
        deltas.append({"type": "signature_delta", "signature": block["signature"]})
    else:
        empty, given = {**block, "input": {}}, json.dumps(block["input"]) if block["input"] else ""
        deltas = [{"type": "input_json_delta", "partial_json": p} for p in ("", *spoken.pieces(given))]
    return [
        {"type": "content_block_start", "index": place, "content_block": empty},
        *({"type": "content_block_delta", "index": place, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": place},
    ]


def anthropic_stream(spoken: Spoken) -> bytes:
    usage = anthropic_usage(spoken)
    begun = anthropic_message(spoken, [], None, {**usage, "output_tokens": 1})
    blocks = [anthropic_block_events(spoken, place, block) for place, block in enumerate(anthropic_blocks(spoken))]
    calls = [block for block in blocks if block[0]["content_block"]["type"] == "tool_use"]
    said = [one for block in blocks if block not in calls for one in block]
    ended = {"stop_reason": anthropic_stop(spoken), "stop_sequence": None}
    return events(
        [
            {"type": "message_start", "message": begun},
            *said,
            {"type": "ping"},
            *in_turns(calls),
            {"type": "message_delta", "delta": ended, "usage": {"output_tokens": usage["output_tokens"]}},
            {"type": "message_stop"},
        ],
        named=True,
    )


# Gemini. Source: https://ai.google.dev/api/generate-content


def google_usage(spoken: Spoken) -> Fields:
    return {
        "promptTokenCount": spoken.prompt,
        "cachedContentTokenCount": spoken.cached,
        "candidatesTokenCount": spoken.answer,
        "thoughtsTokenCount": spoken.hidden,
        "totalTokenCount": spoken.prompt + spoken.answer + spoken.hidden,
    }


def google_parts(spoken: Spoken, one: Said, whole: bool) -> list[Fields]:
    if one.what == "call":
        return [{"functionCall": {"name": one.name, "args": one.arguments}}]
    texts = [one.text] if whole else spoken.pieces(one.text)
    thought = {"thought": True} if one.what == "thinking" else {}
    return [{"text": text, **thought} for text in texts]


def google_document(parts: list[Fields], finish: Fields, usage: Fields) -> Fields:
    candidate = {"content": {"role": "model", "parts": parts}, "index": 0, **finish}
    return {"candidates": [candidate], "usageMetadata": usage, "modelVersion": "m", "responseId": "i"}


def google_whole(spoken: Spoken) -> bytes:
    parts = [part for one in spoken.said for part in google_parts(spoken, one, whole=True)]
    finish = {"finishReason": "MAX_TOKENS" if spoken.cut else "STOP"}
    return encode(google_document(parts, finish, google_usage(spoken)))


def google_documents(spoken: Spoken) -> list[Fields]:
    parts = [part for one in spoken.said for part in google_parts(spoken, one, whole=False)]
    grown = {"promptTokenCount": spoken.prompt, "totalTokenCount": spoken.prompt}
    found = [google_document([part], {}, grown) for part in parts]
    finish = {"finishReason": "MAX_TOKENS" if spoken.cut else "STOP"}
    return [*found, google_document([{"text": ""}], finish, google_usage(spoken))]


def google_stream(spoken: Spoken) -> bytes:
    return events(google_documents(spoken))


def google_array(spoken: Spoken) -> bytes:
    return json.dumps(google_documents(spoken), ensure_ascii=False, indent=2).encode()


# Ollama. Source: https://docs.ollama.com/api/chat


def ollama_line(message: Fields, end: Fields) -> Fields:
    return {"model": "m", "message": {"role": "assistant", "content": "", **message}, **end}


def ollama_calls(calls: list[Said]) -> Fields:
    return (
        {"tool_calls": [{"function": {"name": one.name, "arguments": one.arguments}} for one in calls]} if calls else {}
    )


def ollama_end(spoken: Spoken) -> Fields:
    counts = {"prompt_eval_count": spoken.prompt, "eval_count": spoken.answer + spoken.hidden}
    return {"done": True, "done_reason": "length" if spoken.cut else "stop", **counts}


def ollama_whole(spoken: Spoken) -> bytes:
    thinking = {"thinking": spoken.all("thinking")} if spoken.all("thinking") else {}
    message = {"content": spoken.all("text"), **thinking, **ollama_calls(spoken.calls)}
    return encode(ollama_line(message, ollama_end(spoken)))


def ollama_stream(spoken: Spoken) -> bytes:
    messages: list[Fields] = [{"thinking": piece} for piece in spoken.pieces(spoken.all("thinking"))]
    messages += [{"content": piece} for piece in spoken.pieces(spoken.all("text"))]
    messages += [ollama_calls([call]) for call in spoken.calls]
    lines = [ollama_line(message, {"done": False}) for message in messages]
    return b"".join(encode(one) + b"\n" for one in (*lines, ollama_line({}, ollama_end(spoken))))


WIRES = (
    Wire("openai", openai_chat, openai_whole, openai_stream),  # type: ignore[arg-type]
    Wire("anthropic", anthropic, anthropic_whole, anthropic_stream, knows_hidden=False),
    Wire("google", google, google_whole, google_stream),
    Wire("google-array", google, google_whole, google_array),
    Wire("ollama", ollama, ollama_whole, ollama_stream, knows_cache=False, knows_hidden=False),
)
