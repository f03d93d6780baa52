"""A message's tokens by our own count, for models whose provider offers none in Anthropic's words.

Counted are texts, names, arguments and schemas, four bytes to a token as everywhere here, three tokens for each message
and a fixed number for each image, sound and document, whose size says little about its tokens. An estimate, and marked
as one: English text comes close, other scripts take more. Next file: `registry.py`.
"""

import base64
import binascii

import msgspec

from billing.core.pricing import Usage
from llm.core.conversation import Audio, Conversation, File, Image, Native, Part, Tool, ToolCall, ToolResult
from llm.core.dialects import anthropic_messages
from llm.core.dialects.translation import Outgoing
from llm.core.errors import InvalidRequest, ProviderError
from llm.core.operations import Attempt, StreamDecoder
from llm.core.operations.estimate import tokens_in
from llm.core.request_json import TOO_DEEP

PER_MESSAGE = 3
PER_IMAGE = 1_600
"""The most Anthropic takes for one. Source: https://docs.anthropic.com/en/docs/build-with-claude/vision"""
PER_DOCUMENT = 3_000
"""About one page of a PDF. Source: https://docs.anthropic.com/en/docs/build-with-claude/pdf-support"""
NEVER = "The gateway answers a count itself; nothing is sent."


class Counted:
    """A `Crossing` that the gateway answers itself: see `answer`."""

    stream_types: tuple[bytes, ...] = ()
    wants_bytes = False

    def answer(self, attempt: Attempt) -> bytes:
        """Raises InvalidRequest."""
        try:
            return msgspec.json.encode({"input_tokens": tokens(anthropic_messages.read(attempt.body))})
        except RecursionError:
            raise InvalidRequest(TOO_DEEP) from None

    def addresses(self, attempt: Attempt) -> tuple[str, ...]:
        return ()

    def encode(self, attempt: Attempt) -> Outgoing:
        raise AssertionError(NEVER)

    def decode(self, attempt: Attempt, body: bytes) -> tuple[bytes, Usage | None, tuple[str, ...]]:
        raise AssertionError(NEVER)

    def stream(self, attempt: Attempt) -> StreamDecoder:
        raise AssertionError(NEVER)

    def decode_error(self, attempt: Attempt, status: int, body: bytes) -> ProviderError:
        raise AssertionError(NEVER)


def tokens(conversation: Conversation) -> int:
    """Of a whole request."""
    written = fixed = 0
    for message in conversation.messages:
        fixed += PER_MESSAGE
        for part in message.parts:
            more, flat = _part(part)
            written, fixed = written + more, fixed + flat
    written += sum([_tool(tool) for tool in conversation.tools])
    return fixed + tokens_in(written)


def _part(part: Part) -> tuple[int, int]:
    """Bytes of text, and tokens that are not text."""
    if isinstance(part, Image):
        return 0, PER_IMAGE
    if isinstance(part, Audio):
        return 0, PER_DOCUMENT
    if isinstance(part, File):
        return _document(part)
    if isinstance(part, ToolCall):
        return _bytes(part.name) + _bytes(part.arguments), 0
    if isinstance(part, ToolResult):
        inner = [_part(one) for one in part.parts]
        return sum([more for more, _ in inner]), sum([flat for _, flat in inner])
    if isinstance(part, Native):
        return len(msgspec.json.encode(part.block)), 0
    return _bytes(part.text), 0


def _document(part: File) -> tuple[int, int]:
    if part.data is None or not (part.media_type or "").startswith("text/"):
        return 0, PER_DOCUMENT
    try:
        return len(base64.b64decode(part.data)), 0
    except binascii.Error:
        return len(part.data), 0


def _tool(tool: Tool) -> int:
    if tool.native is not None:
        return len(msgspec.json.encode(tool.native.block))
    return _bytes(tool.name) + _bytes(tool.description or "") + len(msgspec.json.encode(tool.parameters or {}))


def _bytes(text: str) -> int:
    return len(text.encode(errors="replace"))
