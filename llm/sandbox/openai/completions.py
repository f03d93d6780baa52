"""The legacy text completions on OpenAI's wire: every prompt gets `n` answers. Tools and JSON are not known here."""

from typing import Any

from llm.sandbox.answers import Answer, dictated
from llm.sandbox.faults import Behaviour
from llm.sandbox.openai.chat import encode, event, finished
from llm.sandbox.openai.errors import WIRE
from llm.sandbox.openai.requests import CompletionRequest, stops, texts
from llm.sandbox.reading import read
from llm.sandbox.speech import Choice, Spoken, choose, digest, within_bounds
from llm.sandbox.text import count_tokens, pieces, sentence
from llm.sandbox.wire import Asked, Operation, Said

KIND = "text_completion"


def _say(request: CompletionRequest, asked: Asked, name: str, told: Behaviour) -> Said:
    spoken = _speak(request, name, asked.body, told)
    identity = f"cmpl-sandbox-{spoken.digest}"
    sure = request.logprobs is not None
    if request.stream:
        wants_usage = bool(request.stream_options and request.stream_options.include_usage)
        return Said(_events(spoken, identity, wants_usage, sure), streamed=True)
    choices = [_entry(index, choice.answer.text, choice.finish, sure, 0) for index, choice in enumerate(spoken.choices)]
    return Said([encode(spoken, identity, KIND, choices, spoken.counted())])


def _speak(request: CompletionRequest, name: str, body: bytes, told: Behaviour) -> Spoken:
    prompts = texts(request.prompt, "prompt")
    within_bounds(sum(map(len, prompts)), request.n or 1)
    choices: list[Choice] = []
    for prompt in prompts:
        said = dictated(told) or Answer(("" if not request.echo else prompt) + sentence(prompt))
        for _ in range(request.n or 1):
            choices.append(choose(said, len(choices), stops(request.stop), request.max_tokens, told))
    within_bounds(sum(len(choice.answer.text) for choice in choices), min(len(choices), 2))
    return Spoken(digest(body), name, tuple(choices), sum(map(count_tokens, prompts)), 0, told)


def _events(spoken: Spoken, identity: str, wants_usage: bool, sure: bool) -> list[bytes]:
    events: list[bytes] = []
    for index, choice in enumerate(spoken.choices):
        offset = 0
        for text in pieces(choice.answer.text):
            entry = _entry(index, text, None, sure, offset)
            events.append(event(spoken, identity, [entry], wants_usage, KIND))
            offset += len(text)
        events.append(event(spoken, identity, [_entry(index, "", choice.finish, False, 0)], wants_usage, KIND))
    return finished(events, spoken, identity, KIND, wants_usage)


def _entry(index: int, text: str, finish: str | None, sure: bool, offset: int) -> dict[str, Any]:
    """One choice; `sure`: with log probabilities, which are always those of certainty."""
    said: dict[str, Any] | None = None
    if sure:
        tokens, offsets = pieces(text), []
        for token in tokens:
            offsets.append(offset)
            offset += len(token)
        tops = [{token: 0.0} for token in tokens]
        said = {"tokens": tokens, "token_logprobs": [0.0] * len(tokens), "top_logprobs": tops, "text_offset": offsets}
    return {"index": index, "text": text, "logprobs": said, "finish_reason": finish}


OPERATION = Operation(WIRE, lambda asked: read(asked.body, CompletionRequest), _say)
