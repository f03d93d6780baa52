"""The responses API on OpenAI's wire: one response object, whole, or told as typed and numbered events.

The events are made from the finished object: created, in progress, each item with its parts and deltas, and the object
again at the end. An answer may be gone on with by its id (`previous_response_id`), as long as `memory.py` keeps it.
Source: https://platform.openai.com/docs/api-reference/responses-streaming
"""

from itertools import chain, zip_longest
from typing import Any

import msgspec

from llm.sandbox.conversation import Called, Conversation, Turn
from llm.sandbox.errors import Refusal
from llm.sandbox.faults import Behaviour
from llm.sandbox.openai.errors import TOLD, error_body
from llm.sandbox.openai.response_requests import Echo, ResponsesRequest, conversation
from llm.sandbox.reading import read
from llm.sandbox.speech import CREATED, Choice, Spoken, speak
from llm.sandbox.text import pieces
from llm.sandbox.wire import Asked, Operation, Said, Wire

ERROR = {"code": "server_error", "message": TOLD}
_FUNCTION = ("function_call", "arguments", "fc")
_CUSTOM = ("custom_tool_call", "input", "ctc")
"""A call's type, the member that holds what it is given, and how its id begins."""
Item = dict[str, Any]
Event = tuple[str, dict[str, Any]]
"""The type, and the members besides it and the number."""


def _say(request: ResponsesRequest, asked: Asked, name: str, told: Behaviour) -> Said:
    before = _before(request, asked)
    whole = conversation(request, before)
    spoken = speak(whole, name, asked.body, told)
    choice = spoken.choices[0]
    identity = f"resp_sandbox_{spoken.digest}"
    response = _response(spoken, identity, asked.body)
    remember = None
    if request.store is not False:
        remember = (identity, Conversation((*whole.turns, _said(choice, spoken))))
    if not request.stream:
        if told.failed is not None:
            response = _failed(response)
        return Said([msgspec.json.encode(response)], remember=remember, recalled=before is not None)
    events = [_encode(number, *one) for number, one in enumerate(_events(response, told))]
    return Said(events, streamed=True, remember=remember, recalled=before is not None)


def _before(request: ResponsesRequest, asked: Asked) -> Conversation | None:
    identity = request.previous_response_id
    if identity is None:
        return None
    found = asked.recall(identity)
    if found is None:
        reason = f"Previous response with id '{identity[:200]}' not found."
        raise Refusal(400, reason, param="previous_response_id", code="previous_response_not_found")
    return found


def _said(choice: Choice, spoken: Spoken) -> Turn:
    """The answer as a turn of the conversation that goes on."""
    calls = enumerate(choice.answer.calls)
    made = tuple(Called(_call_id(spoken, place), call.name, call.arguments) for place, call in calls)
    return Turn("assistant", choice.answer.text, calls=made)


# --- the object ------------------------------------------------------------------------------------------------------


def _response(spoken: Spoken, identity: str, body: bytes) -> dict[str, Any]:
    choice = spoken.choices[0]
    reasons = {"length": "max_output_tokens", "content_filter": "content_filter"}
    reason = reasons.get(choice.finish)
    return {
        "id": identity,
        "object": "response",
        "created_at": CREATED,
        "status": "incomplete" if reason else "completed",
        "background": False,
        "error": None,
        "incomplete_details": {"reason": reason} if reason else None,
        "model": spoken.name,
        "output": _output(spoken, choice, "incomplete" if reason else "completed"),
        "usage": _usage(spoken),
        **msgspec.structs.asdict(msgspec.json.decode(body, type=Echo)),
    }


def _output(spoken: Spoken, choice: Choice, status: str) -> list[Item]:
    items: list[Item] = []
    if spoken.behaviour.reasoning:
        items.append({"id": f"rs_sandbox_{spoken.digest}", "type": "reasoning", "summary": []})
    for place, call in enumerate(choice.answer.calls):
        kind, word, short = (
            ("custom_tool_call", "input", "ctc") if call.custom else ("function_call", "arguments", "fc")
        )
        identity = f"{short}_sandbox_{spoken.digest}_{place}"
        shown = {"id": identity, "type": kind, "status": status, "call_id": _call_id(spoken, place), "name": call.name}
        items.append({**shown, word: call.arguments})
    if not choice.answer.calls:
        part = {"type": "output_text", "text": choice.answer.text, "annotations": [], "logprobs": []}
        identity = f"msg_sandbox_{spoken.digest}"
        items.append({"id": identity, "type": "message", "status": status, "role": "assistant", "content": [part]})
    return items


def _call_id(spoken: Spoken, place: int) -> str:
    return f"call_sandbox_{spoken.digest[-12:]}_{place}"


def _usage(spoken: Spoken) -> dict[str, Any] | None:
    counted = spoken.counted()
    if counted is None:
        return None
    return {
        "input_tokens": counted.prompt,
        "input_tokens_details": {"cached_tokens": counted.cached},
        "output_tokens": counted.completion,
        "output_tokens_details": {"reasoning_tokens": counted.reasoning},
        "total_tokens": counted.prompt + counted.completion,
    }


def _failed(response: dict[str, Any]) -> dict[str, Any]:
    return {**response, "status": "failed", "error": ERROR, "incomplete_details": None, "output": [], "usage": None}


# --- the events ------------------------------------------------------------------------------------------------------


def _events(response: dict[str, Any], told: Behaviour) -> list[Event]:
    begun = {**response, "status": "in_progress", "incomplete_details": None, "output": [], "usage": None}
    events: list[Event] = [("response.created", {"response": begun}), ("response.in_progress", {"response": begun})]
    streams = [_item_events(index, item) for index, item in enumerate(response["output"])]
    if told.interleave:
        events += [event for row in zip_longest(*streams) for event in row if event is not None]
    else:
        events += chain(*streams)
    if told.done:
        events.append((f"response.{response['status']}", {"response": response}))
    if told.failed is not None:
        events[told.failed :] = [("response.failed", {"response": _failed(response)})]
    return events


def _item_events(index: int, item: Item) -> list[Event]:
    place = {"item_id": item["id"], "output_index": index}
    begun, middle = _BEGUN[item["type"]](item, place)
    return [
        ("response.output_item.added", {"output_index": index, "item": {**item, **begun}}),
        *middle,
        ("response.output_item.done", {"output_index": index, "item": item}),
    ]


def _message(item: Item, place: Item) -> tuple[Item, list[Event]]:
    part = item["content"][0]
    at = {**place, "content_index": 0}
    text = part["text"]
    return {"status": "in_progress", "content": []}, [
        ("response.content_part.added", {**at, "part": {**part, "text": ""}}),
        *(("response.output_text.delta", {**at, "delta": piece, "logprobs": []}) for piece in pieces(text)),
        ("response.output_text.done", {**at, "text": text, "logprobs": []}),
        ("response.content_part.done", {**at, "part": part}),
    ]


def _function(item: Item, place: Item) -> tuple[Item, list[Event]]:
    said, word = item["arguments"], "response.function_call_arguments"
    deltas = [(f"{word}.delta", {**place, "delta": piece}) for piece in pieces(said)]
    done = {**place, "name": item["name"], "arguments": said}
    return {"status": "in_progress", "arguments": ""}, [*deltas, (f"{word}.done", done)]


def _custom(item: Item, place: Item) -> tuple[Item, list[Event]]:
    said, word = item["input"], "response.custom_tool_call_input"
    deltas = [(f"{word}.delta", {**place, "delta": piece}) for piece in pieces(said)]
    return {"status": "in_progress", "input": ""}, [*deltas, (f"{word}.done", {**place, "input": said})]


def _reasoning(item: Item, place: Item) -> tuple[Item, list[Event]]:
    """Hidden: there is nothing to show of it."""
    return {}, []


_BEGUN = {"message": _message, "function_call": _function, "custom_tool_call": _custom, "reasoning": _reasoning}


def _encode(number: int, kind: str, members: dict[str, Any]) -> bytes:
    said = msgspec.json.encode({"type": kind, "sequence_number": number, **members})
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), said)


def _error_event(place: int) -> bytes:
    return _encode(place, "error", {**ERROR, "param": None})


MALFORMED = b'event: response.output_text.delta\ndata: {"type":"response.output_text.delta","delta":\n\n'
WIRE = Wire(error_body, _error_event, MALFORMED)
OPERATION = Operation(WIRE, lambda asked: read(asked.body, ResponsesRequest), _say)
