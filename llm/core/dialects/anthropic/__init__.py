"""Anthropic's messages wire, towards the provider: what `translation.Translator` asks for.

`rules.py` lists what it cannot take. Sources: https://docs.anthropic.com/en/api/messages (and /streaming, /errors), and
the types of Anthropic's Python SDK. Next file: `encoding.py`.
"""

from llm.core.dialects.anthropic.decoding import decode, decode_error
from llm.core.dialects.anthropic.encoding import encode
from llm.core.dialects.anthropic.streaming import MessageDecoder

__all__ = ["credentials", "decode", "decode_error", "encode", "stream"]


def credentials(secret: str | None) -> dict[str, str]:
    return {} if secret is None else {"x-api-key": secret}


def stream(seed: str, provider: str, secret: str | None, choices: int = 1) -> MessageDecoder:
    """`seed` is not needed: Anthropic names all its ids."""
    return MessageDecoder(provider, secret)
