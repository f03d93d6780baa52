"""Row 4: what the gateway adds to a call's latency at a steady 1,000 requests per second, over asking the mock itself.

Open loop: latencies count from the moment a request was due. The direct rounds are the generator's and the machine's
own noise; they alternate with the gateway's in the same minute, and each added figure is the median, over the rounds,
of the gateway's quantile less that of the direct round beside it.
"""

import argparse
import statistics
import tempfile
from pathlib import Path
from typing import Any

from benchmarks import measuring, payloads
from benchmarks.stage import GATEWAY, MOCK, stage
from benchmarks.steady_load import SteadyResult, percentile, steady

GOALS = {"p50": 0.3, "p99": 1.5}
QUANTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p999": 0.999}


def main() -> None:
    """Raises SystemExit when a reply was wrong or a target is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.added_latency", description=__doc__)
    parser.add_argument("--rate", type=float, default=1000.0, help="requests per second")
    parser.add_argument("--seconds", type=int, default=5, help="of each round")
    parser.add_argument("--rounds", type=int, default=4)
    given, _ = parser.parse_known_args()
    try:
        measuring.need("nginx")
    except measuring.Missing as missing:
        print(f"row 4, added latency: {missing}")
        return
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        try:
            results, booked = measure(Path(folder), given.rate, given.seconds, given.rounds)
        except payloads.WrongReply as wrong:
            raise SystemExit(f"row 4: {wrong}") from None
    figures = {name: _quantiles(runs) for name, runs in results.items()}
    for name, one in figures.items():
        print(f"{name:8} " + "   ".join(f"{quantile} {value:.3f} ms" for quantile, value in one.items()))
    added = {name: _added(results, part) for name, part in QUANTILES.items()}
    print(
        f"row 4, added latency at {given.rate:g} requests/s: p50 {added['p50']:.3f} ms (goal < {GOALS['p50']}), "
        f"p99 {added['p99']:.3f} ms (goal < {GOALS['p99']}); {booked:,} booked"
    )
    answered = sum(len(one.latencies) for one in results["gateway"])
    if booked < answered:
        raise SystemExit(f"{answered:,} calls were answered, only {booked:,} booked.")
    kept = {"rate": given.rate, "milliseconds": figures, "added_ms": added, "goals_ms": GOALS}
    measuring.keep(4, "added-latency", kept)
    if any(added[name] >= goal for name, goal in GOALS.items()):
        raise SystemExit("row 4 missed its target")


def measure(folder: Path, rate: float, seconds: int, rounds: int) -> tuple[dict[str, list[SteadyResult]], int]:
    """All rounds, and how many calls the control plane booked."""
    with stage(folder) as running:
        turns = {
            name: lambda port=port: steady(port, payloads.REQUEST, payloads.BODY, rate=rate, seconds=seconds)
            for name, port in {"direct": MOCK, "gateway": GATEWAY}.items()
        }
        for port in (MOCK, GATEWAY):
            payloads.check_reply(payloads.ask(port, payloads.REQUEST))
            steady(port, payloads.REQUEST, payloads.BODY, rate=rate, seconds=1)  # connections are made here
        return measuring.alternate(turns, rounds), running.booked()


def _quantiles(runs: list[SteadyResult]) -> dict[str, float]:
    found: dict[str, Any] = {
        name: round(statistics.median(percentile(one.latencies, part) for one in runs), 3)
        for name, part in QUANTILES.items()
    }
    found["sent late p99"] = round(statistics.median(percentile(one.lateness, 0.99) for one in runs), 3)
    return found


def _added(results: dict[str, list[SteadyResult]], part: float) -> float:
    pairs = zip(results["direct"], results["gateway"], strict=True)
    return round(
        statistics.median(percentile(ours.latencies, part) - percentile(bare.latencies, part) for bare, ours in pairs),
        3,
    )


if __name__ == "__main__":
    main()
