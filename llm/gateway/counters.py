"""A worker's counters (`metrics.py`) as values."""

import msgspec


class Counters(msgspec.Struct, frozen=True):
    """All counters as values: what a worker writes down and another adds to its own."""

    series: list[tuple[str, str, int, str, tuple[int, int, int, int, int, int], list[int]]]
    """Provider, model, status, operation; calls, errors, microseconds, nano-dollars, covered attempts, their
    microseconds; tokens by kind."""
    refused: list[tuple[int, str, int]]
    upstream_errors: list[tuple[str, str, int]]
    histograms: list[tuple[str, str, list[int], int]]
    """Which, and of which operation; counts and the total."""
