"""What each wire cannot say, as a page: `docs/reference/dialects.md` is this text, and a test compares the two.

`python -m llm.core.dialects.rule_tables > docs/reference/dialects.md` writes it. Next file: `translation.py`.
"""

import sys
from types import ModuleType

from llm.core.dialects.anthropic import rules as anthropic
from llm.core.dialects.google import rules as google
from llm.core.dialects.ollama import rules as ollama
from llm.core.dialects.openai_chat import rules as openai_chat
from llm.core.dialects.openai_responses import provider_rules
from llm.core.dialects.openai_responses import rules as openai_responses

RULES: dict[str, tuple[str, ModuleType]] = {
    "anthropic": ("Anthropic messages", anthropic),
    "google": ("Gemini generateContent", google),
    "ollama": ("Ollama chat", ollama),
    "openai_chat": ("OpenAI chat, from clients of other wires", openai_chat),
    "openai_responses": ("OpenAI responses, from clients of other wires", provider_rules),
    "openai_responses_clients": ("OpenAI responses, at providers that know only chat", openai_responses),
}

HEAD = """# Dialects: what becomes of a request on another wire

<!-- Made from llm/core/dialects/*/rules.py by `python -m llm.core.dialects.rule_tables`; do not edit here. -->

A request in OpenAI's shape may go to a provider that speaks another wire. Nothing is lost in silence: what a wire
cannot say is refused with status 400 naming the field (`code: unsupported_by_provider`), or, where it is a hint only,
left out and named in the header `x-circuit-breaker-dropped`. So are fields that nobody here knows. Requests to
`/v1/messages`, `/v1/responses` and `:generateContent` go by the same rules, and are told of their own fields by
their own names.

Of an answer, what the client's wire has no place for is named in the same header with `reply.` before it
(`reply.image`: Anthropic's messages cannot hold an image that Gemini made). The head of a stream has left by then:
there the names stand in a comment line, `: x-circuit-breaker-dropped: reply.image`, in front of the last events.
"""


def page() -> str:
    """The whole page."""
    return HEAD + "".join([_section(title, rules) for title, rules in RULES.values()])


def _section(title: str, rules: ModuleType) -> str:
    refused = "".join([f"| `{field}` | {what} |\n" for field, what in rules.REFUSED.items()])
    changed = "".join([f"| `{field}` | {what} |\n" for field, what in rules.CHANGED.items()])
    dropped = ", ".join([f"`{name}`" for name in rules.DROPPED])
    return (
        f"\n## {title}\n\nRefused:\n\n| Field | What |\n|---|---|\n{refused}"
        f"\nDropped, by name: {dropped}.\n\nChanged:\n\n| Field | How |\n|---|---|\n{changed}"
    )


if __name__ == "__main__":
    sys.stdout.write(page())
