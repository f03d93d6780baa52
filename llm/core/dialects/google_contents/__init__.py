"""Gemini's generateContent at the door (`POST /v1beta/models/{model}:generateContent`): requests in, replies out.

For Google's own SDKs pointed at us, whichever provider answers. Next file: `reading.py`.
"""

from llm.core.dialects.google_contents.reading import read
from llm.core.dialects.google_contents.writing import ChunkWriter, write

__all__ = ["ChunkWriter", "read", "write"]
