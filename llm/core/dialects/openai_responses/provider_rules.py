"""What OpenAI's responses have no place for, where they are the provider's wire: see `rules.py` for clients of it.

`docs/reference/dialects.md` is made from this. Next file: `encoding.py`, which keeps these rules.
"""

DROPPED = (
    "top_k",
    "seed",
    "frequency_penalty",
    "presence_penalty",
    "logit_bias",
    "prediction",
)
REFUSED = {
    "n": "more than one choice",
    "stop": "stop sequences",
    "audio": "spoken answers",
    "modalities": "anything but text",
    "messages[].content": "sound by the id of an earlier answer",
}
CHANGED = {
    "messages": "Messages, reasoning, calls and results become items. Marks for the cache, names of authors, Gemini's "
    "signatures and thinking sealed by another provider are dropped, by name.",
    "tools[].function.strict": "False where it is not given, as in chat: responses would take true.",
    "store": "False where it is not given, as in chat: responses would keep the answer.",
    "reasoning_effort": "`reasoning.effort`. Reasoning models are always asked for their sealed reasoning.",
    "thinking_budget": "Dropped where no effort is given.",
    "logprobs": "`include` of `message.output_text.logprobs`.",
    "web_search_options": "The tool `web_search`.",
}
