"""Counters of one worker: for `/metrics` (Prometheus text) and for the uplink's observations.

Bounded: labels are provider, model and status as configured or as we answer, never what a client wrote; at most
`MAX_SERIES` combinations, after which calls count under `other`. A call costs a few additions here, no lock, no clock.
Source of the text format: https://prometheus.io/docs/instrumenting/exposition_formats/
"""

import resource
import time
from bisect import bisect_left
from collections.abc import Mapping
from pathlib import Path

import msgspec

from billing.core.usage import CallRecord
from llm.core.uplink import ProviderFigures

MAX_SERIES = 2_000
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
OVERHEAD_SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5)
TOKEN_KINDS = ("input", "cached_input", "cache_write", "output", "reasoning", "audio_input", "audio_output")


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
    """What is counted per provider, model and status."""

    __slots__ = ("calls", "cost_nano", "covered", "covered_us", "errors", "latency_us", "tokens")

    def __init__(self) -> None:
        self.calls = self.errors = self.latency_us = 0
        self.covered = self.covered_us = 0
        """Attempts that failed and were followed by another: no calls, but tokens and cost are among the others'."""
        self.cost_nano = 0
        self.tokens = [0] * len(TOKEN_KINDS)


class Counters(msgspec.Struct, frozen=True):
    """All counters as values: what a worker writes down and another adds to its own."""

    series: list[tuple[str, str, int, tuple[int, int, int, int, int, int], list[int]]]
    """Provider, model, status; calls, errors, microseconds, nano-dollars, covered attempts, their microseconds; tokens
    by kind."""
    refused: dict[int, int]
    upstream_errors: list[tuple[str, str, int]]
    histograms: list[tuple[list[int], int]]


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
        self.refused: dict[int, int] = {}
        """Answers with an error that were no metered call, by status."""
        self.upstream_errors: dict[tuple[str, str], int] = {}
        """Attempts that failed, by provider and kind: timeout, unreachable, broken, status."""
        self.series: dict[tuple[str, str, int], Series] = {}
        self.latency = Histogram(SECONDS)
        self.first_byte = Histogram(SECONDS)
        self.overhead = Histogram(OVERHEAD_SECONDS)

    def count_call(self, record: CallRecord) -> None:
        """A metered call has ended, or an attempt that another one follows."""
        microseconds = (record.finished_at - record.started_at) // 1000
        series = self.series.get((record.provider, record.model, record.status)) or self._series(record)
        series.cost_nano += record.cost_nano
        usage, tokens = record.usage, series.tokens
        tokens[0] += usage.input
        tokens[3] += usage.output
        if usage.audio_input or usage.audio_output:
            tokens[5] += usage.audio_input
            tokens[6] += usage.audio_output
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
        series.latency_us += microseconds
        latency, overhead = self.latency, self.overhead
        latency.counts[bisect_left(latency.limits, microseconds)] += 1
        latency.total += microseconds
        overhead.counts[bisect_left(overhead.limits, record.overhead_us)] += 1
        overhead.total += record.overhead_us
        if record.first_byte_at is not None:
            self.first_byte.add((record.first_byte_at - record.started_at) // 1000)

    def typical_output(self, provider: str, model: str, elapsed_us: int | None = None) -> int:
        """Tokens an answered call of this model wrote on average, 0 if none was; of one that ran shorter, its share."""
        series = self.series.get((provider, model, 200))
        if series is None or not series.calls:
            return 0
        tokens = series.tokens
        mean = (tokens[3] + tokens[4]) // series.calls
        if elapsed_us is None or elapsed_us * series.calls >= series.latency_us:
            return mean
        return mean * elapsed_us * series.calls // series.latency_us

    def count_refused(self, status: int) -> None:
        """A request was answered with an error before any provider was called."""
        self.refused[status] = self.refused.get(status, 0) + 1

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
            dict(self.refused),
            [(*key, count) for key, count in self.upstream_errors.items()],
            [(list(one.counts), one.total) for one in (self.latency, self.first_byte, self.overhead)],
        )

    def add(self, more: Counters) -> None:
        """Add another's counters."""
        for provider, model, status, figures, tokens in more.series:
            calls, errors, latency_us, cost_nano, covered, covered_us = figures
            series = self.series.setdefault((provider, model, status), Series())
            series.calls += calls
            series.errors += errors
            series.latency_us += latency_us
            series.cost_nano += cost_nano
            series.covered += covered
            series.covered_us += covered_us
            for kind, count in enumerate(tokens):
                series.tokens[kind] += count
        for code, count in more.refused.items():
            self.refused[code] = self.refused.get(code, 0) + count
        for provider, cause, count in more.upstream_errors:
            self.upstream_errors[provider, cause] = self.upstream_errors.get((provider, cause), 0) + count
        own = (self.latency, self.first_byte, self.overhead)
        for histogram, (counts, total) in zip(own, more.histograms, strict=True):
            histogram.total += total
            for place, count in enumerate(counts):
                histogram.counts[place] += count

    def figures(self) -> dict[str, ProviderFigures]:
        """Totals by provider: what it was asked, so failed attempts count, also where another provider answered."""
        totals: dict[str, list[int]] = {}
        for (provider, _, _), one in self.series.items():
            total = totals.setdefault(provider, [0, 0, 0])
            total[0] += one.calls + one.covered
            total[1] += one.errors + one.covered
            total[2] += one.latency_us + one.covered_us
        return {provider: ProviderFigures(*total) for provider, total in totals.items()}

    def totals(self) -> tuple[int, int, int]:
        """Requests, those that failed, and microseconds of those that reached a provider: a request counts once."""
        series, refused = self.series.values(), self.refused
        return (
            sum(one.calls for one in series) + sum(refused.values()),
            sum(one.errors for one in series) + sum(count for status, count in refused.items() if status >= 500),
            sum(one.latency_us for one in series),
        )

    def render(self, workers: Mapping[str, Mapping[str, float]]) -> bytes:
        """Prometheus text. `workers`: name → gauges of `GAUGES`."""
        lines: list[str] = []
        _family(lines, "requests_total", "counter", "Metered calls by provider, model and status.")
        lines += [f"circuit_breaker_requests_total{_labels(*key)} {one.calls}" for key, one in self.series.items()]
        _family(lines, "refused_total", "counter", "Requests answered with an error before any provider was called.")
        lines += [f'circuit_breaker_refused_total{{status="{status}"}} {n}' for status, n in self.refused.items()]
        _family(lines, "upstream_errors_total", "counter", "Attempts at a provider that failed, by kind.")
        for (provider, kind), count in self.upstream_errors.items():
            labels = f'{{provider="{_escape(provider)}",kind="{kind}"}}'
            lines.append(f"circuit_breaker_upstream_errors_total{labels} {count}")
        _family(lines, "tokens_total", "counter", "Tokens by kind.")
        for key, one in self.series.items():
            for kind, tokens in zip(TOKEN_KINDS, one.tokens, strict=True):
                if tokens:
                    lines.append(f"circuit_breaker_tokens_total{_labels(*key, kind=kind)} {tokens}")
        _family(lines, "cost_usd_total", "counter", "Cost of metered calls.")
        for key, one in self.series.items():
            lines.append(f"circuit_breaker_cost_usd_total{_labels(*key)} {one.cost_nano / 1e9:.9f}")
        _histogram(lines, "request_seconds", "Whole calls.", self.latency)
        _histogram(lines, "first_byte_seconds", "Streams: until the first byte of the answer.", self.first_byte)
        _histogram(lines, "overhead_seconds", "Time spent in the gateway itself.", self.overhead)
        for name, about in GAUGES.items():
            _family(lines, name, "gauge", about)
            for worker, gauges in workers.items():
                if name in gauges:
                    lines.append(f'circuit_breaker_{name}{{worker="{_escape(worker)}"}} {gauges[name]:.10g}')
        return ("\n".join(lines) + "\n").encode()

    def _series(self, record: CallRecord) -> Series:
        full = len(self.series) >= MAX_SERIES
        key = ("other", "other", record.status) if full else (record.provider, record.model, record.status)
        return self.series.setdefault(key, Series())


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


def _family(lines: list[str], name: str, kind: str, about: str) -> None:
    lines += [f"# HELP circuit_breaker_{name} {about}", f"# TYPE circuit_breaker_{name} {kind}"]


def _histogram(lines: list[str], name: str, about: str, histogram: Histogram) -> None:
    _family(lines, name, "histogram", about)
    below = 0
    for bound, count in zip((*map(str, histogram.bounds), "+Inf"), histogram.counts, strict=True):
        below += count
        lines.append(f'circuit_breaker_{name}_bucket{{le="{bound}"}} {below}')
    lines += [f"circuit_breaker_{name}_sum {histogram.total / 1e6:.6f}", f"circuit_breaker_{name}_count {below}"]


def _labels(provider: str, model: str, status: int, kind: str | None = None) -> str:
    extra = f',kind="{kind}"' if kind else ""
    return f'{{provider="{_escape(provider)}",model="{_escape(model)}",status="{status}"{extra}}}'


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
