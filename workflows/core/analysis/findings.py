"""What of a report an author should hear before a workflow runs: what was proved wrong, and what could not be decided.

Next: `report.py`.
"""

from dataclasses import dataclass

from workflows.core.analysis.report import Report
from workflows.core.analysis.verdict import Answer, Verdict


@dataclass(frozen=True, slots=True)
class Finding:
    """One: `kind` for programs, `message` for people, the firings that lead there."""

    kind: str
    message: str
    proved: bool
    """False: it could not be decided within the limits."""
    trace: tuple[str, ...]


def findings(report: Report) -> tuple[Finding, ...]:
    """The gravest first; empty for a workflow that is sound."""
    said = (
        ("unbounded", report.bounded, "tokens can pile up without end", "whether tokens can pile up without end"),
        ("not_sound", report.sound, "a case may not end clean", "whether every case can end clean"),
        ("deadlock", report.deadlock_free, "a case can get stuck", "whether a case can get stuck"),
        ("dead_transitions", report.dead_transitions, "some transitions can never fire", "whether all can fire"),
    )
    return tuple(
        _finding(kind, verdict, wrong, unknown)
        for kind, verdict, wrong, unknown in said
        if verdict.answer is not Answer.TRUE
    )


def _finding(kind: str, verdict: Verdict, wrong: str, unknown: str) -> Finding:
    if verdict.answer is Answer.UNKNOWN:
        return Finding(kind, f"not decided: {unknown} ({verdict.note})", False, ())
    parts = [wrong]
    if verdict.note:
        parts.append(verdict.note)
    message = ": ".join(parts)
    if verdict.witness:
        message += f" ({', '.join(verdict.witness[:10])})"
    if verdict.trace:
        message += f", after {', '.join(verdict.trace[-20:])}"
    return Finding(kind, message, True, verdict.trace or ())
