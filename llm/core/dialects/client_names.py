"""What each client's wire calls the fields that providers' rules name in the words of OpenAI's chat.

Encoders refuse and drop by chat's names, each message and tool at the place where the client wrote it, and providers on
OpenAI's wires name fields in their errors: `of` gives the client its own names instead. One table a wire, all of them
here; a name that is not in it is the same there. Members that a wire's clients cannot send need no name. Next file:
`client_wires.py`.
"""

import re
from collections.abc import Mapping

HEAD = re.compile(r"(\w+)((?:\[\d*\])?(?:\.functionDeclarations\[\d*\])?)(.*)", re.DOTALL)
Tails = Mapping[str, str]


class Names:
    """One wire's words. `members` are top-level members and paths below them; `inside`, by the client's own name of a
    list of messages or tools, what follows the place of one of them."""

    __slots__ = ("_inside", "_members")

    def __init__(self, members: Mapping[str, str], inside: Mapping[str, Tails]) -> None:
        self._members = members
        self._inside = inside

    def of(self, name: str) -> str:
        """The client's name of a field."""
        found = HEAD.fullmatch(name)
        if found is None:
            return name
        head, place, tail = found.groups()
        own = self._members.get(head, head) if head == "messages" else head
        tails = self._inside.get(own)
        return _renamed(name, self._members) if tails is None else own + place + _renamed(tail, tails)


def _renamed(path: str, table: Mapping[str, str]) -> str:
    """The longest beginning that the table knows is replaced."""
    end = len(path)
    while end > 0:
        if path[:end] in table:
            return table[path[:end]] + path[end:]
        end = path.rfind(".", 0, end)
    return path


CHAT = Names(
    {
        "max_output_tokens": "max_tokens",
        "reasoning": "reasoning_effort",
        "reasoning.effort": "reasoning_effort",
        "text": "response_format",
        "text.format": "response_format",
        "text.verbosity": "verbosity",
    },
    {},
)
"""OpenAI's chat: these are what a provider that knows only responses names in its errors."""
MESSAGES = Names(
    {
        "stop": "stop_sequences",
        "max_completion_tokens": "max_tokens",
        "max_output_tokens": "max_tokens",
        "reasoning_effort": "output_config.effort",
        "thinking_budget": "thinking",
        "response_format": "output_config.format",
        "response_format.json_schema": "output_config.format",
        "parallel_tool_calls": "tool_choice.disable_parallel_tool_use",
        "user": "metadata.user_id",
        "web_search_options": "tools",
    },
    {
        "system": {".content": ""},
        "messages": {
            ".tool_calls": ".content",
            ".tool_calls[].cache_control": ".content[].cache_control",
            ".tool_call_id": ".content[].tool_use_id",
            ".annotations": ".content[].citations",
            ".reasoning_content": ".content[].thinking",
            ".reasoning_details": ".content[].signature",
            ".content[].file.filename": ".content[].title",
        },
        "tools": {".function": "", ".function.parameters": ".input_schema"},
    },
)
"""Anthropic's messages."""
CONTENTS = Names(
    {
        "messages": "contents",
        **{
            name: f"generationConfig.{theirs}"
            for name, theirs in {
                "temperature": "temperature",
                "top_p": "topP",
                "top_k": "topK",
                "max_tokens": "maxOutputTokens",
                "max_completion_tokens": "maxOutputTokens",
                "max_output_tokens": "maxOutputTokens",
                "n": "candidateCount",
                "seed": "seed",
                "presence_penalty": "presencePenalty",
                "frequency_penalty": "frequencyPenalty",
                "logprobs": "responseLogprobs",
                "top_logprobs": "logprobs",
                "stop": "stopSequences",
                "modalities": "responseModalities",
                "reasoning_effort": "thinkingConfig.thinkingLevel",
                "thinking_budget": "thinkingConfig.thinkingBudget",
                "response_format": "responseSchema",
                "response_format.json_schema.schema": "responseSchema",
            }.items()
        },
        "web_search_options": "tools",
        "tool_choice": "toolConfig.functionCallingConfig",
    },
    {
        "systemInstruction": {".content": "", ".extra_content": ".parts[].thoughtSignature"},
        "contents": {
            ".content": ".parts",
            ".content[].is_error": ".parts[].functionResponse.response.error",
            ".tool_calls": ".parts[].functionCall",
            ".tool_calls[].extra_content": ".parts[].thoughtSignature",
            ".tool_call_id": ".parts[].functionResponse",
            ".reasoning_content": ".parts[].thought",
            ".reasoning_details": ".parts[].thoughtSignature",
            ".extra_content": ".parts[].thoughtSignature",
        },
        "tools": {".function": ""},
    },
)
"""Gemini's generateContent."""
RESPONSES = Names(
    {
        "messages": "input",
        "max_tokens": "max_output_tokens",
        "max_completion_tokens": "max_output_tokens",
        "reasoning_effort": "reasoning.effort",
        "response_format": "text.format",
        "response_format.json_schema": "text.format",
        "verbosity": "text.verbosity",
        "logprobs": "include",
        "web_search_options": "tools",
        "web_search_options.search_context_size": "tools[].search_context_size",
    },
    {
        "instructions": {".content": ""},
        "input": {
            ".content": "",
            ".content[].image_url.detail": ".content[].detail",
            ".content[].file.filename": ".content[].filename",
            ".tool_calls": "",
            ".tool_calls[].extra_content": ".extra_content",
            ".tool_call_id": ".call_id",
            ".annotations": ".content[].annotations",
            ".reasoning_content": ".summary",
            ".reasoning_details": ".encrypted_content",
            ".extra_content": ".content[].extra_content",
        },
        "tools": {".function": "", ".custom": ""},
    },
)
"""OpenAI's responses: a message's content is an item, or part of one, and so is a call."""
