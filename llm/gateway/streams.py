"""Answers that come in pieces: each block of events goes to the client as it came, and the call is settled at the end.

The head leaves with the first event, so that until then another candidate may still answer; only when none has come for
`head_seconds` does it leave with a comment. A slow client pauses the provider. A failure after the head goes in band,
as the operation says it (`StreamDecoder.failure`), and nothing follows it. A client that hangs up cancels the provider,
and what had come is settled; only if it asked for event ids does the stream go on for `grace_seconds`, in case it comes
back. Silence is filled with comments. The record is in the journal before the last event. Next file: `replay.py`.
"""

import time

from billing.core.usage import CallRecord, Outcome
from llm.core import sse, stream_wire
from llm.core.errors import InvalidRequest, LlmError, ProviderBroken, ProviderTimeout
from llm.core.operations import StreamDecoder
from llm.gateway.call import CLIENT_GONE, Call
from llm.gateway.gateway import Gateway
from llm.gateway.provider_connection import FOREVER, Cancelled, Reply

AFTER_DONE_SECONDS = 1.0
"""How long a provider may keep a connection busy after it has said that it is done."""
EVENT_STREAM = b"text/event-stream; charset=utf-8"
STREAM_HEADERS = b"cache-control: no-cache\r\nx-accel-buffering: no\r\n"
EVENT_IDS = stream_wire.EVENT_IDS.encode()
SETTLED = stream_wire.SETTLED.encode()
SWITCH = {b"1": True, b"true": True, b"0": False, b"false": False}
UNATTENDED_LIMIT = 1_000
"""Streams of one worker that go on without their client; the next one is cancelled at once."""
HUNG_UP = InvalidRequest(
    "The client that started this stream has hung up, so it was cancelled.", None, stream_wire.CANCELLED
)
NOT_WANTED = InvalidRequest("The stream was cancelled as asked for.", None, stream_wire.CANCELLED)


async def relay(call: Call, gateway: Gateway, types: tuple[bytes, ...]) -> None:
    """Pass one streamed answer on and settle it. Raises ProviderError while no event has reached the client."""
    reply, deployment, stream = call.reply, call.deployment, call.stream
    assert stream is not None
    decoder = stream.decoder
    assert decoder is not None
    assert reply is not None
    assert deployment is not None
    provider = deployment.provider.name
    if not (reply.header(b"content-type") or b"").lower().startswith(types):
        reply.cancel()  # or it would go on generating what nobody reads
        raise ProviderBroken(f"Provider {provider} answered a streaming request without a stream.")
    waited = time.perf_counter_ns()
    try:
        failure = await stream.run(provider, reply)
    finally:
        call.provider_ns += time.perf_counter_ns() - waited
    if failure is not None:
        call.name_provider(failure)
    _settle(call, gateway, failure, decoder)


class Relay:
    """One stream on its way, from the first attempt on. The provider's connection calls `_forward` directly: no task
    runs per event. Raises InvalidRequest when the client asks oddly for event ids."""

    __slots__ = (
        "_alone_since",
        "_call",
        "_exchange",
        "_gateway",
        "_loop",
        "_number",
        "_numbered",
        "_overhead_us",
        "_patience",
        "_paused",
        "_replay",
        "_reply",
        "_settled",
        "cancelled",
        "decoder",
        "unattended",
    )

    _reply: Reply

    def __init__(self, call: Call, gateway: Gateway) -> None:
        exchange = call.exchange
        wanted = exchange.fields.get(EVENT_IDS)
        self.decoder: StreamDecoder | None = None
        """Of the attempt under way."""
        self._numbered = False if wanted is None else _switch(wanted, stream_wire.EVENT_IDS)
        settled = exchange.fields.get(SETTLED)
        self._settled = False if settled is None else _switch(settled, stream_wire.SETTLED)
        self._call = call
        self._exchange = exchange
        self._gateway = gateway
        self._loop = gateway.loop
        self._patience = gateway.settings.request_timeout
        self._number = 0
        """Events sent, if they are numbered."""
        self._paused = False
        self.unattended = False
        """The client has gone, and may come back."""
        self.cancelled = False
        """Somebody who may read the stream wants no more of it."""
        self._alone_since = 0.0
        self._overhead_us = call.overhead_us()
        self._replay = gateway.replays.open(call.request_id, call.owner)
        self._replay.operation = call.operation.name
        self._replay.tick = self._tick
        self._replay.cancel = self.cancel
        if self._numbered:
            exchange.on_disconnect = self._hang_up

    async def run(self, provider: str, reply: Reply) -> LlmError | None:
        """Until the end; what went wrong after the first byte, or None. Raises what went wrong before it."""
        exchange, call, decoder = self._exchange, self._call, self.decoder
        assert decoder is not None
        self._reply = reply
        exchange.on_pause, exchange.on_resume = self._pause, self._resume
        try:
            await reply.relay(self._forward)
            self._send(decoder.finish())
            if decoder.error is not None:
                raise decoder.error
            if not decoder.done and not decoder.finished:
                raise ProviderBroken(f"Provider {provider} ended the stream before the answer was complete.")
            if call.first_byte_at is None:
                if not decoder.finished:
                    raise ProviderBroken(f"Provider {provider} sent an empty stream.")
                self._begin()  # the answer is one event, which closes it
        except LlmError as error:
            if call.first_byte_at is None:
                reply.cancel()
                raise
            if decoder.done and isinstance(error, ProviderTimeout):
                return None
            return error
        finally:
            exchange.on_pause = exchange.on_resume = None
        return None

    def fail(self, error: LlmError) -> None:
        """The call has failed before its first event: the last thing to say, where it can still be said."""
        self.finish(self.failure(error))

    def failure(self, error: LlmError) -> bytes:
        """The event that says it."""
        said = (NOT_WANTED if self.cancelled else HUNG_UP) if isinstance(error, Cancelled) else error
        if self.decoder is None:
            return self._call.operation.error_event(said)
        return self.decoder.failure(said)

    def finish(self, last: bytes) -> None:
        """The last event."""
        exchange = self._exchange
        self._wait_no_longer()
        if exchange.started and not exchange.ended:
            exchange.write(sse.numbered(last, self._number)[0] if self._numbered else last)
            if self._settled and self._replay.settled is not None:
                exchange.write(stream_wire.settled_event(self._replay.settled))
            exchange.end()
        self._replay.end(last)

    def settle(self, record: CallRecord, cost_nano: int) -> None:
        """The call is on record: what it came to, for whoever asks."""
        self._replay.settled = stream_wire.Settled(
            record.provider,
            record.model,
            record.outcome,
            record.usage,
            cost_nano,
            record.price is None,
            record.estimated,
        )

    def cancel(self) -> None:
        """End it: the provider is cancelled, what had come is settled, and whoever reads is told."""
        self.cancelled = True
        if self._call.reply is not None:
            self._call.reply.cancel()

    def _forward(self, data: bytes) -> None:
        decoder = self.decoder
        assert decoder is not None
        block = decoder.feed(data)
        if decoder.error is not None:
            if self._call.first_byte_at is not None:
                self._send(block)
            raise decoder.error
        now = self._loop.time()
        if not self._paused or self._exchange.gone:
            self._reply.deadline = now + (AFTER_DONE_SECONDS if decoder.done else self._patience)
        if block:
            self._replay.heard = now
            self._send(block)

    def _send(self, block: bytes) -> None:
        if not block:
            return
        if self._call.first_byte_at is None:
            self._begin()
        if self._numbered:
            numbered, self._number = sse.numbered(block, self._number)
            self._exchange.write(numbered)
        else:
            self._exchange.write(block)
        self._replay.add(block)

    def _begin(self) -> None:
        """Something of the answer goes to the client for the first time."""
        call = self._call
        call.first_byte_at = max(time.time_ns(), call.started_at)
        if not self._exchange.started:
            self._start(call.overhead_us())

    def _start(self, overhead_us: int) -> None:
        self._exchange.start(200, self._call.headers(EVENT_STREAM, overhead_us) + STREAM_HEADERS)

    # --- what is not about an event -----------------------------------------------------------------------------------
    def _tick(self, now: float) -> None:
        """About once a second: fill silence, or give up a client that has not come back."""
        exchange, settings = self._exchange, self._gateway.settings
        if exchange.gone:
            if self._replay.readers and now < FOREVER:
                self._alone_since = now
            elif now - self._alone_since >= settings.grace_seconds:
                self._wait_no_longer()
                self._call.hang_up()
            return
        quiet = now - self._replay.heard
        if self._paused or now == FOREVER or quiet < settings.keep_alive_seconds:
            return
        if not exchange.started:
            if quiet < settings.head_seconds:
                return
            self._start(self._overhead_us)
        exchange.write(sse.KEEP_ALIVE_LINE if self._numbered else sse.KEEP_ALIVE)
        self._replay.heard = now

    def _hang_up(self) -> None:
        """The client has gone, and may come back."""
        replays = self._gateway.replays
        if replays.closing or replays.unattended >= UNATTENDED_LIMIT or not self._gateway.settings.grace_seconds:
            self._call.hang_up()
            return
        self.unattended = True
        replays.unattended += 1
        self._alone_since = self._loop.time()
        if self._paused:
            self._resume()

    def _wait_no_longer(self) -> None:
        if self.unattended:
            self.unattended = False
            self._gateway.replays.unattended -= 1

    def _pause(self) -> None:
        self._paused = True
        self._reply.pause()
        self._reply.deadline = FOREVER

    def _resume(self) -> None:
        self._paused = False
        self._reply.deadline = self._loop.time() + self._patience
        self._reply.resume()


def _switch(wanted: bytes, name: str) -> bool:
    value = SWITCH.get(wanted.lower())
    if value is None:
        raise InvalidRequest(f"`{name}` must be 1 or 0.", name)
    return value


def _settle(call: Call, gateway: Gateway, failure: LlmError | None, decoder: StreamDecoder) -> None:
    """Journal what was used, then let the end of the answer go."""
    assert call.stream is not None
    gone = isinstance(failure, Cancelled) or (call.drained and not call.stream.unattended)
    outcome: Outcome = "cancelled" if gone else "ok" if failure is None else "cut"
    record = call.record(
        outcome,
        CLIENT_GONE if outcome == "cancelled" else 200,
        decoder.usage,
        estimated_output=decoder.estimate_output(),
        error_code=failure.wire_code if failure is not None else None,
        streamed=True,
        estimated=decoder.estimated,
    )
    call.book(record)
    call.stream.finish(decoder.ending if failure is None else call.stream.failure(failure))
