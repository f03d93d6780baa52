"""Gemini's answers, usage and errors into the inner language: one `Chunk` is a whole answer, or a piece of a stream.

`Pieces` turns chunks into deltas, and a whole answer is its one chunk's deltas put together, so both read alike.
Finish: STOP gives `stop`, with calls `tool_calls`; MAX_TOKENS `length`; what a filter stopped `content_filter`; a
blocked prompt has no candidates and is a `content_filter`, too. Next file: `streaming.py`, the bytes of a stream.
"""

from typing import Any

import msgspec

from billing.core.pricing import Usage
from llm.core.assembly import assemble
from llm.core.conversation import Audio, Citation, Finish, Image, Native, Reply, SafetyRating, TokenLogprob
from llm.core.deltas import (
    ArgumentsDelta,
    AudioDelta,
    CitationDelta,
    Delta,
    Finished,
    ImageDelta,
    LogprobsDelta,
    NativeDelta,
    Started,
    TextDelta,
    ThinkingDelta,
    ToolCallStarted,
    UsageDelta,
)
from llm.core.dialects.event_decoder import WRONG
from llm.core.dialects.google.wire import Candidate, Chunk, ErrorBody, WirePart, chunk_of
from llm.core.dialects.translation import broken, made_id, refused
from llm.core.errors import ProviderError
from llm.core.operations.gemini_usage import usage_of

FILTERED = frozenset(
    [
        "SAFETY",
        "BLOCKLIST",
        "SPII",
        "PROHIBITED_CONTENT",
        "RECITATION",
        "IMAGE_SAFETY",
        "IMAGE_PROHIBITED_CONTENT",
        "IMAGE_RECITATION",
        "ESCALATION",
        "MODEL_ARMOR",
        "PUP_LIMITED_DISABLED",
    ]
)
NAMES = {"INVALID_ARGUMENT": "invalid_request_error", "RESOURCE_EXHAUSTED": "rate_limit_error"}
KEY_FAULTS = frozenset({"API_KEY_INVALID", "API_KEY_EXPIRED"})
CITED = frozenset({"groundingChunks", "groundingSupports"})
BESIDE = "google candidate"
_errors = msgspec.json.Decoder(ErrorBody | list[ErrorBody])


class State(msgspec.Struct):
    """One candidate while it grows."""

    part: int = -1
    kind: str = ""
    """Of the last part, as long as more may be added to it."""
    text_part: int = -1
    calls: int = 0
    finished: bool = False
    unsaid: dict[str, Any] = {}
    """What came beside the parts and has no place in the inner language, by its own name."""


class Pieces:
    """Chunks of one answer in, deltas out."""

    def __init__(self, seed: str) -> None:
        self._seed = seed
        self._states: dict[int, State] = {}
        self._started = self._blocked = False
        self.usage: Usage | None = None

    @property
    def complete(self) -> bool:
        """Every candidate seen has finished."""
        return bool(self._states) and all(state.finished for state in self._states.values())

    def has_all(self, choices: int) -> bool:
        """As many as were asked for have finished, or the prompt was blocked."""
        return self.complete and (self._blocked or len(self._states) >= choices)

    def read(self, chunk: Chunk) -> list[Delta]:
        found: list[Delta] = []
        if not self._started:
            self._started = True
            found.append(Started(chunk.response_id or made_id("gen-", self._seed, 0), chunk.model_version or ""))
        for candidate in chunk.candidates or ():
            self._candidate(candidate, found)
        feedback = chunk.prompt_feedback
        if feedback is not None and feedback.block_reason is not None and not chunk.candidates:
            self._states[0], self._blocked = State(finished=True), True
            found.append(Finished(0, "content_filter", feedback.block_reason, safety=_ratings(feedback.safety_ratings)))
        if chunk.usage_metadata is not None:
            self.usage = usage_of(chunk.usage_metadata)
            found.append(UsageDelta(self.usage))
        return found

    def _candidate(self, candidate: Candidate, found: list[Delta]) -> None:
        index = candidate.index
        state = self._states.setdefault(index, State())
        for part in candidate.content.parts if candidate.content is not None else ():
            self._part(part, index, state, found)
        for cited in _citations(candidate):
            if state.text_part < 0:
                state.text_part = self._next(state, "text")
            found.append(CitationDelta(index, state.text_part, cited))
        state.unsaid.update(_unsaid(candidate))
        tokens = _logprobs(candidate.logprobs_result)
        if tokens:
            found.append(LogprobsDelta(index, tokens))
        reason = candidate.finish_reason
        if reason is not None and not state.finished:
            state.finished = True
            for name, value in state.unsaid.items():  # no part of Gemini's: no wire writes it, each names it
                found.append(NativeDelta(index, self._next(state, ""), Native(BESIDE, {name: value})))
            finish = _finish(reason, state.calls > 0)
            found.append(Finished(index, finish, reason, safety=_ratings(candidate.safety_ratings)))

    def _next(self, state: State, kind: str) -> int:
        state.part += 1
        state.kind = kind
        return state.part

    def _part(self, part: WirePart, index: int, state: State, found: list[Delta]) -> None:
        if part.text is not None:
            self._text(part, index, state, found)
        elif part.function_call is not None:
            called, number = part.function_call, self._next(state, "")
            identity = called.id or made_id("call_", f"{self._seed}/{index}", state.calls)
            found.append(ToolCallStarted(index, number, state.calls, identity, called.name, part.thought_signature))
            arguments = msgspec.json.format(bytes(called.args), indent=-1).decode()
            found.append(ArgumentsDelta(index, number, state.calls, "{}" if arguments == "null" else arguments))
            state.calls += 1
        elif part.inline_data is not None:
            kind, data = part.inline_data.mime_type, part.inline_data.data
            if kind.startswith("audio/"):
                number = state.part if state.kind == "audio" else self._next(state, "audio")
                found.append(AudioDelta(index, number, Audio(data, kind.removeprefix("audio/"))))
            else:
                found.append(ImageDelta(index, self._next(state, ""), Image(data=data, media_type=kind)))
        else:
            block = {name: value for name, value in msgspec.to_builtins(part).items() if value is not None}
            if block:
                found.append(NativeDelta(index, self._next(state, ""), Native("google", block)))

    def _text(self, part: WirePart, index: int, state: State, found: list[Delta]) -> None:
        kind = "thinking" if part.thought else "text"
        text, signature = part.text or "", part.thought_signature
        if not text and signature is None:
            return
        number = state.part if state.kind == kind else self._next(state, kind)
        if part.thought:
            found.append(ThinkingDelta(index, number, text, signature, origin="google"))
        else:
            state.text_part = number
            found.append(TextDelta(index, number, text, signature))
        if signature is not None:
            state.kind = ""  # what is sealed is whole


def decode(body: bytes, seed: str) -> Reply:
    """Raises ProviderBroken for what is no answer, ProviderError for an error sent with status 200."""
    chunk = chunk_of(body)
    if chunk is None:
        raise broken("google", body)
    if chunk.error is not None:
        raise decode_error(0, body, "google", None)
    pieces = Pieces(seed)
    try:
        found = pieces.read(chunk)
    except WRONG:
        raise broken("google", body) from None
    if not pieces.complete and not chunk.candidates:
        raise broken("google", body)
    return assemble(found)


def _finish(reason: str, calls: bool) -> Finish:
    if reason in ("MAX_TOKENS", "CONTINUATION"):
        return "length"
    if reason in FILTERED:
        return "content_filter"
    return "tool_calls" if calls else "stop"


def _ratings(given: list[dict[str, Any]] | None) -> tuple[SafetyRating, ...]:
    return tuple(
        [
            SafetyRating(str(rating.get("category")), str(rating.get("probability")), bool(rating.get("blocked")))
            for rating in given or ()
        ]
    )


def _citations(candidate: Candidate) -> list[Citation]:
    """Gemini counts places in bytes, not characters: they stay in `source`."""
    found: list[Citation] = []
    for source in (candidate.citation_metadata or {}).get("citationSources") or ():
        found.append(Citation(source.get("uri"), source.get("title"), source=source))
    grounding = candidate.grounding_metadata or {}
    chunks = grounding.get("groundingChunks") or []
    for support in grounding.get("groundingSupports") or ():
        segment = support.get("segment") or {}
        for number in support.get("groundingChunkIndices") or ():
            web = chunks[number].get("web") or {} if number < len(chunks) else {}
            found.append(Citation(web.get("uri"), web.get("title"), segment.get("text"), source=support))
    return found


def _unsaid(candidate: Candidate) -> dict[str, Any]:
    """Sources that no support names, searches made, pages read: all but the citations."""
    grounding = candidate.grounding_metadata or {}
    found = {name: value for name, value in grounding.items() if value and name not in CITED}
    supports = grounding.get("groundingSupports") or ()
    named = {number for support in supports for number in support.get("groundingChunkIndices") or ()}
    alone = [one for number, one in enumerate(grounding.get("groundingChunks") or ()) if number not in named]
    if alone:
        found["groundingChunks"] = alone
    if candidate.url_context_metadata:
        found["urlContextMetadata"] = candidate.url_context_metadata
    return found


def _logprobs(given: dict[str, Any] | None) -> tuple[TokenLogprob, ...]:
    chosen = (given or {}).get("chosenCandidates") or ()
    tops = (given or {}).get("topCandidates") or ()
    found = []
    for number, token in enumerate(chosen):
        others = tops[number].get("candidates") or () if number < len(tops) else ()
        found.append(_token(token, tuple([_token(other, ()) for other in others])))
    return tuple(found)


def _token(given: dict[str, Any], top: tuple[TokenLogprob, ...]) -> TokenLogprob:
    return TokenLogprob(str(given.get("token", "")), float(given.get("logProbability", 0.0)), top=top)


def decode_error(status: int, body: bytes, provider: str, secret: str | None) -> ProviderError:
    """`status` 0: the error came in a stream, or with 200; its own code says the rest. The wait is in its details."""
    try:
        bodies = _errors.decode(body)
        error = (bodies[0] if bodies else ErrorBody()).error if isinstance(bodies, list) else bodies.error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        error = None
    if error is None:
        return refused(status or 500, None, provider, secret)
    status = status or error.code or 500
    wait: float | None = None
    for detail in error.details or ():
        if detail.get("reason") in KEY_FAULTS:
            status = 401  # Gemini says 400, but it is our key
        if str(detail.get("@type", "")).endswith("RetryInfo"):
            wait = _seconds(detail.get("retryDelay"))
    kind = NAMES.get(error.status or "")
    return refused(status, error.message, provider, secret, kind=kind, code=error.status, retry_after=wait)


def _seconds(duration: object) -> float | None:
    """A protobuf duration in JSON: `12.5s`."""
    if not isinstance(duration, str) or not duration.endswith("s"):
        return None
    try:
        return max(float(duration[:-1]), 0.0)
    except ValueError:
        return None
