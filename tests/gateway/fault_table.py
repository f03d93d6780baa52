"""The fault table: what a client sees, what is booked and which connections live on, for each fault of the sandbox.

`test_fault_table.py` plays every row against a gateway, and compares `docs/reference/faults.md` with them. A row says
everything that differs; what all rows have in common (one record, one attempt) is in the test. Here: OpenAI's wire on
both sides, one operation after the other. Next file: `fault_wires.py`, the other wires.
"""

from dataclasses import replace
from typing import Any

from billing.core.pricing import Usage
from tests.gateway.fault_row import NOTHING, OUTPUT, REPORTED, Row


def _refused(operation: str, streamed: bool) -> list[Row]:
    """Errors with a status: the same for each operation, whole or streamed."""

    def row(fault: str, status: int, code: str | None = "sandbox_fault", retry_after: str | None = None) -> Row:
        return Row(operation, fault, streamed, status, code, retry_after, "upstream_error", NOTHING)

    return [
        row("status=400", 400),
        row("status=401", 502, "provider_authentication_failed"),
        row("status=404", 404),
        row("status=429", 429),
        row("status=429&retry-after=2", 429, retry_after="2"),
        row("status=500", 500),
        row("status=503&retry-after=1.5", 503, retry_after="2"),
        row("status=503&html=1", 503, "provider_error"),
        row("status=529", 529),
    ]


def _broken(operation: str, fault: str, streamed: bool, asked: int) -> Row:
    """The provider took the request and gave no answer that can be read: it may bill what it was asked, `asked` tokens by
    our estimate. Nothing has reached the client."""
    return Row(
        operation,
        fault,
        streamed,
        502,
        "provider_broken",
        None,
        "upstream_error",
        Usage(asked),
        True,
        upstream_kept=False,
    )


def _given_up(operation: str, fault: str, streamed: bool, asked: int) -> Row:
    """The same, but that the provider is silent until we give up."""
    return replace(_broken(operation, fault, streamed, asked), status=504, code="provider_timeout")


def _whole(operation: str, right: Usage, estimate: Usage) -> list[Row]:
    def row(fault: str, usage: Usage = right, **more: Any) -> Row:
        return Row(operation, fault, False, usage=usage, **more)

    return [
        row(""),
        row("delay=0.05"),
        row("split=40"),
        row("drip=0.001&split=100"),
        row("usage=none", estimate, estimated=True),
        row("usage=wrong", Usage(right.input * 10, output=right.output * 10)),
        _broken(operation, "cut=before", False, estimate.input),
        _broken(operation, "cut=0", False, estimate.input),
        _broken(operation, "cut=20", False, estimate.input),
        _given_up(operation, "hang=before", False, estimate.input),
        _given_up(operation, "hang=20", False, estimate.input),
        _broken(operation, "huge=2000000", False, estimate.input),
        replace(_broken(operation, "malformed=0", False, estimate.input), upstream_kept=True),
    ]


def _streamed(operation: str, right: Usage, cut: Usage, none: Usage) -> list[Row]:
    """`cut`: our estimate after two events; `none`: of a whole stream without usage."""

    # The sandbox's code, or ours if it has none.
    said = "server_error" if operation == "responses" else "provider_error"

    def row(fault: str, usage: Usage = right, **more: Any) -> Row:
        return Row(operation, fault, True, usage=usage, **more)

    def broken_off(fault: str, code: str = "provider_broken") -> Row:
        return Row(operation, fault, True, 200, code, None, "cut", cut, True, upstream_kept=False)

    return [
        row(""),
        row("delay=0.05"),
        row("split=7"),
        row("rate=500"),
        row("drip=0.001&split=400"),
        row("usage=none", none, estimated=True),
        row("usage=wrong", Usage(right.input * 10, output=right.output * 10)),
        row("malformed=2"),
        row("huge=2000000", Usage(right.input, output=500_000)),
        _broken(operation, "cut=before", True, cut.input),
        _broken(operation, "cut=0", True, cut.input),
        broken_off("cut=2"),
        _given_up(operation, "hang=before", True, cut.input),
        _given_up(operation, "hang=0", True, cut.input),
        broken_off("hang=2", "provider_timeout"),
        Row(operation, "error=0", True, 502, said, None, "upstream_error", NOTHING, upstream_kept=False),
        broken_off("error=2", said),
    ]


CHAT = [
    *_refused("chat", False),
    *_whole("chat", REPORTED, Usage(17, output=OUTPUT)),
    Row("chat", "finish=content_filter", False),
    Row("chat", "cached=3&reasoning=5", False, usage=Usage(1, 3, output=OUTPUT, reasoning=5)),
    *_refused("chat", True),
    *_streamed("chat", REPORTED, Usage(21, output=1), Usage(21, output=13)),
    Row("chat", "done=0", True),
    Row("chat", "finish=length", True),
    Row("chat", "cached=3&reasoning=5", True, usage=Usage(1, 3, output=OUTPUT, reasoning=5)),
]
COMPLETIONS = [
    *_refused("completions", False)[3:6],
    *_whole("completions", Usage(1, output=OUTPUT), Usage(9, output=OUTPUT)),
    *_refused("completions", True)[3:6],
    *_streamed("completions", Usage(1, output=OUTPUT), Usage(13, output=1), Usage(13, output=12)),
    Row("completions", "done=0", True, usage=Usage(1, output=OUTPUT)),
]
RESPONSES = [
    *_refused("responses", False)[3:6],
    *_whole("responses", REPORTED, Usage(9, output=OUTPUT)),
    Row("responses", "cached=3&reasoning=5", False, usage=Usage(1, 3, output=OUTPUT, reasoning=5)),
    Row("responses", "finish=length", False),
    *_refused("responses", True)[3:6],
    *_streamed("responses", REPORTED, Usage(13), Usage(13, output=OUTPUT)),
    Row("responses", "finish=length", True),
    Row("responses", "failed=3", True, 200, "server_error", None, "cut", Usage(13), True, upstream_kept=False),
    Row("responses", "done=0", True, 200, "provider_broken", None, "cut", Usage(13, output=13), True),
]
EMBEDDINGS = [*_refused("embeddings", False)[3:6], *_whole("embeddings", Usage(1), Usage(10))]
ALIKE = ("delay", "drip", "rate", "hang=before", "hang=0", "cut=before")
"""Nothing of an operation is reached by these: they are played once, for chat."""
OPENAI_ROWS = [*CHAT, *(row for row in [*COMPLETIONS, *RESPONSES, *EMBEDDINGS] if not row.fault.startswith(ALIKE))]
