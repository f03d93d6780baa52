"""An answer made ready to be said, on any wire: cut to length, in as many choices as asked for, its tokens counted.

Whole and streamed replies to one request say the same and count the same. Ids are made from the request's bytes, and
the time of creation is a constant, so that equal requests have equal replies.
"""

import hashlib
from dataclasses import dataclass
from typing import Literal

import msgspec

from llm.sandbox.answers import Answer, answer
from llm.sandbox.conversation import Conversation, Tool, Turn
from llm.sandbox.errors import Refusal
from llm.sandbox.faults import Behaviour
from llm.sandbox.text import TOKENS_PER_MEDIUM, TOKENS_PER_MESSAGE, count_tokens, first_tokens, until_stop

CREATED = 1_735_689_600
"""2025-01-01, always: the sandbox has no clock."""
MAX_CHARACTERS = 1024 * 1024
"""All answers of one reply together, when there are several."""

Finish = Literal["stop", "length", "content_filter", "tool_calls"]


@dataclass(frozen=True)
class Choice:
    """One of the answers, cut to length, with the reason why it ends."""

    answer: Answer
    finish: Finish
    stopped_by: str | None = None
    """The stop sequence that ended it."""

    @property
    def tokens(self) -> int:
        calls = sum(count_tokens(call.name) + count_tokens(call.arguments) for call in self.answer.calls)
        return calls or count_tokens(self.answer.text)


@dataclass(frozen=True)
class Counted:
    """Tokens as a reply shall tell them, `usage=wrong` included. `prompt` holds cached and audio, `completion`
    reasoning."""

    prompt: int
    completion: int
    cached: int = 0
    audio: int = 0
    reasoning: int = 0


@dataclass(frozen=True)
class Spoken:
    """Everything both forms of a reply need."""

    digest: str
    """Of the request's bytes: what ids are made from."""
    name: str
    choices: tuple[Choice, ...]
    prompt_tokens: int
    sounds: int
    behaviour: Behaviour

    def counted(self) -> Counted | None:
        """The usage, or None when told to leave it out."""
        told = self.behaviour
        if told.usage == "none":
            return None
        factor = 10 if told.usage == "wrong" else 1
        prompt = self.prompt_tokens * factor
        completion = (sum(choice.tokens for choice in self.choices) + told.reasoning) * factor
        audio = self.sounds * TOKENS_PER_MEDIUM * factor
        return Counted(prompt, completion, min(told.cached, prompt), audio, told.reasoning * factor)


def speak(asked: Conversation, name: str, body: bytes, told: Behaviour) -> Spoken:
    """Make the answer. `name` is the model as the reply says it, `body` what the ids are made from."""
    said = answer(asked, told)
    within_bounds(len(said.text) + sum(len(call.arguments) for call in said.calls), asked.answers)
    choices = tuple(choose(said, index, asked.stop, asked.limit, told) for index in range(asked.answers))
    sounds = sum(turn.sounds for turn in asked.turns)
    return Spoken(digest(body), name, choices, prompt_tokens_of(asked), sounds, told)


def choose(said: Answer, index: int, stop: tuple[str, ...], limit: int | None, told: Behaviour) -> Choice:
    """The answer number `index`, cut at stop sequences and at the token limit."""
    if said.calls:
        return Choice(said, told.finish or "tool_calls")
    full = said.text if index == 0 or not said.prose else f"{said.text} (choice {index + 1})"
    text = until_stop(full, stop)
    short = text if limit is None else first_tokens(text, limit)
    if short != text:
        return Choice(Answer(short), told.finish or "length")
    cut = None if text == full else next((word for word in stop if word and full.startswith(word, len(text))), None)
    return Choice(Answer(short), told.finish or "stop", cut)


def within_bounds(size: int, answers: int) -> None:
    """One answer may be large and there may be many, but not both."""
    if answers > 1 and size * answers > MAX_CHARACTERS:
        raise Refusal(400, f"{answers} answers of {size} characters are more than the sandbox sends.", param="n")


def digest(body: bytes) -> str:
    return hashlib.blake2b(body, digest_size=8).hexdigest()


def prompt_tokens_of(asked: Conversation) -> int:
    """What the request counts: of a tool its name and its schema's properties, which every wire can say."""
    return sum(map(_tool_tokens, asked.tools)) + sum(map(_turn_tokens, asked.turns))


def _tool_tokens(tool: Tool) -> int:
    properties = (tool.schema or {}).get("properties")
    schema = msgspec.json.encode(properties, order="sorted").decode() if properties else ""
    return count_tokens(tool.name) + count_tokens(schema)


def _turn_tokens(turn: Turn) -> int:
    tokens = TOKENS_PER_MESSAGE + count_tokens(turn.text) + TOKENS_PER_MEDIUM * (turn.images + turn.sounds)
    return tokens + sum(count_tokens(call.name) + count_tokens(call.arguments) for call in turn.calls)
