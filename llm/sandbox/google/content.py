"""Generated content on Gemini's wire: one object; or pieces of it, as events or as one JSON array.

Function calls come whole, the first with a thought signature. A reply with calls finishes as `STOP`. A blocked
prompt has no candidates. Every piece has usage; the last one is right. Source: https://ai.google.dev/api/generate-content
"""

import base64
from typing import Any

import msgspec

from llm.sandbox.faults import Behaviour
from llm.sandbox.google.errors import ARRAY_WIRE, WIRE
from llm.sandbox.google.requests import GenerateRequest, conversation, generation
from llm.sandbox.speech import Choice, Spoken, prompt_tokens_of, speak
from llm.sandbox.text import pieces
from llm.sandbox.wire import Asked, Operation, Said

THOUGHT = "The sandbox follows fixed rules; it does not think."
REASONS = {"stop": "STOP", "length": "MAX_TOKENS", "tool_calls": "STOP", "content_filter": "SAFETY"}
Piece = dict[str, Any]


def _whole(request: GenerateRequest, asked: Asked, name: str, told: Behaviour) -> Said:
    spoken = speak(conversation(request), name, asked.body, told)
    if told.blocked:
        return Said([_encode(_blocked(spoken))])
    candidates = [
        _candidate(index, _parts(spoken, index, choice, request), choice) for index, choice in enumerate(spoken.choices)
    ]
    return Said([_encode({"candidates": candidates, **_end(spoken, whole=True)})])


def _events(request: GenerateRequest, asked: Asked, name: str, told: Behaviour) -> Said:
    made = _pieces(request, asked, name, told)
    return Said([b"data: " + _encode(piece) + b"\r\n\r\n" for piece in made], streamed=True)


def _array(request: GenerateRequest, asked: Asked, name: str, told: Behaviour) -> Said:
    made = [_encode(piece) for piece in _pieces(request, asked, name, told)]
    parts = [(b",\r\n" if place else b"[") + piece for place, piece in enumerate(made)]
    if told.done:
        parts[-1] += b"]"
    return Said(parts, streamed=True)


def _pieces(request: GenerateRequest, asked: Asked, name: str, told: Behaviour) -> list[Piece]:
    spoken = speak(conversation(request), name, asked.body, told)
    if told.blocked:
        return [_blocked(spoken)]
    found: list[Piece] = []
    for index, choice in enumerate(spoken.choices):
        for part in _parts(spoken, index, choice, request):
            text = part.get("text")
            for piece in [part] if text is None else [{**part, "text": word} for word in pieces(text)]:
                found.append({"candidates": [_candidate(index, [piece])], **_end(spoken, whole=False)})
        if told.done:
            last = index == len(spoken.choices) - 1
            found.append({"candidates": [_candidate(index, [{"text": ""}], choice)], **_end(spoken, whole=last)})
    return found or [_end(spoken, whole=True)]


def _parts(spoken: Spoken, index: int, choice: Choice, request: GenerateRequest) -> list[Piece]:
    config = request.generation_config
    parts: list[Piece] = []
    if config is not None and config.thinking_config is not None and config.thinking_config.include_thoughts:
        parts.append({"text": THOUGHT, "thought": True})
    for place, call in enumerate(choice.answer.calls):
        made: Piece = {"name": call.name, "args": msgspec.Raw(call.arguments.encode())}
        if spoken.behaviour.ids:
            made["id"] = f"call_sandbox_{spoken.digest[-12:]}_{index}_{place}"
        signature = {} if place else {"thoughtSignature": base64.b64encode(spoken.digest.encode()).decode()}
        parts.append({"functionCall": made, **signature})
    if choice.answer.text:
        parts.append({"text": choice.answer.text})
    return parts


def _candidate(index: int, parts: list[Piece], choice: Choice | None = None) -> Piece:
    """With a choice: the finished one."""
    candidate: Piece = {"content": {"parts": parts, "role": "model"}, "index": index}
    if choice is not None:
        candidate["finishReason"] = REASONS[choice.finish]
        if choice.finish == "content_filter":
            candidate["safetyRatings"] = [_rating()]
    return candidate


def _rating() -> Piece:
    return {"category": "HARM_CATEGORY_DANGEROUS_CONTENT", "probability": "HIGH", "blocked": True}


def _blocked(spoken: Spoken) -> Piece:
    feedback = {"blockReason": "SAFETY", "safetyRatings": [_rating()]}
    return {"promptFeedback": feedback, **_end(spoken, whole=False)}


def _end(spoken: Spoken, *, whole: bool) -> Piece:
    """What stands beside the candidates; only with `whole` are the answer's tokens counted."""
    end: Piece = {"modelVersion": spoken.name, "responseId": f"sandbox-{spoken.digest}"}
    counted = spoken.counted()
    if counted is None:
        return end
    usage: Piece = {"promptTokenCount": counted.prompt, "totalTokenCount": counted.prompt}
    details = [{"modality": "TEXT", "tokenCount": counted.prompt - counted.audio}]
    if counted.audio:
        details.append({"modality": "AUDIO", "tokenCount": counted.audio})
    usage["promptTokensDetails"] = details
    if counted.cached:
        usage["cachedContentTokenCount"] = counted.cached
    if whole:
        usage["candidatesTokenCount"] = counted.completion - counted.reasoning
        usage["totalTokenCount"] = counted.prompt + counted.completion
        if counted.reasoning:
            usage["thoughtsTokenCount"] = counted.reasoning
    return {**end, "usageMetadata": usage}


def _count(request: GenerateRequest, asked: Asked, name: str, told: Behaviour) -> Said:
    return Said([_encode({"totalTokens": prompt_tokens_of(conversation(request))})])


def _encode(piece: Piece) -> bytes:
    return msgspec.json.encode(piece)


WHOLE = Operation(WIRE, generation, _whole)
EVENTS = Operation(WIRE, generation, _events)
ARRAY = Operation(ARRAY_WIRE, generation, _array)
COUNTING = Operation(WIRE, generation, _count)
