"""What OpenAI's chat has no place for, where it is the provider's wire: `docs/reference/dialects.md` is made from this.

`DROPPED` are left out and named in `x-circuit-breaker-dropped`; `REFUSED` are answered with 400 naming the field;
`CHANGED` says what arrives in another form. `OF_OTHERS` in `llm/core/providers.py` are the members that the rows of
OpenAI and Azure refuse. Next file: `decoding.py`.
"""

DROPPED = (
    "thinking_budget",
    "messages[].content[].is_error",
    "messages[].annotations",
    "messages[].tool_calls[].cache_control",
)
REFUSED = {
    "tools[]": "tools that another provider runs",
}
CHANGED = {
    "messages": "Results of tools become messages of their own, before the user's words. Blocks that only another "
    "provider knows are dropped, by name. A mark for the cache on a whole result is dropped, by name.",
    "max_tokens": "`max_completion_tokens` for reasoning models.",
    "thinking_budget": "Dropped where no effort is given; the effort is sent.",
    "top_k": (
        "Sent to providers that take it. OpenAI and Azure refuse it: dropped, by name. A client of OpenAI's own wire "
        "that sends it to a provider of that wire is not second-guessed: it passes."
    ),
    "cache_control": "On parts of messages and on tools, as OpenRouter takes it. OpenAI and Azure keep their cache by "
    "themselves and refuse the mark: dropped, by name.",
    "messages[].reasoning_content": "The text of earlier thinking, with `reasoning_details` for its seals. A seal that "
    "Anthropic, Gemini or OpenAI's responses gave is never sent, and is named; its text is. OpenAI and Azure take "
    "neither: dropped, by name.",
    "messages[].extra_content": "Gemini's signatures, for its address on OpenAI's wire. OpenAI and Azure: dropped, by "
    "name.",
    "stream_options": "Usage is always asked for, where the provider can tell it.",
}
