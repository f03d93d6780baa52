"""An attempt that takes several requests: where a wire takes fewer texts at once than a client may send.

The parts go out in their order, at most AT_ONCE under way, and their answers are put together in it: the client sees
one call, the ledger has one record, with the sum of what the parts used. One part that fails ends the attempt: those
under way are given up, and what may be billed until then is booked, as reported where it is known, else by our
estimate. Together the answers may be as large as one. Next file: `attempts.py`.
"""

import time
from collections import deque

from billing.core.pricing import Usage
from llm.core.dialects.translation import Outgoing
from llm.core.dialects.vectors import Embeddings, Vectors
from llm.core.errors import LlmError, ProviderBroken
from llm.core.operations import Attempt
from llm.core.operations.estimate import BYTES_PER_TOKEN
from llm.gateway import asking
from llm.gateway.call import Call
from llm.gateway.gateway import Gateway, Route
from llm.gateway.provider_connection import Cancelled, Reply

AT_ONCE = 4

Decoded = tuple[bytes, Usage | None, tuple[str, ...]]


async def ask(
    call: Call, gateway: Gateway, route: Route, crossing: Embeddings, attempt: Attempt, outgoing: Outgoing
) -> Decoded:
    """The whole answer, as `Crossing.decode` gives it. Raises what the first part to fail did; `call.spent` is set."""
    waiting = deque((outgoing.body, *outgoing.more))
    under_way: deque[Reply] = deque()
    found: list[Vectors] = []
    deadline = gateway.loop.time() + gateway.settings.request_timeout
    room = gateway.upstream.bounds.reply_bytes
    try:
        while waiting or under_way:
            if call.exchange.gone:
                raise Cancelled("The client hung up.")
            while waiting and len(under_way) < AT_ONCE:
                reply = asking.send(call, gateway, route, outgoing, waiting.popleft())
                reply.deadline = deadline
                under_way.append(reply)
            reply = call.reply = under_way[0]  # it is the one a client that leaves gives up
            await _arrived(call, reply)
            if reply.status < 200 or reply.status > 299:
                raise await asking.refusal(call, crossing, attempt, reply)
            if reply.error is not None:
                raise reply.error
            room -= len(reply.body)
            if room < 0:
                raise ProviderBroken("The provider's answers are together larger than PROVIDER_MAX_ANSWER_BYTES.")
            found.append(crossing.part(attempt, reply.body))
            under_way.popleft()
    except LlmError as error:
        call.spent = _spent(crossing, attempt, outgoing, found, under_way)
        error.message = f"{error.message} (part {len(found) + 1} of {len(outgoing.more) + 1})"
        raise
    finally:
        for reply in under_way:
            reply.cancel()
    return crossing.whole(attempt, found)


async def _arrived(call: Call, reply: Reply) -> None:
    waited = time.perf_counter_ns()
    await reply.arrived
    call.provider_ns += time.perf_counter_ns() - waited


def _spent(
    crossing: Embeddings, attempt: Attempt, outgoing: Outgoing, found: list[Vectors], under_way: deque[Reply]
) -> tuple[Usage, bool]:
    """What may be billed of an attempt that failed: all that was sent and not refused. Whether any of it is a guess."""
    bodies = (outgoing.body, *outgoing.more)
    tokens, estimated = 0, False
    for number, body in enumerate(bodies[: len(found) + len(under_way)]):
        read: int | None = None
        if number < len(found):
            read = found[number].read
        else:
            reply = under_way[number - len(found)]
            if not reply.sent or reply.status >= 300:
                continue
            read = _read_of(crossing, attempt, reply)
        estimated = estimated or read is None
        tokens += len(body) // BYTES_PER_TOKEN + 1 if read is None else read
    return Usage(tokens), estimated


def _read_of(crossing: Embeddings, attempt: Attempt, reply: Reply) -> int | None:
    """The tokens that an answer nobody has read yet reports, if it is there and whole."""
    if not reply.complete:
        return None
    try:
        return crossing.part(attempt, reply.body).read
    except LlmError:
        return None
