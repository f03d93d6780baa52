"""Row 5: 512 streams at once, an event every 20 ms, 200 events each, through the gateway and straight from the mock.

Every event carries its number and the moment it was sent. Asked: no event lost or out of order, and no event held up
more than 50 ms longer than the worst one is without the gateway.
"""

import argparse
import json
import statistics
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from benchmarks import measuring
from benchmarks.stage import GATEWAY, MOCK, stage

GOAL_MS = 50.0
GAP_SECONDS = 0.02


def main() -> None:
    """Raises SystemExit when an event was lost or the target is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.stream_steadiness", description=__doc__)
    parser.add_argument("--streams", type=int, default=512)
    parser.add_argument("--events", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    given, _ = parser.parse_known_args()
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        results, booked = measure(Path(folder), given.streams, given.events, given.rounds)
    figures = {name: _medians(runs) for name, runs in results.items()}
    for name, one in figures.items():
        print(f"{name:8} " + "   ".join(f"{what} {value:g} ms" for what, value in one.items()))
    added = {what: round(figures["gateway"][what] - value, 2) for what, value in figures["direct"].items()}
    print(
        f"row 5, {given.streams} streams, an event per {GAP_SECONDS * 1000:g} ms each: "
        f"worst delay {added['max']:g} ms, longest pause {added['pause']:g} ms more than direct (goal < {GOAL_MS:g}); "
        f"{booked:,} booked"
    )
    wrong = [what for runs in results.values() for one in runs for what in one["wrong"]]
    events = sum(one["events"] for one in results["gateway"])
    if wrong or events != given.streams * given.events * given.rounds:
        raise SystemExit(f"row 5: {events:,} events came. {wrong[:3]}")
    if booked != given.streams * given.rounds:
        raise SystemExit(f"row 5: {booked:,} of {given.streams * given.rounds:,} streams are booked")
    setting = {"streams": given.streams, "events": given.events, "gap_ms": GAP_SECONDS * 1000}
    kept = {"milliseconds": figures, "added_ms": added, "goal_ms": GOAL_MS, "events_checked": events}
    measuring.keep(5, "stream-steadiness", {**setting, **kept})
    if added["max"] >= GOAL_MS or added["pause"] >= GOAL_MS:
        raise SystemExit("row 5 missed its target")


def measure(folder: Path, streams: int, events: int, rounds: int) -> tuple[dict[str, list[dict[str, Any]]], int]:
    """All rounds, and how many streams the control plane booked."""
    mock = ["--port", str(MOCK), "--events", str(events), "--gap", str(GAP_SECONDS)]
    with stage(folder, mock=measuring.python("-m", "benchmarks.stream_mock", *mock)) as running:
        turns = {
            name: lambda port=port: _open(port, streams, events)
            for name, port in {"direct": MOCK, "gateway": GATEWAY}.items()
        }
        return measuring.alternate(turns, rounds), running.booked()


def _open(port: int, streams: int, events: int) -> dict[str, Any]:
    options = ["--port", str(port), "--streams", str(streams), "--events", str(events)]
    command = measuring.python("-m", "benchmarks.stream_client", *options)
    done = subprocess.run(command, cwd=measuring.ROOT, capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _medians(runs: list[dict[str, Any]]) -> dict[str, float]:
    found = {what: statistics.median(one["delay_ms"][what] for one in runs) for what in ("p50", "p99", "max")}
    return {**found, "pause": statistics.median(one["longest_pause_ms"] for one in runs)}


if __name__ == "__main__":
    main()
