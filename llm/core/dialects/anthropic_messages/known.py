"""The members of a messages request that `reading.py` reads, for `../strange.py`.

Kinds of blocks and tools that stay `Native` are not here.
Source: https://docs.anthropic.com/en/api/messages. Next file: `writing.py`.
"""

from llm.core.dialects.strange import ByType, Known

CACHE = Known("type", "ttl")
SOURCE = Known("type", "data", "media_type", "url", "file_id", "content")
BLOCKS: dict[str, Known] = {
    "text": Known("type", "text", "citations", cache_control=CACHE),
    "image": Known("type", source=SOURCE, cache_control=CACHE),
    "document": Known("type", "title", source=SOURCE, citations=Known(), cache_control=CACHE),
    "thinking": Known("type", "thinking", "signature"),
    "redacted_thinking": Known("type", "data"),
    "tool_use": Known("type", "id", "name", "input", cache_control=CACHE),
}
CONTENT = ByType(BLOCKS)
BLOCKS["tool_result"] = Known("type", "tool_use_id", "is_error", content=CONTENT, cache_control=CACHE)
TOOL = Known("type", "name", "description", "input_schema", "strict", cache_control=CACHE)
REQUEST = Known(
    *("model", "max_tokens", "stop_sequences", "stream", "temperature", "top_p", "top_k", "service_tier"),
    "circuit_breaker",
    usage=Known("include"),
    messages=Known("role", content=CONTENT),
    system=CONTENT,
    tools=ByType({"custom": TOOL}, "custom"),
    tool_choice=Known("type", "name", "disable_parallel_tool_use"),
    metadata=Known("user_id"),
    thinking=Known("type", "budget_tokens"),
    output_config=Known("effort", format=Known("type", "schema")),
)
