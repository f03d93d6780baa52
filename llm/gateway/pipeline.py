"""One call from top to bottom. Read `answer`: every step is one line there, in the order it happens.

What the client wants done is the operation's business (`llm/core/operations`), how a provider's wire carries it the
dialect's (`llm/core/dialects`); the order of events is the same for all, and stands here.

Steps that later issues fill in are named where they belong: reserve, strategies, breaker.
Errors of our tree become answers in one place. What a call used is in the journal before the last byte of its answer
leaves: the door writes it before it sends. No database, no lock, no await but for the provider. Next file:
`streams.py`, answers that come in pieces.
"""

import asyncio
import logging
import time
from collections.abc import Sequence

import msgspec

from billing.core.pricing import NANO, Usage
from billing.core.usage import Outcome
from llm.core import routing
from llm.core.deployment import Deployment
from llm.core.dialects.bridge import unsupported
from llm.core.dialects.counting import Counted
from llm.core.dialects.crossing import Crossing
from llm.core.dialects.registry import DIALECTS
from llm.core.dialects.vectors import Embeddings
from llm.core.errors import InvalidRequest, LlmError, ProviderError
from llm.core.operations import Attempt, Operation
from llm.core.operations.operation import UsageWish
from llm.gateway import asking, attempts, parts, streams
from llm.gateway.admission import permit
from llm.gateway.call import CLIENT_GONE, JSON, Call
from llm.gateway.exchange import Exchange
from llm.gateway.gateway import Gateway, Route
from llm.gateway.provider_connection import Cancelled

log = logging.getLogger(__name__)

MAX_ATTEMPTS = 3
ESTIMATED = b"x-circuit-breaker-estimated: input_tokens\r\n"


async def answer(exchange: Exchange, gateway: Gateway, operation: Operation) -> None:
    """Answer one request for `operation`."""
    call = Call(exchange, gateway, operation)
    exchange.on_disconnect = call.hang_up
    gateway.metrics.in_flight += 1
    try:
        catalogue = gateway.catalogue or await gateway.configured()
        gateway.admit()
        call.identify(gateway.admission.authenticate(exchange))
        call.request = operation.read(exchange.body)
        limits = gateway.admission.limits_of(call.key)
        if limits is not None and not call.enter_at_once(limits):
            await call.enter(limits)
        candidates = routing.choose(operation, call.request, catalogue)  # strategies rank here
        if call.key is not None:
            candidates = permit(call.key, candidates, call.request.model)
            if call.key.show_cost and call.request.usage is msgspec.UNSET:
                call.request.usage = UsageWish(True)
        if call.request.stream:
            call.stream = streams.Relay(call, gateway)
        # reserve: the worst case (request.output_limit, request.choices) of this call, from a lease
        await _attempt(call, candidates, gateway)
    except LlmError as error:
        call.name_provider(error)
        await _fail(call, error)
        _forget_traceback(error)
    except Exception:  # the edge: a defect becomes a 500 with its trace in our log, never in the answer
        log.exception("A call failed in the gateway (request %s)", call.request_id.decode("ascii"))
        await _fail(call, LlmError("Internal error in the gateway."))
    finally:
        exchange.on_disconnect = None  # no cycle is left behind for the garbage collector
        call.reply = call.stream = None
        if call.admitted is not None:
            gateway.limiter.release(call.admitted, call.tokens)
        gateway.journal.register.release(call.slot)  # never sent, or its record failed: no crash lost it
        gateway.ended()


async def _attempt(call: Call, candidates: Sequence[Deployment], gateway: Gateway) -> None:
    """Try candidates in order until one answers. Raises the last failure."""
    failure: LlmError | None = None
    for deployment in candidates:
        for route in gateway.routes(deployment):  # the breaker skips here
            if _given_up(call):
                raise Cancelled("The client hung up.")
            asked = call.deployment, call.route
            call.deployment, call.route = deployment, route
            try:
                return await _ask(call, gateway, deployment, route)
            except ProviderError as error:
                call.name_provider(error)
                gateway.metrics.count_upstream_error(deployment.provider.name, error.cause)
                if not error.retryable or call.attempts >= MAX_ATTEMPTS or call.exchange.started:
                    raise
                failure = error
                attempts.hold(call, error)
            except InvalidRequest as error:
                if not unsupported(error):
                    raise
                failure = failure or error
                if call.failed is not None:
                    call.deployment, call.route = asked  # whom we asked last
                break  # another key would not help, another wire may
    assert failure is not None
    raise failure


async def _ask(call: Call, gateway: Gateway, deployment: Deployment, route: Route) -> None:
    """One attempt: encode, send, decode, settle, answer."""
    request, exchange = call.request, call.exchange
    assert request is not None
    crossing = DIALECTS[deployment.provider.dialect].crossings[call.operation.name]
    created = call.started_at // NANO
    attempt = Attempt(
        call.operation, request, exchange.body, deployment, route.secret, call.id, created, exchange.fields
    )
    if call.failed is not None:
        attempt = attempts.following(call, attempt)
    if isinstance(crossing, Counted):  # nobody is asked, so nothing is on record
        exchange.respond(200, call.headers(JSON[1], call.overhead_us()) + ESTIMATED, crossing.answer(attempt))
        return
    if crossing.wants_bytes:
        attempt = await _with_images(call, gateway, crossing, attempt)
    outgoing = crossing.encode(attempt)
    asking.begin(call, outgoing.dropped)
    if outgoing.more:
        assert isinstance(crossing, Embeddings)
        _settle(call, outgoing.dropped, await parts.ask(call, gateway, route, crossing, attempt, outgoing))
        return
    if call.stream is not None:
        call.stream.decoder = crossing.stream(attempt)
    reply = asking.send(call, gateway, route, outgoing, outgoing.body)
    await reply.arrived
    call.provider_ns += time.perf_counter_ns() - call.asked_ns
    if reply.status < 200 or reply.status > 299:
        raise await asking.refusal(call, crossing, attempt, reply)
    if request.stream:
        await streams.relay(call, gateway, crossing.stream_types)
        return
    if reply.error is not None:
        raise reply.error
    _settle(call, outgoing.dropped, crossing.decode(attempt, reply.body))


def _settle(call: Call, left_out: tuple[str, ...], decoded: tuple[bytes, Usage | None, tuple[str, ...]]) -> None:
    """Book a whole answer, and let it go."""
    exchange = call.exchange
    body, usage, lost = decoded
    if lost:
        call.dropped = asking.dropped((*left_out, *lost))
    if not call.operation.metered:
        exchange.respond(200, call.headers(JSON[1], call.overhead_us(), 0), body)
        return
    estimated_output = 0 if usage is not None else call.operation.estimate_output(body)
    outcome: Outcome = "cancelled" if exchange.gone else "ok"
    record = call.record(outcome, CLIENT_GONE if exchange.gone else 200, usage, estimated_output=estimated_output)
    call.book(record)
    exchange.respond(200, call.headers(JSON[1], record.overhead_us, call.cost_nano), body)


async def _with_images(call: Call, gateway: Gateway, crossing: Crossing, attempt: Attempt) -> Attempt:
    """The attempt with the bytes of the images that are given by address. Raises InvalidRequest, Cancelled."""
    addresses = crossing.addresses(attempt)
    if not addresses:
        return attempt
    if call.images is None:
        # In a task of its own: a conducted coroutine has none, and a time-out needs one.
        call.images = await asyncio.ensure_future(gateway.images.fetch(addresses))
        if _given_up(call):
            raise Cancelled("The client hung up.")
    return msgspec.structs.replace(attempt, images=call.images)


def _given_up(call: Call) -> bool:
    """Nobody wants the answer any more."""
    return call.exchange.gone or (call.stream is not None and call.stream.cancelled)


def _forget_traceback(error: BaseException | None) -> None:
    """A traceback holds the frames that hold the error: a cycle, which only the garbage collector would free."""
    while error is not None:
        error.__traceback__ = None
        error = error.__context__


async def _fail(call: Call, error: LlmError) -> None:
    """Put a failed call on record, if it reached a provider, and tell the client."""
    gateway = call.gateway
    if call.exchange.ended:
        return
    gone = call.exchange.gone and isinstance(error, Cancelled)
    if call.attempts == 0:
        gateway.metrics.count_refused(error)
    elif call.operation.metered:
        call.book(attempts.last(call, error))
    if call.stream is not None:
        call.stream.fail(error)
    if not gone and not call.exchange.started:
        call.refuse(streams.NOT_WANTED if isinstance(error, Cancelled) else error)
    elif not gone:
        call.exchange.abort()
