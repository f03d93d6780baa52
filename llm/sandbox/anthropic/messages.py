"""A message on Anthropic's wire: whole, or as named events. What is said is decided in `speech.py`.

The events are made from the finished message. A `ping` comes after the first block begins; tool arguments come in
pieces of JSON text; `usage` in `message_delta` is the whole sum so far. Thinking that was asked for gets one block with
a signature. Source: https://docs.anthropic.com/en/api/messages-streaming
"""

from itertools import chain, zip_longest
from typing import Any

import msgspec

from llm.sandbox.anthropic.errors import WIRE, encode
from llm.sandbox.anthropic.requests import CountRequest, MessagesRequest, conversation
from llm.sandbox.faults import Behaviour
from llm.sandbox.reading import read
from llm.sandbox.speech import Choice, Spoken, prompt_tokens_of, speak
from llm.sandbox.text import pieces
from llm.sandbox.wire import Asked, Operation, Said

THOUGHT = "The sandbox follows fixed rules; it does not think."
REASONS = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use", "content_filter": "refusal"}


def _say(request: MessagesRequest, asked: Asked, name: str, told: Behaviour) -> Said:
    spoken = speak(conversation(request), name, asked.body, told)
    message = _message(spoken, request.thinks)
    if request.stream:
        return Said(_events(message, spoken.choices[0], told), streamed=True)
    return Said([msgspec.json.encode(message)])


def _message(spoken: Spoken, thinks: bool) -> dict[str, Any]:
    choice = spoken.choices[0]
    stopped = choice.stopped_by if choice.finish == "stop" else None
    return {
        "id": f"msg_sandbox_{spoken.digest}",
        "type": "message",
        "role": "assistant",
        "model": spoken.name,
        "content": _blocks(spoken, choice, thinks),
        "stop_reason": "stop_sequence" if stopped else REASONS[choice.finish],
        "stop_sequence": stopped,
        "usage": _usage(spoken),
    }


def _blocks(spoken: Spoken, choice: Choice, thinks: bool) -> list[dict[str, Any]]:
    blocks: list[dict[str, Any]] = []
    if thinks:
        blocks.append({"type": "thinking", "thinking": THOUGHT, "signature": f"sandbox-{spoken.digest}"})
    for place, call in enumerate(choice.answer.calls):
        identity = f"toolu_sandbox_{spoken.digest[-12:]}_{place}"
        given = msgspec.Raw(call.arguments.encode())
        blocks.append({"type": "tool_use", "id": identity, "name": call.name, "input": given})
    if choice.answer.text:
        blocks.append({"type": "text", "text": choice.answer.text})
    return blocks


def _usage(spoken: Spoken) -> dict[str, int]:
    """What was read from the cache is not in `input_tokens`. Told to leave usage out, it says nothing at all."""
    counted = spoken.counted()
    if counted is None:
        return {}
    return {
        "input_tokens": counted.prompt - counted.cached,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": counted.cached,
        "output_tokens": counted.completion,
    }


def _events(message: dict[str, Any], choice: Choice, told: Behaviour) -> list[bytes]:
    usage = message["usage"]
    begun = {**message, "content": [], "stop_reason": None, "stop_sequence": None}
    begun["usage"] = {**usage, "output_tokens": 1} if usage else usage
    events = [encode("message_start", {"message": begun})]
    streams = [_block_events(index, block) for index, block in enumerate(message["content"])]
    said = list(
        chain(*streams) if not told.interleave else (one for row in zip_longest(*streams) for one in row if one)
    )
    events += [*said[:1], encode("ping", {}), *said[1:]]
    end = {"stop_reason": message["stop_reason"], "stop_sequence": message["stop_sequence"]}
    events.append(encode("message_delta", {"delta": end, "usage": usage}))
    if told.done:
        events.append(encode("message_stop", {}))
    return events


def _block_events(index: int, block: dict[str, Any]) -> list[bytes]:
    if block["type"] == "text":
        empty: dict[str, Any] = {**block, "text": ""}
        deltas = [{"type": "text_delta", "text": piece} for piece in pieces(block["text"])]
    elif block["type"] == "thinking":
        empty = {**block, "thinking": "", "signature": ""}
        deltas = [{"type": "thinking_delta", "thinking": piece} for piece in pieces(block["thinking"])]
        deltas.append({"type": "signature_delta", "signature": block["signature"]})
    else:
        empty = {**block, "input": {}}
        given = bytes(block["input"]).decode()
        deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in ("", *pieces(given))]
    return [
        encode("content_block_start", {"index": index, "content_block": empty}),
        *(encode("content_block_delta", {"index": index, "delta": delta}) for delta in deltas),
        encode("content_block_stop", {"index": index}),
    ]


def _count(request: CountRequest, asked: Asked, name: str, told: Behaviour) -> Said:
    return Said([msgspec.json.encode({"input_tokens": prompt_tokens_of(conversation(request))})])


OPERATION = Operation(WIRE, lambda asked: read(asked.body, MessagesRequest), _say)
COUNTING = Operation(WIRE, lambda asked: read(asked.body, CountRequest), _count)
