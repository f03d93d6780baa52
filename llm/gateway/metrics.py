"""Counters of one worker: for `/metrics` (`metrics_text.py`) and for the uplink's observations.

Bounded: labels are provider, model, status and operation as configured or as we answer, never what a client wrote; at
most `MAX_SERIES` combinations, after which calls count under `other`. A call costs a few additions here, no lock, no
clock. Next file: `shared_metrics.py`, the figures of all workers.
"""

import resource
import time
from bisect import bisect_left
from pathlib import Path

from billing.core.usage import CallRecord
from llm.core.errors import LlmError, RateLimited
from llm.core.uplink import ProviderFigures
from llm.gateway.counters import Counters

MAX_SERIES = 2_000
MAX_REASONS = 200
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
OVERHEAD_SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5)
TOKEN_KINDS = (
    *("input", "cached_input", "cache_write", "output", "reasoning", "audio_input", "audio_output"),
    "cache_write_1h",
)


class Histogram:
    """Counts by upper bound, in microseconds inside and seconds outside."""

    __slots__ = ("bounds", "counts", "limits", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.limits = tuple(int(bound * 1_000_000) for bound in bounds)
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0

    def add(self, microseconds: int) -> None:
        self.counts[bisect_left(self.limits, microseconds)] += 1
        self.total += microseconds


class Series:
    """What is counted per provider, model, status and operation."""

    __slots__ = ("calls", "cost_nano", "covered", "covered_us", "errors", "latency_us", "tokens")

    def __init__(self) -> None:
        self.calls = self.errors = self.latency_us = 0
        """The time is that of the attempt that ended the call, so that no provider answers for those before it."""
        self.covered = self.covered_us = 0
        """Attempts that failed and were followed by another: no calls, but tokens and cost are among the others'."""
        self.cost_nano = 0
        self.tokens = [0] * len(TOKEN_KINDS)


GAUGES = {
    "in_flight": "Calls under way.",
    "connections": "Open client connections.",
    "journal_lag": "Records written but not yet acknowledged.",
    "journal_bytes": "Bytes the journal holds on disk.",
    "records_set_aside": "Records that can never be booked; they are in refused.jsonl.",
    "snapshot_age_seconds": "Age of the configuration served by.",
    "streams_open": "Streams under way.",
    "streams_unattended": "Streams that go on though their client has gone, in case it comes back.",
    "replay_bytes": "Memory held so that streams can be read again.",
    "uplink_connected": "1 while the control plane is connected.",
    "event_loop_lag_seconds": "How late the last timer of the event loop was.",
    "resident_memory_bytes": "Resident memory of the worker process.",
    "open_files": "Open files and connections of the worker process.",
}


class Metrics:
    """All counters since the worker started."""

    def __init__(self) -> None:
        self.started_at = time.time_ns()
        self.in_flight = 0
        self.refused: dict[tuple[int, str], int] = {}
        """Answers with an error that were no metered call, by status and reason."""
        self.upstream_errors: dict[tuple[str, str], int] = {}
        """Attempts that failed, by provider and kind: timeout, unreachable, broken, status."""
        self.series: dict[tuple[str, str, int, str], Series] = {}
        self.latency: dict[str, Histogram] = {}
        """By operation, like the next."""
        self.first_byte: dict[str, Histogram] = {}
        self.overhead = Histogram(OVERHEAD_SECONDS)

    def count_call(self, record: CallRecord) -> None:
        """A metered call has ended, or an attempt that another one follows."""
        microseconds = (record.finished_at - record.started_at) // 1000
        operation = record.operation
        series = self.series.get((record.provider, record.model, record.status, operation)) or self._series(record)
        series.cost_nano += record.cost_nano
        usage, tokens = record.usage, series.tokens
        tokens[0] += usage.input
        tokens[3] += usage.output
        if usage.audio_input or usage.audio_output:
            tokens[5] += usage.audio_input
            tokens[6] += usage.audio_output
        if usage.cache_write_1h:
            tokens[7] += usage.cache_write_1h
        if usage.cached_input or usage.cache_write or usage.reasoning:
            tokens[1] += usage.cached_input
            tokens[2] += usage.cache_write
            tokens[4] += usage.reasoning
        if record.call is not None:
            series.covered += 1
            series.covered_us += microseconds
            return
        series.calls += 1
        series.errors += record.outcome != "ok" and record.outcome != "cancelled"
        asked_at = record.asked_at
        series.latency_us += microseconds if asked_at is None else (record.finished_at - asked_at) // 1000
        latency = self.latency.get(operation) or self._times(self.latency, operation)
        overhead = self.overhead
        latency.counts[bisect_left(latency.limits, microseconds)] += 1
        latency.total += microseconds
        overhead.counts[bisect_left(overhead.limits, record.overhead_us)] += 1
        overhead.total += record.overhead_us
        if record.first_byte_at is not None:
            self._times(self.first_byte, operation).add((record.first_byte_at - record.started_at) // 1000)

    def typical_output(self, provider: str, model: str, operation: str, elapsed_us: int | None = None) -> int:
        """Tokens an answered call of this model wrote on average, 0 if none was; of one that ran shorter, its share."""
        series = self.series.get((provider, model, 200, operation))
        if series is None or not series.calls:
            return 0
        tokens = series.tokens
        mean = (tokens[3] + tokens[4]) // series.calls
        if elapsed_us is None or elapsed_us * series.calls >= series.latency_us:
            return mean
        return mean * elapsed_us * series.calls // series.latency_us

    def count_refused(self, error: LlmError) -> None:
        """A request was answered with an error before any provider was called."""
        reason = error.lacking if isinstance(error, RateLimited) else error.wire_code or error.kind
        key = (error.status, reason)
        if key not in self.refused and len(self.refused) >= MAX_REASONS:
            key = (error.status, "other")
        self.refused[key] = self.refused.get(key, 0) + 1

    def count_upstream_error(self, provider: str, kind: str) -> None:
        """An attempt at a provider failed, whether or not another one followed."""
        key = (provider, kind)
        self.upstream_errors[key] = self.upstream_errors.get(key, 0) + 1

    def counters(self) -> Counters:
        """A copy of everything counted."""
        return Counters(
            [
                (
                    *key,
                    (one.calls, one.errors, one.latency_us, one.cost_nano, one.covered, one.covered_us),
                    list(one.tokens),
                )
                for key, one in self.series.items()
            ],
            [(*key, count) for key, count in self.refused.items()],
            [(*key, count) for key, count in self.upstream_errors.items()],
            [
                *(("latency", name, list(one.counts), one.total) for name, one in self.latency.items()),
                *(("first_byte", name, list(one.counts), one.total) for name, one in self.first_byte.items()),
                ("overhead", "", list(self.overhead.counts), self.overhead.total),
            ],
        )

    def add(self, more: Counters) -> None:
        """Add another's counters."""
        for provider, model, status, operation, figures, tokens in more.series:
            calls, errors, latency_us, cost_nano, covered, covered_us = figures
            series = self.series.setdefault((provider, model, status, operation), Series())
            series.calls += calls
            series.errors += errors
            series.latency_us += latency_us
            series.cost_nano += cost_nano
            series.covered += covered
            series.covered_us += covered_us
            for kind, count in enumerate(tokens):
                series.tokens[kind] += count
        for code, reason, count in more.refused:
            self.refused[code, reason] = self.refused.get((code, reason), 0) + count
        for provider, cause, count in more.upstream_errors:
            self.upstream_errors[provider, cause] = self.upstream_errors.get((provider, cause), 0) + count
        for which, operation, counts, total in more.histograms:
            if which == "overhead":
                histogram = self.overhead
            else:
                histogram = self._times(self.latency if which == "latency" else self.first_byte, operation)
            histogram.total += total
            for place, count in enumerate(counts):
                histogram.counts[place] += count

    def figures(self) -> dict[str, ProviderFigures]:
        """Totals by provider: what it was asked, so failed attempts count, also where another provider answered."""
        totals: dict[str, list[int]] = {}
        for (provider, *_), one in self.series.items():
            total = totals.setdefault(provider, [0, 0, 0])
            total[0] += one.calls + one.covered
            total[1] += one.errors + one.covered
            total[2] += one.latency_us + one.covered_us
        return {provider: ProviderFigures(*total) for provider, total in totals.items()}

    def totals(self) -> tuple[int, int, int]:
        """Requests, those that failed, and microseconds of those that reached a provider: a request counts once, with
        all the time its client waited."""
        series, refused = self.series.values(), self.refused
        return (
            sum(one.calls for one in series) + sum(refused.values()),
            sum(one.errors for one in series) + sum(count for (status, _), count in refused.items() if status >= 500),
            sum(one.total for one in self.latency.values()),
        )

    def _series(self, record: CallRecord) -> Series:
        full = len(self.series) >= MAX_SERIES
        provider, model = ("other", "other") if full else (record.provider, record.model)
        return self.series.setdefault((provider, model, record.status, record.operation), Series())

    def _times(self, histograms: dict[str, Histogram], operation: str) -> Histogram:
        return histograms.get(operation) or histograms.setdefault(operation, Histogram(SECONDS))


def process_gauges() -> dict[str, float]:
    """Memory and files of this process, where the system tells (/proc)."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return {
            "resident_memory_bytes": pages * resource.getpagesize(),
            "open_files": sum(1 for _ in Path("/proc/self/fd").iterdir()),
        }
    except OSError:
        return {}
