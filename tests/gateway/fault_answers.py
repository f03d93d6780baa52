"""What of an answer the fault table checks: the provider's very bytes where they pass, else what the client reads in it.

An answer that was translated must say the sandbox's sentence, its reason to end and the usage that is booked, in the
client's own wire; of one that broke off, the beginning of the sentence and then the error.
"""

import json
from dataclasses import dataclass, field
from typing import Any

from billing.core.pricing import Usage
from tests.gateway.client import Answer
from tests.gateway.fault_row import SENTENCE, Row

DONE = b"data: [DONE]\n\n"
STOP = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
REASONS = {"end_turn": "stop", "max_tokens": "length", "refusal": "content_filter"}


@dataclass
class Read:
    """What a client makes of an answer."""

    text: str = ""
    finish: str | None = None
    usage: tuple[int, int] | None = None
    """Tokens of the prompt and of the answer, where they are told."""
    error: dict[str, Any] | None = None
    kinds: list[str] = field(default_factory=list)
    """Of Anthropic's events, in order."""


def check_refusal(row: Row, answer: Answer) -> None:
    """An error with a status, in the words of the client's wire."""
    assert answer.headers["content-type"] == "application/json"
    if row.operation == "messages":
        assert set(answer.json) == {"type", "error"}
        check_error(row, answer.json)
        return
    assert list(answer.json) == ["error"]
    check_error(row, answer.json)


def check_error(row: Row, document: dict[str, Any]) -> None:
    error = document["error"]
    assert error["message"]
    assert "127.0.0.1" not in error["message"], "no address of a provider"
    if row.operation == "generateContent":
        assert set(error) == {"code", "message", "status"}
        assert error["status"] == row.kind
    elif row.operation == "messages":
        assert document["type"] == "error"
        assert set(error) == {"type", "message"}
        assert error["type"] == row.kind
    else:
        assert set(error) == {"message", "type", "param", "code"}
        assert error["code"] == row.code


def check_translated(row: Row, answer: Answer) -> None:
    read = read_answer(row, answer.body)
    if row.fault == "blocked=1":
        assert read.text == ""
    elif "huge" in row.fault:
        assert read.text == "x" * 2_000_000
    elif row.in_band:
        assert SENTENCE.startswith(read.text)
    else:
        assert read.text == SENTENCE
    if row.in_band:
        assert read.error is not None
        check_error(row, read.error)
        return
    assert (read.finish, read.error) == (row.finish, None)
    if row.estimated:
        assert read.usage in (None, (0, 0)), "a guess of ours is not told as the provider's word"
    else:
        assert read.usage in (None, told(row.usage))
        assert read.usage is not None or (row.streamed and row.operation == "chat"), "nobody asked for it"


def told(usage: Usage) -> tuple[int, int]:
    return usage.prompt_total, usage.completion_total


def read_answer(row: Row, body: bytes) -> Read:
    if row.operation == "generateContent":
        return _contents(body, row.streamed)
    if row.operation == "responses":
        return _response(body, row.streamed)
    if row.operation == "messages":
        return _message_events(body) if row.streamed else _message(json.loads(body))
    return _chunks(body) if row.streamed else _completion(json.loads(body))


GOOGLES = {"STOP": "stop", "MAX_TOKENS": "length", "SAFETY": "content_filter"}


def _contents(body: bytes, streamed: bool) -> Read:
    read = Read()
    for document in _documents(body) if streamed else [json.loads(body)]:
        if "error" in document:
            read.error = document
            continue
        for candidate in document.get("candidates", []):
            read.text += "".join([part.get("text", "") for part in candidate.get("content", {}).get("parts", [])])
            reason = candidate.get("finishReason")
            read.finish = GOOGLES[reason] if reason else read.finish
        usage = document.get("usageMetadata")
        if usage:
            answer = usage.get("candidatesTokenCount", 0) + usage.get("thoughtsTokenCount", 0)
            read.usage = (usage["promptTokenCount"], answer)
    return read


def _response(body: bytes, streamed: bool) -> Read:
    read = Read()
    if not streamed:
        return _whole_response(read, json.loads(body))
    for document in _documents(body):
        read.kinds.append(document["type"])
        if document["type"].endswith(("output_text.delta", "refusal.delta")):
            read.text += document["delta"]
        elif document["type"] in ("response.completed", "response.incomplete"):
            said, read.text = read.text, ""
            read = _whole_response(read, document["response"])
            assert read.text == said
        elif document["type"] == "error":
            read.error = {"error": {name: document[name] for name in ("code", "message", "param")} | {"type": ""}}
    return read


def _whole_response(read: Read, document: dict[str, Any]) -> Read:
    for item in document["output"]:
        read.text += "".join([part.get("text") or part.get("refusal") or "" for part in item.get("content", [])])
    reasons = {"max_output_tokens": "length", "content_filter": "content_filter"}
    incomplete = document["incomplete_details"]
    read.finish = reasons[incomplete["reason"]] if incomplete else "stop"
    usage = document["usage"]
    if usage:
        read.usage = (usage["input_tokens"], usage["output_tokens"])
    return read


def _documents(body: bytes) -> list[dict[str, Any]]:
    lines = [line for line in body.replace(b"\r\n", b"\n").split(b"\n") if line.startswith(b"data: ")]
    return [json.loads(line.removeprefix(b"data: ")) for line in lines]


def _completion(document: dict[str, Any]) -> Read:
    (choice,) = document["choices"]
    usage = document.get("usage")
    counted = None if usage is None else (usage["prompt_tokens"], usage["completion_tokens"])
    return Read(choice["message"]["content"] or "", choice["finish_reason"], counted)


def _chunks(body: bytes) -> Read:
    *events, rest = body.split(b"\n\n")
    assert rest == b""
    read = Read()
    if events[-1] == DONE.strip():
        events.pop()
    else:
        read.error = json.loads(events.pop().removeprefix(b"data: "))
    for event in events:
        (choice,) = json.loads(event.removeprefix(b"data: "))["choices"]
        read.text += choice["delta"].get("content") or ""
        read.finish = choice["finish_reason"] or read.finish
    return read


def _message(document: dict[str, Any]) -> Read:
    text = "".join(block["text"] for block in document["content"])
    return Read(text, REASONS[document["stop_reason"]], _counted(document["usage"]))


def _counted(usage: dict[str, int]) -> tuple[int, int]:
    cached = usage.get("cache_read_input_tokens", 0) + usage.get("cache_creation_input_tokens", 0)
    return usage.get("input_tokens", 0) + cached, usage.get("output_tokens", 0)


def _message_events(body: bytes) -> Read:
    *events, rest = body.split(b"\n\n")
    assert rest == b""
    read, usage = Read(), {}
    for event in events:
        named, data = [line for line in event.split(b"\n") if not line.startswith(b":")]  # a comment: what is lost
        told = json.loads(data.removeprefix(b"data: "))
        assert named == b"event: " + told["type"].encode()
        read.kinds.append(told["type"])
        if told["type"] == "message_start":
            usage = dict(told["message"]["usage"])
        elif told["type"] == "content_block_delta":
            read.text += told["delta"]["text"]
        elif told["type"] == "message_delta":
            read.finish = REASONS[told["delta"]["stop_reason"]]
            usage |= told["usage"]
        elif told["type"] == "error":
            read.error = told
    assert read.kinds[-1] == ("error" if read.error else "message_stop")
    read.usage = _counted(usage)
    return read
