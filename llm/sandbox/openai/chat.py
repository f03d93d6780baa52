"""A chat answer on OpenAI's wire: whole, or as the events of a stream. What is said is decided in `speech.py`."""

from itertools import chain, zip_longest
from typing import Any

import msgspec

from llm.sandbox.answers import Call
from llm.sandbox.faults import Behaviour
from llm.sandbox.openai.errors import WIRE
from llm.sandbox.openai.requests import ChatRequest, conversation
from llm.sandbox.reading import read
from llm.sandbox.speech import CREATED, Choice, Counted, Spoken, speak
from llm.sandbox.text import pieces
from llm.sandbox.wire import Asked, Operation, Said

DONE = b"data: [DONE]\n\n"
CHUNK = "chat.completion.chunk"


def _say(request: ChatRequest, asked: Asked, name: str, told: Behaviour) -> Said:
    spoken = speak(conversation(request), name, asked.body, told)
    identity = f"chatcmpl-sandbox-{spoken.digest}"
    logprobs = bool(request.logprobs)
    if request.stream:
        events = [event(spoken, identity, [choice], request.wants_usage, CHUNK) for choice in _deltas(spoken, logprobs)]
        return Said(finished(events, spoken, identity, CHUNK, request.wants_usage), streamed=True)
    choices = [
        {
            "index": index,
            "message": _message(spoken, index, choice),
            "logprobs": _logprobs(choice.answer.text) if logprobs else None,
            "finish_reason": choice.finish,
        }
        for index, choice in enumerate(spoken.choices)
    ]
    return Said([encode(spoken, identity, "chat.completion", choices, spoken.counted())])


def _message(spoken: Spoken, index: int, choice: Choice) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": choice.answer.text, "refusal": None}
    if choice.answer.calls:
        message["content"] = None
        calls = enumerate(choice.answer.calls)
        message["tool_calls"] = [_call(spoken, index, place, call, call.arguments) for place, call in calls]
    return message


def _call(spoken: Spoken, index: int, place: int, call: Call, arguments: str) -> dict[str, Any]:
    identity = f"call_sandbox_{spoken.digest[-12:]}_{index}_{place}"
    if call.custom:
        return {"id": identity, "type": "custom", "custom": {"name": call.name, "input": arguments}}
    return {"id": identity, "type": "function", "function": {"name": call.name, "arguments": arguments}}


def _deltas(spoken: Spoken, logprobs: bool) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for index, choice in enumerate(spoken.choices):
        deltas: list[dict[str, Any]] = [{"role": "assistant", "content": None if choice.answer.calls else ""}]
        deltas += _call_deltas(spoken, index, choice)
        deltas += [{"content": piece} for piece in pieces(choice.answer.text)]
        for delta in deltas:
            text = delta.get("content")
            said = _logprobs(text) if logprobs and text else None
            found.append({"index": index, "delta": delta, "logprobs": said, "finish_reason": None})
        found.append({"index": index, "delta": {}, "logprobs": None, "finish_reason": choice.finish})
    return found


def _call_deltas(spoken: Spoken, index: int, choice: Choice) -> list[dict[str, Any]]:
    """Each call's name, then its arguments in pieces; one call after the other, or in turns if told so."""
    streams: list[list[dict[str, Any]]] = []
    for place, call in enumerate(choice.answer.calls):
        part, word = ("custom", "input") if call.custom else ("function", "arguments")
        first = {"tool_calls": [{"index": place, **_call(spoken, index, place, call, "")}]}
        rest = [{"tool_calls": [{"index": place, part: {word: piece}}]} for piece in pieces(call.arguments)]
        streams.append([first, *rest])
    if spoken.behaviour.interleave:
        return [delta for row in zip_longest(*streams) for delta in row if delta is not None]
    return list(chain(*streams))


def _logprobs(text: str) -> dict[str, Any]:
    """The sandbox is always sure: probability 1 for each piece."""
    tokens = [{"token": piece, "logprob": 0.0, "bytes": list(piece.encode())} for piece in pieces(text)]
    return {"content": [{**token, "top_logprobs": [token]} for token in tokens], "refusal": None}


def event(spoken: Spoken, identity: str, choices: list[Any], wants_usage: bool, kind: str) -> bytes:
    """One event; with usage wanted, all but the last say `usage: null`, as OpenAI's do."""
    return b"data: " + encode(spoken, identity, kind, choices, None, show_usage=wants_usage) + b"\n\n"


def finished(events: list[bytes], spoken: Spoken, identity: str, kind: str, wants_usage: bool) -> list[bytes]:
    """The events with those that end a stream."""
    usage = spoken.counted()
    if wants_usage and usage is not None:
        events.append(b"data: " + encode(spoken, identity, kind, [], usage) + b"\n\n")
    if spoken.behaviour.done:
        events.append(DONE)
    return events


def encode(
    spoken: Spoken, identity: str, kind: str, choices: list[Any], usage: Counted | None, *, show_usage: bool = False
) -> bytes:
    """One object of the wire."""
    reply: dict[str, Any] = {
        "id": identity,
        "object": kind,
        "created": CREATED,
        "model": spoken.name,
        "system_fingerprint": "sandbox",
        "choices": choices,
    }
    if usage is not None or show_usage:
        reply["usage"] = None if usage is None else _usage(usage)
    return msgspec.json.encode(reply)


def _usage(counted: Counted) -> dict[str, Any]:
    return {
        "prompt_tokens": counted.prompt,
        "completion_tokens": counted.completion,
        "total_tokens": counted.prompt + counted.completion,
        "prompt_tokens_details": {"cached_tokens": counted.cached, "audio_tokens": counted.audio},
        "completion_tokens_details": {"reasoning_tokens": counted.reasoning, "audio_tokens": 0},
    }


OPERATION = Operation(WIRE, lambda asked: read(asked.body, ChatRequest), _say)
