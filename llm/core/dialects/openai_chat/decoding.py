"""OpenAI's chat completions and their chunks into the inner language: a whole answer is read like one chunk of all.

Also what servers on this wire added: `reasoning_content`, `reasoning_details`, Azure's chunks without choices and its
`content_filter_results`, Mistral's content in blocks. The stream is done at `[DONE]`. Next file: `calls.py`.
"""

from typing import Any

import msgspec

from llm.core.assembly import assemble
from llm.core.conversation import Citation, Finish, Native, Reply, SafetyRating, TokenLogprob
from llm.core.deltas import (
    CitationDelta,
    Delta,
    Finished,
    LogprobsDelta,
    NativeDelta,
    RefusalDelta,
    Started,
    TextDelta,
    ThinkingDelta,
    UsageDelta,
)
from llm.core.dialects.event_decoder import EventDecoder
from llm.core.dialects.openai_chat.calls import Calls
from llm.core.dialects.openai_errors import decode_error
from llm.core.dialects.translation import broken, made_id
from llm.core.operations.usage import in_buckets

Fields = dict[str, Any]
FINISHES: dict[str, Finish] = {
    "length": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
}


class WireChoice(msgspec.Struct):
    index: int = 0
    delta: Fields | None = None
    message: Fields | None = None
    finish_reason: str | None = None
    logprobs: Fields | None = None
    content_filter_results: Any = None


class Chunk(msgspec.Struct):
    id: str = ""
    model: str = ""
    choices: list[WireChoice] | None = None
    usage: msgspec.Raw = msgspec.Raw()
    error: Any = None


class Choice(msgspec.Struct):
    """One choice while it grows."""

    calls: Calls
    part: int = -1
    kind: str = ""
    finished: bool = False
    safety: tuple[SafetyRating, ...] = ()


_chunk = msgspec.json.Decoder(Chunk)


def decode(body: bytes, seed: str) -> Reply:
    """Raises ProviderBroken for what is no answer, ProviderError for an error sent with status 200."""
    decoder = ChunkDecoder(seed, "openai", None)
    found: list[Delta] = []
    decoder.take(body, found)
    if decoder.error is not None:
        raise decoder.error
    if not decoder.choices or any(choice.calls.nameless for choice in decoder.choices.values()):
        raise broken("openai", body)
    return assemble(found)


class ChunkDecoder(EventDecoder):
    """See `translation.DeltaDecoder`."""

    __slots__ = ("_seed", "_started", "choices")

    def __init__(self, seed: str, provider: str, secret: str | None) -> None:
        super().__init__(provider, secret)
        self._seed = seed
        self._started = False
        self.choices: dict[int, Choice] = {}

    def _read(self, data: bytes, found: list[Delta]) -> None:
        """One chunk, or a whole answer."""
        if data == b"[DONE]":
            self.done = True
            return
        chunk = _chunk.decode(data)
        if chunk.error is not None:
            self.error = decode_error(0, data, self._provider, self._secret)
        else:
            self._chunk(chunk, found)

    def _chunk(self, chunk: Chunk, found: list[Delta]) -> None:
        if not self._started and chunk.choices:  # Azure's first chunk, about the prompt, has neither id nor choices
            self._started = True
            found.append(Started(chunk.id or made_id("chatcmpl-", self._seed, 0), chunk.model))
        for choice in chunk.choices or ():
            state = self.choices.get(choice.index)
            if state is None:
                state = self.choices[choice.index] = Choice(Calls(self._seed, choice.index))
            self._say(choice.index, state, choice.delta or choice.message or {}, found)
            self._end(choice, state, found)
        usage = in_buckets(chunk.usage)
        if usage is not None:
            self.usage = usage
            found.append(UsageDelta(usage))

    def _say(self, index: int, state: Choice, said: Fields, found: list[Delta]) -> None:
        details = said.get("reasoning_details")
        thought = said.get("reasoning_content") or said.get("reasoning")
        if details:
            for detail in details:
                found.append(_thinking(index, self._next(state, f"thinking{detail.get('index', 0)}"), detail))
        elif isinstance(thought, str):
            found.append(ThinkingDelta(index, self._next(state, "thinking0"), thought))
        content = said.get("content")
        if isinstance(content, str):
            if content:
                found.append(TextDelta(index, self._next(state, "text"), content))
        elif content is not None:
            self._blocks(index, state, content, found)
        for cited in said.get("annotations") or ():
            given = cited.get("url_citation") or {}
            places = (given.get("title"), given.get("quote"), given.get("start_index"), given.get("end_index"))
            citation = Citation(given.get("url"), *places, source=given.get("source"))
            found.append(CitationDelta(index, self._next(state, "text"), citation))
        if said.get("refusal"):
            found.append(RefusalDelta(index, self._next(state, "refusal"), str(said["refusal"])))
        for place, call in enumerate(said.get("tool_calls") or ()):
            state.calls.read(call, place, lambda kind: self._next(state, kind), found)

    def _blocks(self, index: int, state: Choice, blocks: list[Any], found: list[Delta]) -> None:
        """Content in blocks, as Mistral's reasoning models answer. Raises TypeError for what is no list."""
        if not isinstance(blocks, list):
            raise TypeError("`content` is neither text nor a list")
        for block in blocks:
            fields = {"type": "text", "text": block} if isinstance(block, str) else block
            kind, inside = fields.get("type"), fields.get("thinking")
            if kind == "thinking" and isinstance(inside, list):
                for one in inside:
                    if one.get("type") == "text":
                        found.append(ThinkingDelta(index, self._next(state, "thinking0"), one["text"]))
                    else:
                        found.append(self._unknown(index, state, one))
            elif kind == "thinking" and isinstance(inside, str):
                found.append(ThinkingDelta(index, self._next(state, "thinking0"), inside))
            elif kind == "text":
                found.append(TextDelta(index, self._next(state, "text"), fields["text"]))
            elif kind == "refusal":
                found.append(RefusalDelta(index, self._next(state, "refusal"), fields["refusal"]))
            else:
                found.append(self._unknown(index, state, fields))

    def _unknown(self, index: int, state: Choice, block: Fields) -> NativeDelta:
        """A block with no place in the inner language: each client's wire names it as left out (`../lost.py`)."""
        state.kind = ""
        return NativeDelta(index, self._next(state, "native"), Native("openai_chat", block))

    def _next(self, state: Choice, kind: str) -> int:
        if state.kind != kind:
            state.part += 1
            state.kind = kind
        return state.part

    def _end(self, choice: WireChoice, state: Choice, found: list[Delta]) -> None:
        tokens = (choice.logprobs or {}).get("content") or ()
        if tokens:
            found.append(LogprobsDelta(choice.index, tuple([token_logprob(token) for token in tokens])))
        if choice.content_filter_results:
            state.safety = _gathered(state.safety, _ratings(choice.content_filter_results))
        if choice.finish_reason is not None and not state.finished:
            if state.calls.nameless:
                raise ValueError("a tool call without a name")
            state.finished = True
            finish = FINISHES.get(choice.finish_reason, "stop")
            found.append(Finished(choice.index, finish, choice.finish_reason, safety=state.safety))


def _thinking(index: int, part: int, detail: Fields) -> ThinkingDelta:
    return ThinkingDelta(
        index,
        part,
        detail.get("text") or detail.get("summary") or "",
        detail.get("signature"),
        detail.get("data"),
        detail.get("id"),
        detail.get("format"),
    )


def token_logprob(token: Fields) -> TokenLogprob:
    raw = token.get("bytes")
    top = tuple([token_logprob(other) for other in token.get("top_logprobs") or ()])
    return TokenLogprob(str(token.get("token")), float(token.get("logprob", 0)), tuple(raw) if raw else None, top)


def _gathered(before: tuple[SafetyRating, ...], more: tuple[SafetyRating, ...]) -> tuple[SafetyRating, ...]:
    """Azure rates a stream piece by piece: of each category the latest rating, but for one that has blocked."""
    found = {rating.category: rating for rating in before}
    for rating in more:
        if rating.category not in found or not found[rating.category].blocked:
            found[rating.category] = rating
    return tuple(found.values())


def _ratings(given: Any) -> tuple[SafetyRating, ...]:
    """Azure names each category with its severity; we write a list."""
    if isinstance(given, list):
        return tuple([SafetyRating(one["category"], one["level"], bool(one.get("blocked"))) for one in given])
    if not isinstance(given, dict):
        return ()
    return tuple(
        [
            SafetyRating(name, str(one.get("severity", one.get("detected"))), bool(one.get("filtered")))
            for name, one in given.items()
            if isinstance(one, dict)
        ]
    )
