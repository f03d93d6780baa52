"""OpenAI's responses at the door (`POST /v1/responses`): requests into the inner language, replies and streams out.

For providers that know no responses of their own; to those that do, `../openai.py` passes the bytes. `rules.py` says
what only they can do. Next file: `reading.py`.
"""

from llm.core.dialects.openai_responses.answer import Echo, Head, error_event, write
from llm.core.dialects.openai_responses.events import EventWriter
from llm.core.dialects.openai_responses.reading import read

__all__ = ["Echo", "EventWriter", "Head", "error_event", "read", "write"]
