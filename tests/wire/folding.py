"""Chat chunks put together as a client does it: the choices that a whole answer with the same content would have."""

import base64
import json
from typing import Any

from llm.core import sse
from llm.core.deltas import Delta
from llm.core.dialects import openai_chat

Fields = dict[str, Any]
SHORT = {"text", "signature", "data"}
"""Members of a block of thinking that come in pieces."""


def folded(deltas: list[Delta]) -> list[Fields]:
    """The choices, in order, of what our writer makes of `deltas`."""
    writer = openai_chat.ChunkWriter("id", 0, "m", include_usage=False)
    events = b"".join([writer.write([delta]) for delta in deltas]) + writer.finish()
    choices: dict[int, Fields] = {}
    for _, data in sse.events(events):
        for piece in json.loads(data)["choices"]:
            blank = {"index": piece["index"], "message": {}, "logprobs": None, "finish_reason": None}
            choice = choices.setdefault(piece["index"], blank)
            _message(choice["message"], piece["delta"])
            if piece["logprobs"]:
                choice["logprobs"] = choice["logprobs"] or {"content": []}
                choice["logprobs"]["content"].extend(piece["logprobs"]["content"])
            choice["finish_reason"] = piece["finish_reason"] or choice["finish_reason"]
            if "content_filter_results" in piece:
                choice["content_filter_results"] = piece["content_filter_results"]
    for choice in choices.values():
        for name in ("content", "refusal"):
            choice["message"][name] = choice["message"].get(name) or None
    return [choices[index] for index in sorted(choices)]


def _message(message: Fields, delta: Fields) -> None:
    for name, value in delta.items():
        if name in ("content", "refusal", "reasoning_content"):
            message[name] = message.get(name, "") + value
        elif name in ("annotations", "images"):
            message.setdefault(name, []).extend(value)
        elif name in ("reasoning_details", "tool_calls"):
            for piece in value:
                _grow(message.setdefault(name, []), piece, called=name == "tool_calls")
        elif name == "audio":
            _sound(message.setdefault("audio", {}), value)
        else:
            message[name] = value


def _grow(known: list[Fields], piece: Fields, called: bool) -> None:
    index = piece["index"]
    more = {name: value for name, value in piece.items() if name != "index"} if called else piece
    if index == len(known):
        known.append(more)
        return
    for name, value in more.items():
        if called and isinstance(value, dict):
            for part, text in value.items():
                known[index][name][part] += text
        elif name in SHORT:
            known[index][name] = known[index].get(name, "") + value
        else:
            known[index][name] = value


def _sound(known: Fields, piece: Fields) -> None:
    for name, value in piece.items():
        if name == "data" and known.get("data"):
            value = base64.b64encode(base64.b64decode(known["data"]) + base64.b64decode(value)).decode()
        elif name == "transcript":
            value = known.get("transcript", "") + value
        known[name] = value
