"""Answers that come in pieces: each block of events goes to the client as it came, and the call is settled at the end.

The head leaves with the first event, so that until then another candidate may still answer. A slow client pauses the
provider. A failure after the first event goes in band, as the operation says it (`StreamDecoder.failure`), and nothing
follows it. A client that hangs up cancels the provider; what had come is settled. The record is in the journal before
the last event.
"""

import time

from billing.core.usage import Outcome
from llm.core import sse
from llm.core.errors import LlmError, ProviderBroken, ProviderTimeout
from llm.core.operations import StreamDecoder
from llm.gateway.call import CLIENT_GONE, Call
from llm.gateway.gateway import Gateway
from llm.gateway.provider_connection import FOREVER, Cancelled, Reply

AFTER_DONE_SECONDS = 1.0
"""How long a provider may keep a connection busy after it has said that it is done."""
EVENT_STREAM = b"text/event-stream; charset=utf-8"
STREAM_HEADERS = b"cache-control: no-cache\r\nx-accel-buffering: no\r\n"


async def relay(call: Call, gateway: Gateway, decoder: StreamDecoder) -> None:
    """Pass one streamed answer on and settle it. Raises ProviderError while nothing has reached the client."""
    reply, deployment = call.reply, call.deployment
    assert reply is not None
    assert deployment is not None
    provider = deployment.provider.name
    if not (reply.header(b"content-type") or b"").lower().startswith(sse.CONTENT_TYPE):
        reply.cancel()  # or it would go on generating what nobody reads
        raise ProviderBroken(f"Provider {provider} answered a streaming request without a stream.")
    waited = time.perf_counter_ns()
    try:
        failure = await Relay(call, gateway, reply, decoder).run(provider)
    finally:
        call.provider_ns += time.perf_counter_ns() - waited
    await _settle(call, gateway, failure, decoder)


class Relay:
    """One stream on its way. The provider's connection calls `forward` directly: no task runs per event."""

    __slots__ = ("_call", "_decoder", "_exchange", "_loop", "_patience", "_reply")

    def __init__(self, call: Call, gateway: Gateway, reply: Reply, decoder: StreamDecoder) -> None:
        self._call = call
        self._exchange = call.exchange
        self._reply = reply
        self._decoder = decoder
        self._loop = gateway.loop
        self._patience = gateway.settings.request_timeout

    async def run(self, provider: str) -> LlmError | None:
        """Until the end; what went wrong after the first byte, or None. Raises what went wrong before it."""
        decoder, exchange = self._decoder, self._exchange
        exchange.on_pause, exchange.on_resume = self._pause, self._resume
        try:
            await self._reply.relay(self._forward)
            self._send(decoder.finish())
            if decoder.error is not None:
                raise decoder.error
            if not decoder.done and not decoder.finished:
                raise ProviderBroken(f"Provider {provider} ended the stream before the answer was complete.")
            if self._call.first_byte_at is None:
                raise ProviderBroken(f"Provider {provider} sent an empty stream.")
        except LlmError as error:
            if self._call.first_byte_at is None:
                self._reply.cancel()
                raise
            if decoder.done and isinstance(error, ProviderTimeout):
                return None
            return error
        finally:
            exchange.on_pause = exchange.on_resume = None
        return None

    def _forward(self, data: bytes) -> None:
        decoder = self._decoder
        block = decoder.feed(data)
        if decoder.error is not None:
            if self._call.first_byte_at is not None:
                self._send(block)
            raise decoder.error
        self._reply.deadline = self._loop.time() + (AFTER_DONE_SECONDS if decoder.done else self._patience)
        self._send(block)

    def _send(self, block: bytes) -> None:
        if not block:
            return
        call, exchange = self._call, self._exchange
        if call.first_byte_at is None:
            call.first_byte_at = time.time_ns()
            exchange.start(200, call.headers(EVENT_STREAM, call.overhead_us()) + STREAM_HEADERS)
        exchange.write(block)

    def _pause(self) -> None:
        self._reply.pause()
        self._reply.deadline = FOREVER

    def _resume(self) -> None:
        self._reply.deadline = self._loop.time() + self._patience
        self._reply.resume()


async def _settle(call: Call, gateway: Gateway, failure: LlmError | None, decoder: StreamDecoder) -> None:
    """Journal what was used, then let the end of the answer go."""
    gone = isinstance(failure, Cancelled) or call.drained
    outcome: Outcome = "cancelled" if gone else "ok" if failure is None else "cut"
    record = call.record(
        outcome,
        CLIENT_GONE if outcome == "cancelled" else 200,
        decoder.usage,
        estimated_output=decoder.estimate_output(),
        error_code=failure.wire_code if failure is not None else None,
        streamed=True,
    )
    call.book(record)
    exchange = call.exchange
    if not exchange.started:
        return
    exchange.write(decoder.ending if failure is None else decoder.failure(failure))
    exchange.end()
