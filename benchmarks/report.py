"""Fills the table of `benchmarks/README.md` from the newest result of each row: `python -m benchmarks.report`.

Nothing in the table is typed by hand, and `python -m benchmarks.report --check` (a test runs it) fails while the file
says something else than the results, so that a figure there is never older than the one kept here.
"""

import json
import sys
from typing import Any

from benchmarks.measuring import RESULTS
from benchmarks.peers import PEERS

README = RESULTS.parent / "README.md"
BEGIN, END = "<!-- figures: written by benchmarks.report -->\n", "<!-- end of figures -->\n"
ROWS = (
    ("row01-chat-throughput", "chat_throughput", "whole chat completions, 64 connections", "nginx as a reverse proxy"),
    ("row02-chat-against-tensorzero", "--against-peers", "the same", "TensorZero"),
    ("row02-chat-against-portkey", "--against-peers", "the same", "Portkey"),
    ("row02-chat-against-litellm", "--against-peers", "the same", "LiteLLM"),
    ("row03-many-connections", "many_connections", "the same at 1,000 connections", "ourselves at 64"),
    ("row04-added-latency", "added_latency", "added latency at 1,000 requests/s, open loop", "the mock itself"),
    ("row05-stream-steadiness", "stream_steadiness", "512 streams, an event per 20 ms, 200 events", "the mock itself"),
    ("row06-stream-throughput", "stream_throughput", "streams of 200 events, saturated", "nginx, unbuffered"),
    ("row06-streams-against-tensorzero", "--against-peers", "the same", "TensorZero"),
    ("row07-memory", "memory", "memory of one worker", "-"),
    (
        "row08-cross-dialect",
        "cross_dialect",
        "whole chat completions at providers of other wires (the worse of Anthropic, Gemini)",
        "ourselves on OpenAI's wire",
    ),
    (
        "row09-durable-firing",
        "durable_firing",
        "durable firings of single tokens on Postgres, 8 connections",
        "pgbench: the same update, insert, outbox",
    ),
    ("row10-steps-against-langgraph", "durable_steps", "the same", "LangGraph on Postgres"),
    ("row10-steps-against-dbos", "durable_steps", "the same", "DBOS on Postgres"),
    ("row11-firings-against-snakes", "core_firings", "firings of a small workflow in memory", "SNAKES"),
    ("row11-firings-against-pm4py", "core_firings", "the same", "pm4py"),
    (
        "row12-reachability-against-snakes",
        "reachability",
        "reachability graph, 6,726 markings, 43,480 firings",
        "SNAKES",
    ),
    ("row12-reachability-against-pm4py", "reachability", "the same", "pm4py"),
    (
        "row13-stored-tokens",
        "stored_tokens",
        "one firing with 1,000,000 tokens stored (the worse of new tokens, any tokens)",
        "with 10,000",
    ),
    ("row16-startup", "startup", "`serve` to the first reply", "-"),
)


def write() -> None:
    """Write the README, or with `--check` exit with status 1 if it is stale."""
    text = README.read_text()
    before, _, rest = text.partition(BEGIN)
    after = rest.partition(END)[2]
    wanted = f"{before}{BEGIN}{table()}{END}{after}"
    if "--check" in sys.argv:
        sys.exit(0 if wanted == text else "benchmarks/README.md is stale: run python -m benchmarks.report")
    README.write_text(wanted)


def table() -> str:
    """The rows' and the peers' tables as Markdown."""
    lines = ["| row | work | against | latest figure | goal | when |", "|---|---|---|---|---|---|"]
    for name, module, work, against in ROWS:
        found = newest(name)
        row = f"{int(name[3:5])}, `{module}`"
        if found is None:
            lines.append(f"| {row} | {work} | {against} | not measured yet | | |")
        else:
            figure, goal = figures(found)
            if found["machine"].get("compiled"):
                figure += " (compiled)"
            lines.append(f"| {row} | {work} | {against} | {figure} | {goal} | {found['at'][:16].replace('T', ' ')} |")
    latest = max((json.loads(path.read_text()) for path in RESULTS.glob("*.json")), key=lambda one: str(one["at"]))
    machine = latest["machine"]
    lines += ["", f"Machine: {machine['cpus']} cores, {machine['system']}, Python {machine['python']}.", ""]
    lines += ["| peer | package and version | settings |", "|---|---|---|"]
    lines += [f"| {peer.name} | `{peer.package}` {peer.version} | {peer.settings} |" for peer in PEERS]
    return "\n".join(lines) + "\n"


def newest(name: str) -> dict[str, Any] | None:
    """The latest kept result of a row; file names begin with the date."""
    paths = sorted(RESULTS.glob(f"*-{name}.json"))
    return json.loads(paths[-1].read_text()) if paths else None


def figures(found: dict[str, Any]) -> tuple[str, str]:
    """What was reached, and what should be."""
    if "not_measured" in found:
        return f"not measured: {found['not_measured']}", ""
    if found["row"] in (1, 2, 3, 6, 8):
        rates = [f"{name} {one['requests_per_second']:,}/s" for name, one in found["contenders"].items()]
        spread = f"; p99 / p50 = {found['p99_over_p50']}" if "p99_over_p50" in found else ""
        spread += f"; nginx between the same loads: {found['nginx_ratio']}" if "nginx_ratio" in found else ""
        return f"**{found['ratio']:.2f}**; {', '.join(rates)}{spread}", f"≥ {found['goal']:g}"
    if found["row"] in (9, 10):
        return f"**{found['ratio']:.2f}**; {paces(found['contenders'])}", f"≥ {found['goal']:g}"
    if found["row"] in (11, 12):
        unit = {"firings_per_second": "{:,.0f}/s", "seconds": "{:.3f} s"}
        said = [
            f"{name} {unit[key].format(one[key])}"
            for name, one in found["contenders"].items()
            for key in unit
            if key in one
        ]
        return f"**{found['ratio']:.1f}**; {', '.join(said)}", f"≥ {found['goal']:g}"
    if found["row"] == 4:
        added, goals = found["added_ms"], found["goals_ms"]
        return f"p50 **{added['p50']} ms**, p99 **{added['p99']} ms**", f"< {goals['p50']}, < {goals['p99']} ms"
    if found["row"] == 5:
        added = found["added_ms"]
        figure = (
            f"worst delay **+{added['max']} ms**, p99 +{added['p99']} ms; {found['events_checked']:,} events, none lost"
        )
        return figure, f"< {found['goal_ms']:g} ms"
    if found["row"] == 7:
        sizes = ", ".join(f"{name} **{size:g}**" for name, size in found["megabytes"].items())
        growth = f"{found['growth_mb_per_minute']:+.2f} MB/minute over {found['minutes']:g} minutes"
        goals = " / ".join(f"{goal:g}" for goal in found["goals_megabytes"].values())
        return f"{sizes} MB; {growth}", f"≤ {goals} MB; < {found['growth_goal']} MB/minute"
    if found["row"] == 13:
        each = "; ".join(
            f"{name} {one['1000000']['median_ms']:g} against {one['10000']['median_ms']:g} ms"
            for name, one in found["contenders"].items()
        )
        return f"**{found['ratio']:.2f}**; {each}", f"≤ {found['goal']:g}"
    return f"median **{found['median']:.2f} s**", f"< {found['reach']:g} s"


def paces(contenders: dict[str, Any]) -> str:
    """Durable steps a second, and what one of ours costs."""
    said = [f"{name} {one['firings_per_second']:,}/s" for name, one in contenders.items()]
    ours = contenders["ours"]
    cost = f"CPU of one of ours: {ours['cpu_us']} µs in Python, {ours['server_cpu_us']} µs in the server"
    talk = f"; {ours['statements']} statements in {ours['round_trips']} waits" if "statements" in ours else ""
    return f"{', '.join(said)}; {cost}{talk}"


if __name__ == "__main__":
    write()
