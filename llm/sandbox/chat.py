"""A chat answer on the wire: whole, or as the events of a stream; and the legacy text completions likewise.

Whole and streamed replies to one request say the same and count the same. Ids are made from the request's bytes, and
the time of creation is a constant, so that equal requests have equal replies.
"""

import hashlib
from dataclasses import dataclass
from typing import Any

import msgspec

from llm.sandbox.answers import Answer, Call, answer
from llm.sandbox.errors import Refusal
from llm.sandbox.faults import Behaviour
from llm.sandbox.requests import ChatRequest, CompletionRequest, stops, texts
from llm.sandbox.text import (
    TOKENS_PER_MEDIUM,
    TOKENS_PER_MESSAGE,
    count_tokens,
    first_tokens,
    pieces,
    sentence,
    until_stop,
)

CREATED = 1_735_689_600
"""2025-01-01, always: the sandbox has no clock."""
MAX_CHARACTERS = 1024 * 1024
"""All answers of one reply together, when there are several."""
DONE = b"data: [DONE]\n\n"


@dataclass(frozen=True)
class Choice:
    """One of the `n` answers, cut to length, with its finish reason."""

    answer: Answer
    finish: str

    @property
    def tokens(self) -> int:
        calls = sum(count_tokens(call.name) + count_tokens(call.arguments) for call in self.answer.calls)
        return calls or count_tokens(self.answer.text)


@dataclass(frozen=True)
class Spoken:
    """Everything both forms of a reply need."""

    identity: str
    name: str
    choices: tuple[Choice, ...]
    prompt_tokens: int
    behaviour: Behaviour

    def usage(self) -> dict[str, Any] | None:
        """OpenAI's usage object, or what the `usage` directive makes of it."""
        if self.behaviour.usage == "none":
            return None
        factor = 10 if self.behaviour.usage == "wrong" else 1
        prompt = self.prompt_tokens * factor
        completion = (sum(choice.tokens for choice in self.choices) + self.behaviour.reasoning) * factor
        return {
            "prompt_tokens": prompt,
            "completion_tokens": completion,
            "total_tokens": prompt + completion,
            "prompt_tokens_details": {"cached_tokens": min(self.behaviour.cached, prompt)},
            "completion_tokens_details": {"reasoning_tokens": self.behaviour.reasoning * factor},
        }


def speak(request: ChatRequest, name: str, body: bytes, behaviour: Behaviour) -> Spoken:
    """Make the answer. `name` is the model as the reply says it, `body` what the ids are made from."""
    said = answer(request, behaviour)
    _within_bounds(len(said.text) + sum(len(call.arguments) for call in said.calls), request.n or 1)
    choices = tuple(
        _choice(said, index, stops(request.stop), request.limit, behaviour) for index in range(request.n or 1)
    )
    return Spoken(f"chatcmpl-sandbox-{_digest(body)}", name, choices, _prompt_tokens(request), behaviour)


def chat_reply(spoken: Spoken, logprobs: bool) -> bytes:
    """The whole reply."""
    choices = [
        {
            "index": index,
            "message": _message(spoken, index, choice),
            "logprobs": _logprobs(choice.answer.text) if logprobs else None,
            "finish_reason": choice.finish,
        }
        for index, choice in enumerate(spoken.choices)
    ]
    return _encode(spoken, "chat.completion", choices, spoken.usage())


def chat_events(spoken: Spoken, wants_usage: bool, logprobs: bool) -> list[bytes]:
    """The stream, event by event, `[DONE]` included."""
    events = [_event(spoken, [choice], wants_usage) for choice in _deltas(spoken, logprobs)]
    return _finished(events, spoken, "chat.completion.chunk", wants_usage)


def speak_completion(request: CompletionRequest, name: str, body: bytes, behaviour: Behaviour) -> Spoken:
    """The legacy endpoint: every prompt gets `n` answers."""
    prompts = texts(request.prompt, "prompt")
    _within_bounds(sum(map(len, prompts)), request.n or 1)
    choices: list[Choice] = []
    for prompt in prompts:
        said = Answer(("" if not request.echo else prompt) + sentence(prompt))
        for _ in range(request.n or 1):
            choices.append(_choice(said, len(choices), stops(request.stop), request.max_tokens, behaviour))
    tokens = sum(count_tokens(prompt) for prompt in prompts)
    return Spoken(f"cmpl-sandbox-{_digest(body)}", name, tuple(choices), tokens, behaviour)


def completion_reply(spoken: Spoken) -> bytes:
    choices = [
        {"index": index, "text": choice.answer.text, "logprobs": None, "finish_reason": choice.finish}
        for index, choice in enumerate(spoken.choices)
    ]
    return _encode(spoken, "text_completion", choices, spoken.usage())


def completion_events(spoken: Spoken, wants_usage: bool) -> list[bytes]:
    events: list[bytes] = []
    for index, choice in enumerate(spoken.choices):
        parts: list[tuple[str, str | None]] = [(piece, None) for piece in pieces(choice.answer.text)]
        for text, finish in [*parts, ("", choice.finish)]:
            entry = {"index": index, "text": text, "logprobs": None, "finish_reason": finish}
            events.append(_event(spoken, [entry], wants_usage, "text_completion"))
    return _finished(events, spoken, "text_completion", wants_usage)


def _choice(said: Answer, index: int, stop: list[str], limit: int | None, behaviour: Behaviour) -> Choice:
    """The answer number `index`, cut at stop sequences and at the token limit."""
    if said.calls:
        return Choice(said, behaviour.finish or "tool_calls")
    text = until_stop(said.text if index == 0 or not said.prose else f"{said.text} (choice {index + 1})", stop)
    short = text if limit is None else first_tokens(text, limit)
    return Choice(Answer(short), behaviour.finish or ("stop" if short == text else "length"))


def _within_bounds(size: int, answers: int) -> None:
    """One answer may be large and there may be many, but not both."""
    if answers > 1 and size * answers > MAX_CHARACTERS:
        raise Refusal(400, f"{answers} answers of {size} characters are more than the sandbox sends.", param="n")


def _prompt_tokens(request: ChatRequest) -> int:
    tokens = count_tokens(msgspec.json.encode(request.tools).decode()) if request.tools else 0
    for message in request.messages:
        tokens += TOKENS_PER_MESSAGE + count_tokens(message.text()) + TOKENS_PER_MEDIUM * message.media()
        for call in message.tool_calls or []:
            tokens += count_tokens(call.function.name) + count_tokens(call.function.arguments)
    return tokens


def _message(spoken: Spoken, index: int, choice: Choice) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": choice.answer.text, "refusal": None}
    if choice.answer.calls:
        message["content"] = None
        calls = enumerate(choice.answer.calls)
        message["tool_calls"] = [_call(spoken, index, place, call, call.arguments) for place, call in calls]
    return message


def _call(spoken: Spoken, index: int, place: int, call: Call, arguments: str) -> dict[str, Any]:
    identity = f"call_sandbox_{spoken.identity[-12:]}_{index}_{place}"
    if call.custom:
        return {"id": identity, "type": "custom", "custom": {"name": call.name, "input": arguments}}
    return {"id": identity, "type": "function", "function": {"name": call.name, "arguments": arguments}}


def _deltas(spoken: Spoken, logprobs: bool) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for index, choice in enumerate(spoken.choices):
        deltas: list[dict[str, Any]] = [{"role": "assistant", "content": None if choice.answer.calls else ""}]
        for place, call in enumerate(choice.answer.calls):
            deltas.append({"tool_calls": [{"index": place, **_call(spoken, index, place, call, "")}]})
            part, word = ("custom", "input") if call.custom else ("function", "arguments")
            deltas += [{"tool_calls": [{"index": place, part: {word: piece}}]} for piece in pieces(call.arguments)]
        deltas += [{"content": piece} for piece in pieces(choice.answer.text)]
        for delta in deltas:
            text = delta.get("content")
            said = _logprobs(text) if logprobs and text else None
            found.append({"index": index, "delta": delta, "logprobs": said, "finish_reason": None})
        found.append({"index": index, "delta": {}, "logprobs": None, "finish_reason": choice.finish})
    return found


def _logprobs(text: str) -> dict[str, Any]:
    """The sandbox is always sure: probability 1 for each piece."""
    tokens = [{"token": piece, "logprob": 0.0, "bytes": list(piece.encode())} for piece in pieces(text)]
    return {"content": [{**token, "top_logprobs": [token]} for token in tokens], "refusal": None}


def _event(spoken: Spoken, choices: list[Any], wants_usage: bool, kind: str = "chat.completion.chunk") -> bytes:
    """One event; with usage wanted, all but the last say `usage: null`, as OpenAI's do."""
    return b"data: " + _encode(spoken, kind, choices, None, show_usage=wants_usage) + b"\n\n"


def _finished(events: list[bytes], spoken: Spoken, kind: str, wants_usage: bool) -> list[bytes]:
    usage = spoken.usage()
    if wants_usage and usage is not None:
        events.append(b"data: " + _encode(spoken, kind, [], usage) + b"\n\n")
    if spoken.behaviour.done:
        events.append(DONE)
    return events


def _encode(
    spoken: Spoken, kind: str, choices: list[Any], usage: dict[str, Any] | None, *, show_usage: bool = False
) -> bytes:
    reply: dict[str, Any] = {
        "id": spoken.identity,
        "object": kind,
        "created": CREATED,
        "model": spoken.name,
        "system_fingerprint": "sandbox",
        "choices": choices,
    }
    if usage is not None or show_usage:
        reply["usage"] = usage
    return msgspec.json.encode(reply)


def _digest(body: bytes) -> str:
    return hashlib.blake2b(body, digest_size=8).hexdigest()
