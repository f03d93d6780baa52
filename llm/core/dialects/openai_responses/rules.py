"""What becomes of the members of a responses request at a provider without responses of its own.

`REFUSED` are answered with 400 naming the member, unless another candidate can do them; `DROPPED` are left out and
named in `x-circuit-breaker-dropped`; `CHANGED` says what arrives in another form. What the provider's own wire cannot
say comes on top: its rules name chat's fields, `field` gives their names here. Next file: `reading.py`.
"""

REFUSED = {
    "previous_response_id": "answers that are remembered: send the conversation so far as `input`",
    "conversation": "conversations that are kept: send the conversation so far as `input`",
    "prompt": "prompts that are kept at OpenAI",
    "input[].item_reference": "items by reference: send them whole",
    "tools[]": "tools that OpenAI runs itself (file search, computer use, code interpreter, MCP, shell, "
    "image generation)",
    "background": "answers that are fetched later (refused for every provider)",
}
DROPPED = (
    "max_tool_calls",
    "truncation",
    "prompt_cache_retention",
    "context_management",
    "include",
    "input[] of tools that OpenAI runs itself",
)
CHANGED = {
    "instructions": "A system message before all others.",
    "input": "Reasoning, messages and calls that follow one another become one message of the assistant. `id`, "
    "`status`, `phase` and `caller` of items say nothing to another provider and are not sent on. Members that have no "
    "place are named as dropped: log probabilities and sources that are no addresses in an earlier answer, a second "
    "address of one file.",
    "input[].reasoning": "Goes back to the provider that sealed it: `encrypted_content` holds its seal with its name. "
    "Another provider gets none of it, and it is named as dropped.",
    "include": "`message.output_text.logprobs` asks for log probabilities; `reasoning.encrypted_content` is "
    "always given.",
    "tools[].web_search": "The provider's own web search, where it has one.",
    "tools[].strict": "Left as the client gave it; OpenAI takes true where it is left out.",
    "reasoning.summary": "What the provider shows of its thinking comes as the summary, asked for or not.",
    "store": "Nothing is kept: the answer says `store: false`, and an explicit value is named as dropped.",
    "stream_options.include_obfuscation": "Padding against eavesdroppers: only OpenAI itself makes it.",
}
