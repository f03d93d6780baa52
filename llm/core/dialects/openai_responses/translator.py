"""OpenAI's responses towards the provider, for clients of another wire: what `translation.Translator` asks for.

For models that OpenAI offers as responses only. Clients of this wire never pass here: `../openai.py` passes their
bytes. Next file: `encoding.py`.
"""

from llm.core.dialects.openai_chat.translator import credentials
from llm.core.dialects.openai_errors import decode_error
from llm.core.dialects.openai_responses.decoding import ResponseDecoder, decode
from llm.core.dialects.openai_responses.encoding import encode

__all__ = ["credentials", "decode", "decode_error", "encode", "stream"]


def stream(seed: str, provider: str, secret: str | None, choices: int = 1) -> ResponseDecoder:
    return ResponseDecoder(seed, provider, secret)
