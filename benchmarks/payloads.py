"""What every contender is asked and what the mock answers: the same bytes for all of them.

One whole completion, one streamed completion of 200 numbered events, and the request for each. `check_reply` holds
an answer against them: byte for byte behind a proxy that passes bytes on, by meaning behind one that writes its own.
"""

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any

from billing.core.keys import RANDOM_BYTES, make_key

STREAM_EVENTS = 200
TEXT = "Hello! How can I help you today?"
KEY = make_key(b"benchmark".ljust(RANDOM_BYTES))
"""Ours, and told to no one but the stand-in control plane; a peer that wants a key of its own is sent that instead."""
USAGE = {
    "prompt_tokens": 19,
    "completion_tokens": 10,
    "total_tokens": 29,
    "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
}
UNIT_COST = 19 * 30_000 + 10 * 60_000
"""Nano-dollars of one mock reply at the stand-in control plane's price."""
REPLY: dict[str, Any] = {
    "id": "chatcmpl-B9MHDbslfkBeAs8l4bebGdFOJ6PeG",
    "object": "chat.completion",
    "created": 1741570283,
    "model": "gpt-4-0613",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": TEXT, "refusal": None},
            "logprobs": None,
            "finish_reason": "stop",
        }
    ],
    "usage": USAGE,
}
REQUEST: dict[str, Any] = {
    "model": "gpt-4",
    "messages": [
        {"role": "system", "content": "You are a helpful assistant."},
        {"role": "user", "content": "Hello! Tell me about the weather, and be brief about it."},
    ],
}
STREAM_REQUEST: dict[str, Any] = {**REQUEST, "stream": True, "stream_options": {"include_usage": True}}
BODY = json.dumps(REPLY, separators=(",", ":")).encode()


class WrongReply(Exception):
    """An answer that is not what the mock said; figures that rest on it count as nothing."""


def event(content: str | None, finish: str | None = None) -> bytes:
    """One event of a stream, as OpenAI sends it."""
    choice = {"index": 0, "delta": {"content": content} if content else {}, "logprobs": None, "finish_reason": finish}
    return _event({"choices": [choice], "usage": None})


def stream_end() -> bytes:
    """What follows the last piece of text: the finish, the usage, the end mark."""
    return event(None, "stop") + _event({"choices": [], "usage": USAGE}) + b"data: [DONE]\n\n"


def stream_body(events: int = STREAM_EVENTS) -> bytes:
    """A whole stream whose pieces of text are the numbers from 0 on."""
    return b"".join(event(f"{number} ") for number in range(events)) + stream_end()


def _event(fields: Mapping[str, Any]) -> bytes:
    head = {
        "id": REPLY["id"],
        "object": "chat.completion.chunk",
        "created": REPLY["created"],
        "model": REPLY["model"],
        "service_tier": "default",
        "system_fingerprint": "fp_b376dfbbd5",
    }
    return b"data: " + json.dumps({**head, **fields}, separators=(",", ":")).encode() + b"\n\n"


def ask(port: int, request: Mapping[str, Any], path: str = "/v1", headers: Mapping[str, str] | None = None) -> bytes:
    """The body of one answer."""
    with urllib.request.urlopen(_request(port, request, path, headers or {}), timeout=30) as reply:
        body: bytes = reply.read()
    return body


def refusal(port: int, request: Mapping[str, Any], headers: Mapping[str, str]) -> tuple[int, Mapping[str, str]]:
    """Status and headers of a request to the gateway that should be refused."""
    try:
        with urllib.request.urlopen(_request(port, request, "/v1", headers), timeout=30) as reply:
            return reply.status, dict(reply.headers)
    except urllib.error.HTTPError as error:
        return error.code, dict(error.headers)


def _request(port: int, request: Mapping[str, Any], path: str, headers: Mapping[str, str]) -> urllib.request.Request:
    return urllib.request.Request(
        f"http://127.0.0.1:{port}{path}/chat/completions",
        json.dumps(request).encode(),
        {"Content-Type": "application/json", "Authorization": f"Bearer {KEY}", **headers},
    )


def check_reply(body: bytes, *, exact: bool = True) -> None:
    """Raises WrongReply. Not `exact`: text, finish and counts only."""
    answer = json.loads(body)
    if answer == REPLY:
        return
    said = answer["choices"][0]
    right = said["message"]["content"] == TEXT and said["finish_reason"] == "stop"
    if exact or not right or answer["usage"]["total_tokens"] != USAGE["total_tokens"]:
        raise WrongReply(f"a wrong reply: {answer}")


def check_stream(body: bytes, *, exact: bool = True, events: int = STREAM_EVENTS) -> None:
    """Raises WrongReply. Every event must be there, once, in order, and the end mark last."""
    if body == stream_body(events):
        return
    if exact:
        raise WrongReply(f"a stream of {len(body):,} bytes is not the mock's: {body[-300:]!r}")
    lines = [line[6:] for line in body.decode().splitlines() if line.startswith("data: ")]
    chunks = [json.loads(line) for line in lines[:-1]]
    text = "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks if chunk["choices"])
    if lines[-1] != "[DONE]" or text != "".join(f"{number} " for number in range(events)):
        raise WrongReply(f"a stream with wrong text: {text[:200]!r}")
