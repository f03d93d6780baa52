"""What becomes of an attempt that failed: one record for each, so that whatever a provider may bill is booked.

While it is open whether another attempt follows, the record waits (`Call.failed`), and the attempt keeps its slot in
the register: a crash meanwhile books it as lost. When another attempt begins, the record is booked as one that belongs
to the call; if none does, it becomes the call's own. Nothing is charged for what was never sent, and for what the
provider answered with an error; everything else may be billed, and is booked by our estimate. Next: `register.py`.
"""

import time

from msgspec.structs import replace

from billing.core.pricing import Usage
from billing.core.usage import CallRecord, Outcome, attempt_id
from llm.core.errors import LlmError, ProviderBroken, ProviderError, ProviderTimeout
from llm.core.operations import Attempt
from llm.gateway.call import CLIENT_GONE, Call
from llm.gateway.provider_connection import Cancelled, Reply


def ended(call: Call, error: LlmError) -> CallRecord:
    """The call's own record: its last attempt, the one under way, has ended before the client had any of the answer."""
    gone = isinstance(error, Cancelled)
    outcome: Outcome = "cancelled" if gone else "upstream_error"
    usage, estimated = call.spent or (Usage() if _free(call.reply, error) else None, False)
    return call.record(
        outcome,
        CLIENT_GONE if gone else error.status,
        usage,
        estimated_output=call.output_so_far(),
        error_code=error.wire_code,
        estimated=estimated,
    )


def hold(call: Call, error: LlmError) -> None:
    """The attempt under way has failed, and another may follow."""
    record = ended(call, error)
    call.failed = replace(
        record,
        id=attempt_id(call.id, call.attempts),
        call=call.id,
        started_at=call.asked_at(),
        asked_at=None,
        overhead_us=0,
    )


def following(call: Call, attempt: Attempt) -> Attempt:
    """The attempt that may follow the one that failed: it knows what those before it cost."""
    assert call.failed is not None
    return replace(attempt, spent_nano=call.cost_nano + call.failed.cost_nano)


def cover(call: Call) -> None:
    """Another attempt begins: book the one that failed."""
    record, call.failed = call.failed, None
    assert record is not None
    call.book(replace(record, number=call.gateway.journal.next_number))


def last(call: Call, error: LlmError) -> CallRecord:
    """The call's own record, when it ends with `error`: of the attempt under way, or of the one that was held."""
    held, call.failed = call.failed, None
    if held is None:
        return ended(call, error)
    gone = isinstance(error, Cancelled)
    return replace(
        held,
        number=call.gateway.journal.next_number,
        id=call.id,
        call=None,
        started_at=call.started_at,
        asked_at=held.started_at if held.attempts > 1 else None,
        finished_at=max(time.time_ns(), held.finished_at),
        outcome="cancelled" if gone else held.outcome,
        status=CLIENT_GONE if gone else error.status,
        error_code=error.wire_code,
        overhead_us=call.overhead_us(),
    )


def _free(reply: Reply | None, error: LlmError) -> bool:
    """Whether nobody bills it: nothing was sent, or the provider said no, by its status or instead of a first event."""
    if reply is None or not reply.sent or reply.status >= 300:
        return True
    return isinstance(error, ProviderError) and not isinstance(error, ProviderTimeout | ProviderBroken)
