"""Gemini's answers as Structs, named in our spelling. Source: https://ai.google.dev/api/generate-content

Next file: `decoding.py`.
"""

from typing import Any

import msgspec

from llm.core.operations.gemini_usage import UsageMetadata


class FunctionCall(msgspec.Struct, rename="camel"):
    name: str
    args: msgspec.Raw = msgspec.Raw(b"{}")
    id: str | None = None


class InlineData(msgspec.Struct, rename="camel"):
    mime_type: str
    data: str


class WirePart(msgspec.Struct, rename="camel"):
    text: str | None = None
    thought: bool | None = None
    thought_signature: str | None = None
    function_call: FunctionCall | None = None
    inline_data: InlineData | None = None
    file_data: dict[str, Any] | None = None
    executable_code: dict[str, Any] | None = None
    code_execution_result: dict[str, Any] | None = None
    tool_call: dict[str, Any] | None = None
    tool_response: dict[str, Any] | None = None


class Content(msgspec.Struct, rename="camel"):
    parts: list[WirePart] = []
    role: str | None = None


class Candidate(msgspec.Struct, rename="camel"):
    index: int = 0
    content: Content | None = None
    finish_reason: str | None = None
    safety_ratings: list[dict[str, Any]] | None = None
    citation_metadata: dict[str, Any] | None = None
    grounding_metadata: dict[str, Any] | None = None
    url_context_metadata: dict[str, Any] | None = None
    logprobs_result: dict[str, Any] | None = None


class PromptFeedback(msgspec.Struct, rename="camel"):
    block_reason: str | None = None
    safety_ratings: list[dict[str, Any]] | None = None


class WireError(msgspec.Struct, rename="camel"):
    code: int | None = None
    message: str | None = None
    status: str | None = None
    details: list[dict[str, Any]] | None = None


class ErrorBody(msgspec.Struct, rename="camel"):
    error: WireError | None = None


class Chunk(msgspec.Struct, rename="camel"):
    """A whole answer, or one piece of a streamed one."""

    candidates: list[Candidate] | None = None
    prompt_feedback: PromptFeedback | None = None
    usage_metadata: UsageMetadata | None = None
    model_version: str | None = None
    response_id: str | None = None
    error: WireError | None = None


_chunk = msgspec.json.Decoder(Chunk)


def chunk_of(data: bytes) -> Chunk | None:
    """None when it is none."""
    try:
        return _chunk.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
