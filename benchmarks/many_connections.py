"""Row 3: chat completions per second at 1,000 connections, against our own figure at 64.

The same worker, mock and checks as in row 1, with default settings; the two loads take turns. nginx as a reverse proxy
is put under both loads as well: what it loses is the machine's part (sockets and memory of 2,000 connections in the
caches of the same cores), and shown beside ours.
"""

import tempfile
from pathlib import Path

from benchmarks import measuring, payloads
from benchmarks.chat_throughput import arguments, refuse_wrong, shown
from benchmarks.stage import GATEWAY, PROXY, stage
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
    limit = figures[f"nginx {MANY}"]["requests_per_second"] / figures[f"nginx {FEW}"]["requests_per_second"]
    spread = many["p99_ms"] / many["p50_ms"]
    print(
        f"row 3, many connections: {MANY:,} / {FEW} = {ratio:.2f} (goal {TARGET}; nginx: {limit:.2f}); "
        f"p99 / p50 at {MANY:,} = {spread:.1f} (goal < {SPREAD:g}); {booked:,} booked"
    )
    refuse_wrong(results, booked, (f"{FEW}", f"{MANY}"))
    measuring.keep(
        3,
        "many-connections",
        {
            "contenders": figures,
            "ratio": round(ratio, 3),
            "goal": TARGET,
            "nginx_ratio": round(limit, 3),
            "p99_over_p50": round(spread, 2),
        },
    )
    if ratio < TARGET or spread >= SPREAD:
        raise SystemExit("row 3 missed its target")


def measure(folder: Path, seconds: int, rounds: int) -> tuple[dict[str, list[WrkResult]], int]:
    """All rounds, and how many calls the control plane booked."""
    with stage(folder, proxy="buffered") as running:
        script = write_script(folder / "request.lua", payloads.REQUEST)
        payloads.check_reply(payloads.ask(GATEWAY, payloads.REQUEST))
        results = measuring.alternate(
            {
                f"{name}{connections}": lambda port=port, connections=connections: wrk(  # type: ignore[misc]
                    f"http://127.0.0.1:{port}/v1/chat/completions", script, connections=connections, seconds=seconds
                )
                for name, port in (("", GATEWAY), ("nginx ", PROXY))
                for connections in (FEW, MANY)
            },
            rounds,
        )
        payloads.check_reply(payloads.ask(GATEWAY, payloads.REQUEST))
        return results, running.booked()


if __name__ == "__main__":
    main()
