"""A chat or generated answer on Ollama's own wire: one object, or a line of JSON for each piece.

Tool calls come whole, their arguments as objects. Counts and `done_reason` stand only in the last object. `cached`,
`reasoning` and a content filter cannot be said here. Source: https://docs.ollama.com/api/chat, .../api/generate
"""

from typing import Any

import msgspec

from llm.sandbox.faults import Behaviour
from llm.sandbox.ollama.errors import TIME, WIRE
from llm.sandbox.ollama.requests import ChatRequest, GenerateRequest, Request, conversation
from llm.sandbox.reading import read
from llm.sandbox.speech import Choice, Spoken, speak
from llm.sandbox.text import pieces
from llm.sandbox.wire import Asked, Operation, Said

THOUGHT = "The sandbox follows fixed rules; it does not think."


def _say(request: Request, asked: Asked, name: str, told: Behaviour) -> Said:
    spoken = speak(conversation(request), name, asked.body, told)
    choice, chat = spoken.choices[0], isinstance(request, ChatRequest)
    last = _last(spoken, choice)
    if request.stream is False:
        said = {"thinking": THOUGHT} if request.think else {}
        return Said([_object(name, chat, {**said, "content": choice.answer.text, **_calls(choice)}, last)])
    deltas: list[dict[str, Any]] = [{"thinking": THOUGHT, "content": ""}] if request.think else []
    deltas += [{"content": "", **_one_call(choice, place)} for place in range(len(choice.answer.calls))]
    deltas += [{"content": piece} for piece in pieces(choice.answer.text)]
    lines = [_object(name, chat, delta, {"done": False}) + b"\n" for delta in deltas]
    if told.done:
        lines.append(_object(name, chat, {"content": ""}, last) + b"\n")
    return Said(lines, streamed=True)


def _object(name: str, chat: bool, said: dict[str, Any], end: dict[str, Any]) -> bytes:
    """Chat says a message; generate says `response` and `thinking` at the top."""
    if chat:
        shown: dict[str, Any] = {"message": {"role": "assistant", **said}}
    else:
        shown = {"response": said["content"], **{key: value for key, value in said.items() if key == "thinking"}}
    return msgspec.json.encode({"model": name, "created_at": TIME, **shown, **end})


def _calls(choice: Choice) -> dict[str, Any]:
    calls = [_one_call(choice, place)["tool_calls"][0] for place in range(len(choice.answer.calls))]
    return {"tool_calls": calls} if calls else {}


def _one_call(choice: Choice, place: int) -> dict[str, Any]:
    call = choice.answer.calls[place]
    function = {"index": place, "name": call.name, "arguments": msgspec.Raw(call.arguments.encode())}
    return {"tool_calls": [{"function": function}]}


def _last(spoken: Spoken, choice: Choice) -> dict[str, Any]:
    """`done_reason` is `stop` even with tool calls."""
    end: dict[str, Any] = {"done": True, "done_reason": "length" if choice.finish == "length" else "stop"}
    counted = spoken.counted()
    if counted is not None:
        end |= {"total_duration": 1, "load_duration": 0, "prompt_eval_count": counted.prompt}
        end |= {"prompt_eval_duration": 1, "eval_count": counted.completion, "eval_duration": 1}
    return end


OPERATION = Operation(WIRE, lambda asked: read(asked.body, ChatRequest), _say)
GENERATING = Operation(WIRE, lambda asked: read(asked.body, GenerateRequest), _say)
