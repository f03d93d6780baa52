"""OpenAI's chat wire towards the provider, for clients of another wire: what `translation.Translator` asks for.

Clients of this wire never pass here: `../openai.py` passes their bytes. Next file: `encoding.py`.
"""

from llm.core.dialects.openai_chat.decoding import ChunkDecoder, decode
from llm.core.dialects.openai_chat.encoding import encode
from llm.core.dialects.openai_errors import decode_error

__all__ = ["credentials", "decode", "decode_error", "encode", "stream"]


def credentials(secret: str | None) -> dict[str, str]:
    """A provider with another header (Azure's `api-key`) says so in its row, not here."""
    return {} if secret is None else {"authorization": f"Bearer {secret}"}


def stream(seed: str, provider: str, secret: str | None, choices: int = 1) -> ChunkDecoder:
    return ChunkDecoder(seed, provider, secret)
