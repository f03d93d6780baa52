"""Gemini's generateContent wire, towards the provider: what `translation.Translator` asks for.

`rules.py` lists what it cannot take. Sources: https://ai.google.dev/api/generate-content and the types of Google's
Python SDK. Next file: `encoding.py`.
"""

from llm.core.dialects.google.decoding import decode, decode_error
from llm.core.dialects.google.encoding import encode
from llm.core.dialects.google.streaming import ContentDecoder

__all__ = ["credentials", "decode", "decode_error", "encode", "stream"]


def credentials(secret: str | None) -> dict[str, str]:
    return {} if secret is None else {"x-goog-api-key": secret}


def stream(seed: str, provider: str, secret: str | None, choices: int = 1) -> ContentDecoder:
    return ContentDecoder(seed, provider, secret, choices)
