"""Row 3: chat completions per second at 1,000 connections, against our own figure at 64.

The same worker, mock and checks as in row 1, with default settings; the two loads take turns.
"""

import tempfile
from pathlib import Path

from benchmarks import measuring, payloads
from benchmarks.chat_throughput import arguments, refuse_wrong, shown
from benchmarks.stage import GATEWAY, stage
from benchmarks.wrk import WrkResult, write_script, wrk

FEW, MANY = 64, 1_000
TARGET = 0.85
SPREAD = 3.0
"""The highest p99 allowed, in p50s."""


def main() -> None:
    """Raises SystemExit when a reply was wrong or a target is missed."""
    given = arguments("python -m benchmarks.many_connections", __doc__, 5, 3)
    try:
        measuring.need("wrk", "nginx")
    except measuring.Missing as missing:
        print(f"row 3, many connections: {missing}")
        return
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        results, booked = measure(Path(folder), given.seconds, given.rounds)
    figures = shown(results)
    few, many = figures[f"{FEW}"], figures[f"{MANY}"]
    ratio = many["requests_per_second"] / few["requests_per_second"]
    spread = many["p99_ms"] / many["p50_ms"]
    print(
        f"row 3, many connections: {MANY:,} / {FEW} = {ratio:.2f} (goal {TARGET}); "
        f"p99 / p50 at {MANY:,} = {spread:.1f} (goal < {SPREAD:g}); {booked:,} booked"
    )
    refuse_wrong(results, booked, tuple(figures))
    measuring.keep(
        3,
        "many-connections",
        {
            "contenders": figures,
            "ratio": round(ratio, 3),
            "goal": TARGET,
            "p99_over_p50": round(spread, 2),
        },
    )
    if ratio < TARGET or spread >= SPREAD:
        raise SystemExit("row 3 missed its target")


def measure(folder: Path, seconds: int, rounds: int) -> tuple[dict[str, list[WrkResult]], int]:
    """All rounds, and how many calls the control plane booked."""
    with stage(folder) as running:
        script = write_script(folder / "request.lua", payloads.REQUEST)
        url = f"http://127.0.0.1:{GATEWAY}/v1/chat/completions"
        payloads.check_reply(payloads.ask(GATEWAY, payloads.REQUEST))
        results = measuring.alternate(
            {
                f"{connections}": lambda connections=connections: wrk(  # type: ignore[misc]
                    url, script, connections=connections, seconds=seconds
                )
                for connections in (FEW, MANY)
            },
            rounds,
        )
        payloads.check_reply(payloads.ask(GATEWAY, payloads.REQUEST))
        return results, running.booked()


if __name__ == "__main__":
    main()
