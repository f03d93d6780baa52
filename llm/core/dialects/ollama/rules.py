"""What Ollama's wire has no place for, and what is done about it: `docs/reference/dialects.md` is made from this.

`DROPPED` are options left out and named in `x-circuit-breaker-dropped`; `REFUSED` are answered with 400 naming the
field; `CHANGED` says what arrives in another form. Next file: `encoding.py`, which keeps these rules.
"""

DROPPED = (
    "logit_bias",
    "parallel_tool_calls",
    "verbosity",
    "prediction",
    "service_tier",
    "store",
    "user",
    "safety_identifier",
    "prompt_cache_key",
    "metadata",
)
REFUSED = {
    "n": "more than one choice",
    "audio": "spoken answers",
    "modalities": "anything but text",
    "web_search_options": "web search",
    "tool_choice": "a forced tool: Ollama leaves the choice to the model",
    "tools[].custom": "custom tools",
    "messages[].content": "sound and files",
}
CHANGED = {
    "messages[].content": "Images given by address are fetched by the gateway, as Ollama takes bytes only.",
    "messages": "Developer messages are system messages. Texts of one message are joined. Marks for the cache, names "
    "of authors, `detail` of images, citations of earlier answers, Gemini's signatures and the seals of thinking are "
    "dropped, by name; its text is sent.",
    "messages[].tool_call_id": "Results go by the name of the tool.",
    "tool_choice": "`none` sends no tools; `allowed_tools` sends only those.",
    "max_tokens": "`options.num_predict`. `options.num_ctx` is set to the model's context window where it is known: "
    "Ollama would cut longer prompts in silence.",
    "response_format": "`format`: a schema, or `json`.",
    "reasoning_effort": "`think`: true or false; the effort itself for gpt-oss, which knows three.",
}
EFFORTS = {"minimal": "low", "low": "low", "medium": "medium"}
"""All above is `high`."""
WITH_EFFORT = "gpt-oss"
