"""What Anthropic's wire has no place for, and what is done about it: `docs/reference/dialects.md` is made from this.

`DROPPED` are options left out and named in `x-circuit-breaker-dropped`; `REFUSED` are answered with 400 naming the
field; `CHANGED` says what arrives in another form. Next file: `encoding.py`, which keeps these rules.
"""

DROPPED = (
    "top_logprobs",
    "seed",
    "frequency_penalty",
    "presence_penalty",
    "logit_bias",
    "verbosity",
    "prediction",
    "store",
    "prompt_cache_key",
    "metadata",
)
REFUSED = {
    "n": "more than one choice",
    "logprobs": "log probabilities",
    "audio": "spoken answers",
    "modalities": "anything but text",
    "messages[].content": "sound, files other than PDF and plain text, images other than JPEG, PNG, GIF and WebP",
    "tools[].custom": "custom tools",
}
CHANGED = {
    "messages": "System and developer messages move to the top. Neighbours of one role become one turn, results of "
    "tools first. Empty text is left out. Names of authors, `detail` of images, citations, signatures and thinking "
    "of another provider are dropped, by name.",
    "max_tokens": "Required there: the model's own limit when the client gives none, else 4096.",
    "temperature": "Above 1 becomes 1, and is named as dropped. With thinking it is dropped, and so is `top_k`. "
    "Claude Opus 4.7 and newer models take neither these nor `top_p`: dropped, by name.",
    "top_p": "Dropped where `temperature` is given, too: newer models refuse both together. With thinking, below 0.95 "
    "it is dropped: refused.",
    "tools": "With `allowed_tools` only those are sent. `strict` is dropped on models without structured outputs.",
    "response_format": "A schema becomes `output_config.format` (every object closed with `additionalProperties: "
    "false`), and on models without it, as a JSON object without a schema everywhere, a tool of our own that the model "
    "must call; its arguments come back as the content.",
    "reasoning_effort": "`thinking` and `output_config.effort` on models that decide for themselves, a budget of "
    "tokens on earlier ones. Dropped where a tool is forced or the last calls carry no thinking: refused.",
    "thinking_budget": "Claude Opus 4.7 and newer take no budget: it becomes the least effort that holds it.",
    "user": "`metadata.user_id`; `safety_identifier` wins over it.",
    "web_search_options": "Anthropic's own web search.",
    "service_tier": "`auto` stays, `default` becomes `standard_only`, others are dropped.",
}

ANSWER_TOOL = "circuit_breaker_answer"
"""The tool of our own that a JSON answer comes back in."""
WITHOUT_SCHEMA = (
    "claude-2",
    "claude-3",
    "claude-sonnet-4-0",
    "claude-sonnet-4-2",
    "claude-opus-4-0",
    "claude-opus-4-2",
)
"""Models (by prefix) without `output_config.format`. Source: docs, build-with-claude/structured-outputs."""
WITHOUT_THINKING = ("claude-2", "claude-3-haiku", "claude-3-opus", "claude-3-sonnet", "claude-3-5")
WITH_BUDGET = (
    "claude-3-7",
    "claude-sonnet-4-0",
    "claude-sonnet-4-2",
    "claude-sonnet-4-5",
    "claude-opus-4-0",
    "claude-opus-4-1",
    "claude-opus-4-2",
    "claude-opus-4-5",
    "claude-haiku-4-5",
)
"""Models whose thinking takes a budget. Source: docs, build-with-claude/extended-thinking."""
ADAPTIVE_ONLY = (
    *("claude-opus-4-7", "claude-opus-4-8", "claude-opus-4-9", "claude-opus-5", "claude-sonnet-5", "claude-haiku-5"),
    *("claude-mythos", "claude-fable"),
)
"""Models that take neither sampling parameters, nor a budget, nor `disabled`. Sources: docs, migration-guide;
https://docs.aws.amazon.com/bedrock/latest/userguide/claude-messages-adaptive-thinking.html"""
MIN_TOP_P = 0.95
"""The least `top_p` beside thinking. Source: docs, build-with-claude/extended-thinking."""
BUDGETS = {"minimal": 1024, "low": 1024, "medium": 4096, "high": 16_384, "xhigh": 24_576, "max": 32_768}
EFFORTS = {"minimal": "low"}
"""Efforts that have another name there."""
