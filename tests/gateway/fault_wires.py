"""The fault table's other wires: each provider's own under OpenAI's chat, and all of them under Anthropic's messages.

What differs from wire to wire is one `Wire` each: its words for an error, and what it has said of its usage when it
breaks off after two events. The rest follows. Next file: `fault_answers.py`, what of an answer is checked.
"""

from dataclasses import dataclass, field, replace
from typing import Any

from billing.core.pricing import Usage
from tests.gateway.fault_row import INPUT, NOTHING, OUTPUT, Row, asked
from tests.gateway.fault_table import OPENAI_ROWS

STATUSES = (400, 404, 429, 500, 503, 529)
KINDS = {
    400: "invalid_request_error",
    404: "not_found_error",
    429: "rate_limit_error",
    500: "api_error",
    502: "api_error",
    503: "overloaded_error",
    504: "timeout_error",
    529: "overloaded_error",
}
"""Anthropic's types by status. Source: https://docs.anthropic.com/en/api/errors"""
GOOGLES = {
    400: "INVALID_ARGUMENT",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
"""Google's by status; all else is INTERNAL. Source: https://ai.google.dev/gemini-api/docs/troubleshooting"""


@dataclass(frozen=True)
class Wire:
    name: str
    codes: dict[int, str]
    """Its code for each of STATUSES."""
    in_band: tuple[int, str]
    """Status and code of an error in a stream."""
    hidden: Usage
    """Booked for `cached=3&reasoning=5`."""
    overloaded: int = 529
    """The client's status for the provider's 529."""
    written: int = 2
    """Tokens we count after the first two events..."""
    tells_input: bool = False
    """...and whether the prompt's were told by then."""
    ends_by_finish: bool = True
    """The finish reason ends an answer, whether or not the wire's own last word follows."""
    filtered: dict[str, Any] = field(default_factory=dict)
    """What a prompt refused by the filter becomes."""
    finishes: dict[str, str] = field(default_factory=dict)
    """How it says a reason that it has no word for."""


OWN = dict.fromkeys(STATUSES, "sandbox_fault")
OPENAI = Wire("openai", OWN, (502, "provider_error"), Usage(1, 3, output=OUTPUT, reasoning=5), written=1)
AZURE = replace(
    OPENAI,
    name="azure",
    written=0,
    filtered={"status": 400, "code": "content_filter", "outcome": "upstream_error", "usage": NOTHING},
)
ANTHROPIC = Wire(
    "anthropic",
    {**KINDS, 503: "api_error"},
    (503, "overloaded_error"),
    Usage(1, 3, output=OUTPUT + 5),
    overloaded=503,
    written=1,
    tells_input=True,
)
GOOGLE = Wire(
    "google",
    {
        400: "INVALID_ARGUMENT",
        404: "NOT_FOUND",
        429: "RESOURCE_EXHAUSTED",
        500: "INTERNAL",
        503: "UNAVAILABLE",
        529: "INTERNAL",
    },
    (500, "INTERNAL"),
    Usage(1, 3, output=OUTPUT, reasoning=5),
    tells_input=True,
    ends_by_finish=False,
    filtered={"usage": Usage(INPUT), "finish": "content_filter"},
)
OLLAMA = Wire(
    "ollama",
    dict.fromkeys(STATUSES, "provider_error"),
    (500, "provider_error"),
    Usage(INPUT, output=OUTPUT + 5),
    ends_by_finish=False,
    finishes={"content_filter": "stop"},
)


class Rows:
    """The rows of one wire under one operation."""

    def __init__(self, operation: str, wire: Wire) -> None:
        self.operation = operation
        self.wire = wire

    def all(self) -> list[Row]:
        return [*self._refused(), *self._whole(), *self._streamed()]

    def _row(self, fault: str, streamed: bool, status: int = 200, code: str | None = None, **more: Any) -> Row:
        made = Row(self.operation, fault, streamed, status, code, wire=self.wire.name, **more)
        if self.operation not in ("messages", "generateContent") or code is None:
            return made
        statuses = {"provider_broken": 502, "provider_timeout": 504, self.wire.in_band[1]: self.wire.in_band[0]}
        seen = statuses[code] if status == 200 else status
        return replace(made, kind=KINDS[seen] if self.operation == "messages" else GOOGLES.get(seen, "INTERNAL"))

    def _failed(self, fault: str, streamed: bool, status: int, code: str, **more: Any) -> Row:
        """Before anything has reached the client."""
        return self._row(fault, streamed, status, code, **{"outcome": "upstream_error", "usage": NOTHING, **more})

    def _refused(self) -> list[Row]:
        codes, found = self.wire.codes, []
        for streamed in (False, True):
            for status in STATUSES[: 5 if streamed else None]:
                seen = self.wire.overloaded if status == 529 else status
                found.append(self._failed(f"status={status}", streamed, seen, codes[status]))
            found += [
                self._failed("status=401", streamed, 502, "provider_authentication_failed"),
                self._failed("status=429&retry-after=2", streamed, 429, codes[429], retry_after="2"),
                self._failed("status=503&retry-after=1.5", streamed, 503, codes[503], retry_after="2"),
                self._failed("status=503&html=1", streamed, 503, "provider_error"),
            ]
        return found

    def _broken(self, fault: str, streamed: bool, upstream_kept: bool = False) -> Row:
        """It took the request and gave no answer that can be read: it may bill what it was asked."""
        usage = Usage(self._asked(streamed))
        return self._failed(
            fault, streamed, 502, "provider_broken", usage=usage, estimated=True, upstream_kept=upstream_kept
        )

    def _given_up(self, fault: str, streamed: bool) -> Row:
        usage = Usage(self._asked(streamed))
        return self._failed(fault, streamed, 504, "provider_timeout", usage=usage, estimated=True, upstream_kept=False)

    def _asked(self, streamed: bool) -> int:
        return asked(self.operation, self.wire.name, streamed)

    def _healthy(self, streamed: bool) -> list[Row]:
        """What the client gets whole, however odd."""

        def finished(reason: str) -> Row:
            finish = self.wire.finishes.get(reason, reason)
            return self._row(f"finish={reason}", streamed, finish=finish)

        # Our count of a whole answer: of a stream that passes as bytes it is rougher.
        estimate = Usage(
            self._asked(streamed), output=(24 if self.wire is GOOGLE else 13) if streamed and self._passes else OUTPUT
        )
        return [
            self._row("", streamed),
            self._row("split=7", streamed),
            self._row("usage=none", streamed, usage=estimate, estimated=True),
            self._row("usage=wrong", streamed, usage=Usage(INPUT * 10, output=OUTPUT * 10)),
            self._row("cached=3&reasoning=5", streamed, usage=self.wire.hidden),
            finished("content_filter"),
            finished("length"),
            *([self._row("blocked=1", streamed, **self.wire.filtered)] if self.wire.filtered else []),
        ]

    @property
    def _silent(self) -> bool:
        """The first two events say nothing to the client."""
        known = {"messages": ("azure",), "generateContent": ("azure", "anthropic")}
        return self.wire.name in known.get(self.operation, ())

    @property
    def _passes(self) -> bool:
        """Both sides speak the same wire: bytes go through."""
        return (self.operation, self.wire.name) in (
            ("chat", "azure"),
            ("messages", "anthropic"),
            ("generateContent", "google"),
        )

    def _whole(self) -> list[Row]:
        return [
            *self._healthy(False),
            self._broken("cut=before", False),
            self._broken("cut=0", False),
            self._broken("cut=20", False),
            self._given_up("hang=20", False),
            self._broken("huge=2000000", False),
            self._broken("malformed=0", False, upstream_kept=True),
        ]

    def _streamed(self) -> list[Row]:
        error = self.wire.in_band
        return [
            *self._healthy(True),
            self._row("huge=2000000", True, usage=Usage(INPUT, output=500_000)),
            self._broken("cut=0", True),
            self._given_up("hang=0", True),
            self._failed("error=0", True, *error, upstream_kept=False),
            self._broken_off("cut=2", 502, "provider_broken"),
            self._broken_off("hang=2", 504, "provider_timeout"),
            self._broken_off("error=2", *error),
            self._row("malformed=2", True) if self._passes else self._broken_off("malformed=2", 502, "provider_broken"),
            self._without_last_word(),
        ]

    def _broken_off(self, fault: str, status: int, code: str) -> Row:
        """After two events."""
        wire = self.wire
        if self._silent:
            if code == "provider_broken":
                return self._broken(fault, True)
            if status == 504:
                return self._given_up(fault, True)
            return self._failed(fault, True, status, code, upstream_kept=False)
        usage = Usage(INPUT if wire.tells_input else self._asked(True), output=wire.written)
        return self._row(fault, True, 200, code, outcome="cut", usage=usage, estimated=True, upstream_kept=False)

    def _without_last_word(self) -> Row:
        if self.wire.ends_by_finish:
            return self._row("done=0", True)
        usage = Usage(INPUT if self.wire.tells_input else self._asked(True), output=OUTPUT)
        return self._row("done=0", True, 200, "provider_broken", outcome="cut", usage=usage, estimated=True)


WIRES = (AZURE, ANTHROPIC, GOOGLE, OLLAMA)
WIRE_ROWS = [
    *(row for wire in WIRES for row in Rows("chat", wire).all()),
    *(row for wire in (OPENAI, *WIRES) for row in Rows("messages", wire).all()),
    *(row for wire in (ANTHROPIC, GOOGLE, OLLAMA) for row in Rows("responses", wire).all()),
    *(row for wire in (OPENAI, *WIRES) for row in Rows("generateContent", wire).all()),
]
ROWS = [*OPENAI_ROWS, *WIRE_ROWS]
