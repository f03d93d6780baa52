"""Replies made of choices, whole and streamed: what chat completions and legacy completions have in common.

Whole replies: only `usage` is read. Streams: blocks of events go on as they came after one C-speed search; only the
few events that hold usage, an error, a finish reason or `[DONE]` are looked into. `[DONE]` itself is held back.
"""

import re

import msgspec
from msgspec import Raw

from billing.core.pricing import Usage
from llm.core import sse
from llm.core.errors import LlmError, ProviderBroken, ProviderError
from llm.core.errors import body as error_body
from llm.core.operations.estimate import tokens_in, tokens_written
from llm.core.operations.members import given
from llm.core.operations.operation import Attempt, DecodeError
from llm.core.operations.passing import PassedEvents
from llm.core.operations.usage import WireUsage, buckets, in_buckets, with_cost

NOTEWORTHY = re.compile(rb'"usage"\s*:\s*\{|\[DONE\]|"error"\s*:\s*[\{"]|"finish_reason"\s*:\s*"')

SMALL_BLOCK = 2048
"""Bytes of events that are read one by one rather than halved again; and how much of a large block's end always is."""
LARGE_BLOCK = 8192


def noteworthy(block: bytes) -> bool:
    """Whether NOTEWORTHY may match: never False where it does. Plain searches, many times as fast as the expression.

    Providers write members that say nothing as `"usage":null`; where one is written otherwise, each event is read.
    """
    return (
        b"[DONE]" in block
        or b'"error"' in block
        or block.count(b'"finish_reason"') != block.count(b'"finish_reason":null')
        or block.count(b'"usage"') != block.count(b'"usage":null')
    )


def noteworthy_inside(block: bytes) -> bool:
    """The same for all but the end of a large block, where a provider is sending faster than anybody reads.

    Each look goes through tens of kilobytes, so it is only for what is written as providers write streams, without
    spaces. What else stands here passes on to the client, and of finish reasons and usage the last of a stream counts,
    which stands at the end of a block.
    """
    return b"[DONE]" in block or b'"error"' in block or b'"finish_reason":"' in block or b'"usage":{' in block


class Reply(msgspec.Struct):
    """What is read of a whole answer."""

    choices: Raw
    usage: WireUsage | None = None


class DoubtfulReply(msgspec.Struct):
    """The same, when the usage is none we can read."""

    choices: list[Raw]


class Chunk(msgspec.Struct):
    """What is read of a streamed event that may matter."""

    choices: list[dict[str, Raw]] | None = None
    usage: Raw = Raw()
    error: Raw = Raw()


_reply = msgspec.json.Decoder(Reply)
_doubtful_reply = msgspec.json.Decoder(DoubtfulReply)
_chunk = msgspec.json.Decoder(Chunk)


def read_usage(body: bytes) -> Usage | None:
    """See `Operation`."""
    try:
        usage = _reply.decode(body).usage
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        try:
            _doubtful_reply.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise ProviderBroken("The provider answered 200 with something that is no completion.") from None
        return None
    return None if usage is None else buckets(usage)


def estimate_output(body: bytes) -> int:
    """See `Operation`."""
    return tokens_written(msgspec.json.decode(body)["choices"])


class Chunks(PassedEvents):
    """A `StreamDecoder`."""

    estimated = False
    __slots__ = (
        "_attempt",
        "_decode_error",
        "_wants_usage",
        "bytes_out",
        "done",
        "ending",
        "error",
        "events",
        "finished",
        "first",
        "usage",
    )

    def __init__(self, attempt: Attempt, decode_error: DecodeError) -> None:
        super().__init__()
        self._attempt = attempt
        self._decode_error = decode_error
        self._wants_usage = attempt.request.wants_usage
        self.usage: Usage | None = None
        self.done = False
        self.finished = False
        self.error: ProviderError | None = None
        self.ending = sse.DONE
        self.events = 0
        self.bytes_out = 0
        self.first = 0
        """Bytes of the first event: what an event costs without content, nearly."""

    def estimate_output(self) -> int:
        """Four bytes of content to a token, and at least a token for each event but the first and the last."""
        content = self.bytes_out - self.events * self.first
        empty = 2 if self.done or self.finished else 1
        return max(self.events - empty, tokens_in(content), 0)

    def failure(self, error: LlmError) -> bytes:
        return b"data: " + error_body(error) + b"\n\n"

    def _pass(self, block: bytes) -> bytes:
        block = self._sift(block)
        if block:
            size = len(block) - (0 if self.first else _about_the_prompt(block))
            if not size:
                return block
            if self.first and size > LARGE_BLOCK:  # only for the estimate: not worth another look
                events = size // self.first
            else:
                events = block.count(b"\n\n") + (block.count(b"\n\r\n") if b"\r" in block else 0)
                events -= size < len(block)
                self.first = self.first or size // max(events, 1)
            self.events += events
            self.bytes_out += size
        return block

    def _sift(self, block: bytes) -> bytes:
        """What of a block goes to the client. A half without anything to note is not looked into."""
        if len(block) > LARGE_BLOCK:
            end = block.rfind(b"\n\n", 0, len(block) - SMALL_BLOCK) + 2
            if end > 1 and not noteworthy_inside(block[:end]):
                tail = self._sift(block[end:])
                return block if len(tail) == len(block) - end else block[:end] + tail
        if not noteworthy(block):
            return block
        middle = block.rfind(b"\n\n", 0, len(block) // 2) + 2 if len(block) > SMALL_BLOCK else 0
        if middle > 1:
            return self._sift(block[:middle]) + self._sift(block[middle:])
        return b"".join([self._look_at(event, data) for event, data in sse.events(block)])

    def _look_at(self, event: bytes, data: bytes) -> bytes:
        """Note what one event says; what of it goes to the client."""
        if data == b"[DONE]":
            self.done = True
            return b""
        if not data or NOTEWORTHY.search(data) is None:
            return event
        try:
            chunk = _chunk.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return event
        if given(chunk.error):
            self.error = self._decode_error(self._attempt, 502, data)
            return b""  # the gateway says it in its own words, without what might be in the provider's
        found = in_buckets(chunk.usage)
        self.usage = found or self.usage
        if chunk.choices and any(bytes(choice.get("finish_reason", b"null")) != b"null" for choice in chunk.choices):
            self.finished = True
        if not chunk.choices and given(chunk.usage) and not self._wants_usage:
            return b""
        if found is not None and self._attempt.request.wants_cost:
            return b"data: " + with_cost(data, found, self._attempt) + b"\n\n"
        return event


def _about_the_prompt(block: bytes) -> int:
    """Bytes of a first event without choices, as Azure sends it: nothing of it was written by the model."""
    end = block.find(b"\n\n") + 2
    return end if end > 1 and b'"choices":[]' in block[:end] else 0
