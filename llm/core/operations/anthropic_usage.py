"""Anthropic's `usage` object in disjoint buckets: for answers that pass as bytes, and for those that are translated.

Source: https://docs.anthropic.com/en/api/messages (usage). Next file: `gemini_usage.py`.
"""

from typing import Any

import msgspec

from billing.core.pricing import Usage
from llm.core.buckets import count


class CacheCreation(msgspec.Struct):
    """How long what was written is kept: five minutes, or an hour."""

    ephemeral_5m_input_tokens: int | None = None
    ephemeral_1h_input_tokens: int | None = None


class ServerToolUse(msgspec.Struct):
    web_search_requests: int | None = None


class WireUsage(msgspec.Struct):
    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    output_tokens_details: dict[str, Any] | None = None
    cache_creation: CacheCreation | None = None
    server_tool_use: ServerToolUse | None = None


def usage_of(wire: WireUsage | None) -> Usage | None:
    """Anthropic's input, cache reads and cache writes are disjoint already; of the writes it says which are for long.

    Source: https://docs.anthropic.com/en/docs/build-with-claude/prompt-caching#tracking-cache-performance
    """
    if wire is None or wire.input_tokens is None:
        return None
    output = count(wire.output_tokens)
    reasoning = min(count((wire.output_tokens_details or {}).get("thinking_tokens")), output)
    written, kept = count(wire.cache_creation_input_tokens), wire.cache_creation
    hour = count(kept.ephemeral_1h_input_tokens) if kept is not None else 0
    if kept is not None and wire.cache_creation_input_tokens is None:
        written = count(kept.ephemeral_5m_input_tokens) + hour
    hour = min(hour, written)
    return Usage(
        input=count(wire.input_tokens),
        cached_input=count(wire.cache_read_input_tokens),
        cache_write=written - hour,
        output=output - reasoning,
        reasoning=reasoning,
        cache_write_1h=hour,
        web_searches=count(wire.server_tool_use.web_search_requests) if wire.server_tool_use is not None else 0,
    )
