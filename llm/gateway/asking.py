"""One request of a call on its way to a provider, and what becomes of a refusal.

`begin` opens an attempt, `send` puts a request of it on the wire (most attempts have one; `parts.py` those that have
several), `refusal` reads an answer that is none. Knows the call and the connection, nothing of what is asked: that is
the crossing's. Next file: `provider_connection.py`.
"""

import time

from llm.core.deployment import header_value
from llm.core.dialects.bridge import comment
from llm.core.dialects.crossing import Crossing
from llm.core.dialects.translation import Outgoing
from llm.core.errors import ProviderError
from llm.core.operations import Attempt
from llm.core.retry_after import read_retry_after
from llm.gateway import attempts
from llm.gateway.call import Call
from llm.gateway.exchange import lines
from llm.gateway.gateway import Gateway, Route
from llm.gateway.provider_connection import Reply


def begin(call: Call, names: tuple[str, ...]) -> None:
    """An attempt begins, in which `names` of the request are left out. From here on the one before it is on record."""
    call.dropped = dropped(names) if names else b""
    if call.failed is not None and call.operation.metered:
        attempts.cover(call)
    call.attempts += 1
    call.spent = None
    call.asked_ns = 0


def send(call: Call, gateway: Gateway, route: Route, outgoing: Outgoing, body: bytes) -> Reply:
    """Send one request of the attempt. The reply stands in the call, so that a client that leaves can end it."""
    request = call.request
    assert request is not None
    reply = call.reply = Reply(bool(request.stream), gateway.upstream.bounds.reply_bytes)
    if call.operation.metered:
        reply.on_sent = call.register
    reply.deadline = gateway.loop.time() + gateway.settings.request_timeout
    head = _head(call, route, outgoing, len(body))
    call.asked_ns = call.asked_ns or time.perf_counter_ns()
    gateway.upstream.begin(reply, route.origin, head, body)
    return reply


async def refusal(call: Call, crossing: Crossing, attempt: Attempt, reply: Reply) -> ProviderError:
    """What the provider says instead of an answer. Raises what kept it from saying anything."""
    waited = time.perf_counter_ns()
    try:
        said = await reply.read()
    finally:
        call.provider_ns += time.perf_counter_ns() - waited
    error = crossing.decode_error(attempt, reply.status, said)
    error.retry_after = read_retry_after(reply.header(b"retry-after"), time.time()) or error.retry_after
    return error


def dropped(names: tuple[str, ...]) -> bytes:
    return b"x-circuit-breaker-dropped: %b\r\n" % comment(names)


def _head(call: Call, route: Route, outgoing: Outgoing, length: int) -> bytes:
    more = b""
    if outgoing.headers:
        more = lines([(name.encode(), header_value(value)) for name, value in outgoing.headers.items()])
    if route.sandbox:
        fault = call.exchange.fields.get(b"x-sandbox-fault")
        if fault is not None:
            more += b"x-sandbox-fault: %b\r\n" % fault
    return b"%b%d\r\n%b\r\n" % (route.head(outgoing.path), length, more)
