"""Ollama's own chat wire, towards the provider: what `translation.Translator` asks for.

`rules.py` lists what it cannot take. Sources: https://github.com/ollama/ollama/blob/main/docs/api.md and the types of
Ollama's Python SDK. Next file: `encoding.py`.
"""

from llm.core.dialects.ollama.decoding import LineDecoder, decode, decode_error
from llm.core.dialects.ollama.encoding import encode

__all__ = ["credentials", "decode", "decode_error", "encode", "stream"]


def credentials(secret: str | None) -> dict[str, str]:
    """A local server asks for none; Ollama's own cloud, and proxies before a server, take a bearer key."""
    return {} if secret is None else {"authorization": f"Bearer {secret}"}


def stream(seed: str, provider: str, secret: str | None, choices: int = 1) -> LineDecoder:
    return LineDecoder(seed, provider, secret)
