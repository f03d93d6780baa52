"""Anthropic's messages at the door (`POST /v1/messages`): requests into the inner language, replies and streams out.

For Anthropic's own SDKs pointed at us, whichever provider answers. Next file: `reading.py`.
"""

from llm.core.dialects.anthropic_messages.reading import read
from llm.core.dialects.anthropic_messages.writing import EventWriter, write

__all__ = ["EventWriter", "read", "write"]
