"""Gemini's `usageMetadata` in disjoint buckets: for answers that pass as bytes, and for those that are translated.

Source: https://ai.google.dev/api/generate-content#UsageMetadata. Next file: `estimate.py`.
"""

import msgspec

from billing.core.pricing import Usage
from llm.core.buckets import count, in_buckets


class ModalityCount(msgspec.Struct, rename="camel"):
    modality: str = ""
    token_count: int | None = None


class UsageMetadata(msgspec.Struct, rename="camel"):
    prompt_token_count: int | None = None
    tool_use_prompt_token_count: int | None = None
    cached_content_token_count: int | None = None
    candidates_token_count: int | None = None
    thoughts_token_count: int | None = None
    prompt_tokens_details: list[ModalityCount] | None = None
    cache_tokens_details: list[ModalityCount] | None = None
    candidates_tokens_details: list[ModalityCount] | None = None


def usage_of(wire: UsageMetadata) -> Usage:
    """Prompt counts hold the cached ones; thoughts are counted beside the candidates. Cached sound counts as cached."""
    thoughts = count(wire.thoughts_token_count)
    usage = in_buckets(
        count(wire.prompt_token_count) + count(wire.tool_use_prompt_token_count),
        count(wire.candidates_token_count) + thoughts,
        cached=count(wire.cached_content_token_count),
        heard=_sound(wire.prompt_tokens_details) - _sound(wire.cache_tokens_details),
        reasoning=thoughts,
        spoken=_sound(wire.candidates_tokens_details),
    )
    assert usage is not None  # no count is negative
    return usage


def _sound(details: list[ModalityCount] | None) -> int:
    if not details:  # the usual case
        return 0
    return sum([count(detail.token_count) for detail in details if detail.modality == "AUDIO"])
