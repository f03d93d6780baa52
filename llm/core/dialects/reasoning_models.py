"""Which of OpenAI's models reason: they take `max_completion_tokens` only, and seal their reasoning.

Source: https://platform.openai.com/docs/guides/reasoning. Next file: `openai_chat/encoding.py`.
"""

import re

REASONING = re.compile(r"(?:.*/)?(?:o\d|gpt-5|codex)")


def reasons(model: str) -> bool:
    """By the provider's name of the model; a maker's name may stand before it."""
    return REASONING.match(model) is not None
