"""A crossing between two wires: the client's request through the inner language to the provider's wire, and back.

It is made of the client's side (client_wires.py) and the provider's (a `Translator`), so each wire is written once,
whichever others it meets. Pure, like both. Of an answer that is cut off, what was written until then is estimated
where the provider counts it only at the end; what it reported of the request stays. Next file: `registry.py`.
"""

import re
from collections.abc import Callable, Iterable

import msgspec
from msgspec import UNSET

from billing.core.pricing import Usage
from llm.core.conversation import Conversation, Image, Part, ToolResult
from llm.core.deltas import ArgumentsDelta, Delta, Finished, RefusalDelta, TextDelta, ThinkingDelta
from llm.core.deployment import header_value
from llm.core.dialects.client_names import Names
from llm.core.dialects.client_wires import ClientWire, DeltaWriter
from llm.core.dialects.crossing import EVENT_STREAM
from llm.core.dialects.translation import DeltaDecoder, Outgoing, Target, Translator
from llm.core.errors import UNSUPPORTED, InvalidRequest, LlmError, ProviderError, redact_error
from llm.core.operations import Attempt
from llm.core.operations.estimate import tokens_in
from llm.core.operations.usage import with_cost
from llm.core.request_json import TOO_DEEP

MAX_DROPPED_BYTES = 1_000
NUMBER = re.compile(r"\[\d+\]")
DROPPED = b": x-circuit-breaker-dropped: %b\n"
"""A comment in front of a stream's last events: its head had left when the answer turned out to hold such things."""


def stays_an_address(url: str) -> bool:
    """No image's address is passed on by a wire that takes bytes only."""
    return False


class Bridge:
    """A `Crossing`."""

    def __init__(
        self,
        translator: Translator,
        client: ClientWire,
        *,
        stream_types: tuple[bytes, ...] = (EVENT_STREAM,),
        wants_bytes: bool = False,
        stays: Callable[[str], bool] = stays_an_address,
        adapt: Callable[[Attempt, Outgoing], Outgoing] | None = None,
    ) -> None:
        """`stays`: addresses that the provider itself knows, where it else wants bytes. `adapt`: what of a request
        depends on the provider's row, not on its wire alone."""
        self.stream_types = stream_types
        self.wants_bytes = wants_bytes
        self._translator = translator
        self._client = client
        self._stays = stays
        self._adapt = adapt

    def addresses(self, attempt: Attempt) -> tuple[str, ...]:
        if not self.wants_bytes or b"http" not in attempt.body or b"image" not in attempt.body:
            return ()
        found = [image.url for image in _images(self._read(attempt)) if image.url is not None]
        return tuple(dict.fromkeys([url for url in found if not self._stays(url)]))

    def encode(self, attempt: Attempt) -> Outgoing:
        conversation = self._read(attempt)
        if attempt.images:
            conversation = _with_bytes(conversation, attempt.images)
        model = attempt.deployment.model
        provider = attempt.deployment.provider
        refused = frozenset(
            [*provider.leaves_out, *(name for name, other in provider.members.items() if other is None)]
        )
        target = Target(model.upstream, model.max_output_tokens, model.context_window, refused)
        try:
            outgoing = self._translator.encode(conversation, target)
            if self._adapt is not None:
                outgoing = self._adapt(attempt, outgoing)
        except InvalidRequest as error:
            raise self._in_the_clients_words(error) from None
        except RecursionError:
            raise InvalidRequest(TOO_DEEP) from None
        headers = outgoing.headers
        headers.pop("content-type", None)  # every request to a provider has it
        theirs = frozenset(conversation.unknown)  # named by the client's wire itself
        dropped = dict.fromkeys([name if name in theirs else self._client.names.of(name) for name in outgoing.dropped])
        return Outgoing(outgoing.path, headers, outgoing.body, tuple(dropped))

    def _read(self, attempt: Attempt) -> Conversation:
        try:
            return self._client.read(attempt.body)
        except RecursionError:
            raise InvalidRequest(TOO_DEEP) from None

    def _in_the_clients_words(self, error: InvalidRequest) -> InvalidRequest:
        """The refusal with the client's own name of the field."""
        named = error.param
        if named is not None:
            error.param = self._client.names.of(named)
            error.message = error.message.replace(f"`{named}", f"`{error.param}", 1)
        return error

    def decode(self, attempt: Attempt, body: bytes) -> tuple[bytes, Usage | None, tuple[str, ...]]:
        try:
            reply = self._translator.decode(body, attempt.id)
        except ProviderError as error:
            _tell(error, attempt, self._client.names)
            raise
        written, dropped = self._client.write(attempt, reply)
        if attempt.request.usage is not UNSET and attempt.request.wants_cost:
            written = with_cost(written, reply.usage, attempt, self._client.usage_member)
        return written, reply.usage, dropped

    def stream(self, attempt: Attempt) -> "BridgedStream":
        deltas = self._translator.stream(attempt.id, attempt.provider, attempt.secret, attempt.request.choices)
        return BridgedStream(attempt, deltas, self._client.writer(attempt), self._client.names)

    def decode_error(self, attempt: Attempt, status: int, body: bytes) -> ProviderError:
        error = self._translator.decode_error(status, body, attempt.provider, attempt.secret)
        _tell(error, attempt, self._client.names)
        return error


def _tell(error: ProviderError, attempt: Attempt, names: Names) -> None:
    """A provider's error for the client: without our key, and with the field by the client's name.

    Where among the messages it stands is not said: the provider's are not numbered as the client's.
    """
    redact_error(error, attempt.secret)
    if error.param is not None:
        error.param = names.of(NUMBER.sub("[]", error.param))


class BridgedStream:
    """A `StreamDecoder`."""

    __slots__ = (
        "_attempt",
        "_deltas",
        "_ended",
        "_ending",
        "_letters",
        "_names",
        "_pieces",
        "_sent",
        "_writer",
        "done",
    )

    def __init__(self, attempt: Attempt, deltas: DeltaDecoder, writer: DeltaWriter, names: Names) -> None:
        self._attempt = attempt
        self._deltas = deltas
        self._writer = writer
        self._names = names
        self._pieces = self._letters = self._ended = 0
        self._sent = self.done = False
        self._ending: bytes | None = None

    @property
    def ending(self) -> bytes:
        if self._ending is None:
            ending = self._writer.finish()
            dropped = self._writer.dropped
            self._ending = DROPPED % comment(dropped) + ending if dropped else ending
        return self._ending

    @property
    def error(self) -> ProviderError | None:
        if self._deltas.error is not None:
            _tell(self._deltas.error, self._attempt, self._names)
        return self._deltas.error

    @property
    def finished(self) -> bool:
        """Every choice has said why it ended: nothing is missing but the wire's own mark."""
        return self._ended >= self._attempt.request.choices

    @property
    def estimated(self) -> bool:
        """Whether `usage` is in part our own estimate: the answer was cut off before its last count."""
        return self._deltas.usage is not None and not self.done and not self.finished

    @property
    def usage(self) -> Usage | None:
        known = self._deltas.usage
        if known is None or not self.estimated:
            return known
        written = self.estimate_output() - known.reasoning - known.audio_output
        return msgspec.structs.replace(known, output=max(written, known.output))

    def feed(self, data: bytes) -> bytes:
        return self._pass(self._deltas.feed(data))

    def finish(self) -> bytes:
        """What is left; an answer without any content has its first event only now."""
        block = self._pass(self._deltas.finish())
        complete = (self.done or self.finished) and self._deltas.error is None
        if self._sent or not complete:
            return block
        first, end, self._ending = self.ending.partition(b"\n\n")
        return block + first + end

    def estimate_output(self) -> int:
        """Four letters of content to a token, and at least a token for each piece."""
        return max(self._pieces, tokens_in(self._letters))

    def failure(self, error: LlmError) -> bytes:
        return self._writer.failure(error)

    def _pass(self, deltas: list[Delta]) -> bytes:
        for delta in deltas:
            if isinstance(delta, TextDelta | ArgumentsDelta | ThinkingDelta | RefusalDelta):
                self._pieces += 1
                self._letters += len(delta.text)
            elif isinstance(delta, Finished):
                self._ended += 1
        self.done = self._deltas.done
        block = self._writer.write(deltas) if deltas else b""
        self._sent = self._sent or bool(block)
        return block


def comment(names: tuple[str, ...]) -> bytes:
    """Names as they may stand in a header or a comment; they may be others' words, so they are cleaned and cut."""
    return header_value(", ".join(names)[:MAX_DROPPED_BYTES])


def _images(conversation: Conversation) -> Iterable[Image]:
    for message in conversation.messages:
        for part in message.parts:
            if isinstance(part, Image):
                yield part
            elif isinstance(part, ToolResult):
                yield from (inner for inner in part.parts if isinstance(inner, Image))


def _with_bytes(conversation: Conversation, images: dict[str, tuple[str, str]]) -> Conversation:
    """The same, with the bytes of the images that were fetched."""

    def seen(part: Part) -> Part:
        if isinstance(part, Image) and part.url in images:
            media_type, data = images[part.url]
            return msgspec.structs.replace(part, url=None, data=data, media_type=media_type)
        if isinstance(part, ToolResult):
            return msgspec.structs.replace(part, parts=tuple([seen(inner) for inner in part.parts]))
        return part

    messages = [
        msgspec.structs.replace(message, parts=tuple([seen(part) for part in message.parts]))
        for message in conversation.messages
    ]
    return msgspec.structs.replace(conversation, messages=tuple(messages))


def unsupported(error: InvalidRequest) -> bool:
    """Whether another candidate may do what this one's wire cannot say."""
    return error.wire_code == UNSUPPORTED
