"""OpenAI's chat completions at the door: requests into the inner language, replies and streams out of it.

For providers that speak another wire. Towards providers that speak this one, `../openai.py` passes the bytes; for
clients of another wire, `translator.py` is this wire as the provider's. Next file: `wire.py`.
"""

from llm.core.dialects.openai_chat.chunks import ChunkWriter
from llm.core.dialects.openai_chat.reading import read
from llm.core.dialects.openai_chat.writing import usage_fields, write

__all__ = ["ChunkWriter", "read", "usage_fields", "write"]
