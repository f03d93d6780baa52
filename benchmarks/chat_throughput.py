"""Rows 1 and 2: whole chat completions per second through one gateway worker, against nginx as a reverse proxy, and
against LiteLLM, TensorZero and Portkey.

All proxy to the same mock (another nginx that returns one fixed completion), with 64 connections, on the same cores
as the load generator, taking turns. The gateway has everything on: routing, journal, uplink to a control plane that
acknowledges, metrics. Every reply is checked: status and size by wrk, content before and after, and each call must be
booked, at its price, by the control plane. How the peers are run is in `peers.py`.
"""

import argparse
import statistics
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks import measuring, payloads
from benchmarks.peers import CannotRun, Peer, environments, start
from benchmarks.stage import GATEWAY, PROXY, stage
from benchmarks.wrk import WrkResult, write_script, wrk

TARGET, GOAL = 0.25, 0.40
PEER_GOALS = {"tensorzero": 2.5, "portkey": 18.0, "litellm": 230.0}


def main() -> None:
    """Row 1. Raises SystemExit when a reply was wrong or the target is missed."""
    given = arguments("python -m benchmarks.chat_throughput", __doc__, 4, 4)
    try:
        measuring.need("wrk", "nginx")
    except measuring.Missing as missing:
        print(f"row 1, chat throughput: {missing}")
        return
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        results, booked = measure(Path(folder), given.seconds, given.rounds, given.connections)
    figures = shown(results)
    ratio = figures["gateway"]["requests_per_second"] / figures["nginx"]["requests_per_second"]
    print(
        f"row 1, chat throughput, {given.connections} connections: gateway / nginx = {ratio:.2f} (goal {GOAL}); "
        f"{booked:,} booked"
    )
    refuse_wrong(results, booked)
    kept = {"connections": given.connections, "contenders": figures, "ratio": round(ratio, 3), "goal": GOAL}
    measuring.keep(1, "chat-throughput", kept)
    if ratio < TARGET:
        raise SystemExit(f"The ratio {ratio:.2f} is below {TARGET}.")


def main_peers() -> None:
    """Row 2: each peer in turn with the gateway, so that both see the same minute."""
    given = arguments("python -m benchmarks.chat_throughput", __doc__, 4, 3)
    measuring.need("wrk", "nginx")
    failed = []
    with environments(PEER_GOALS) as installed:
        for peer in installed:
            try:
                with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
                    results, booked = measure(Path(folder), given.seconds, given.rounds, given.connections, peer)
            except CannotRun as reason:
                print(f"row 2, {peer.name} {peer.version}: not measured: {reason}")
                measuring.keep(2, f"chat-against-{peer.name}", {**peer.described(), "not_measured": str(reason)})
                continue
            figures = shown(results)
            ratio = figures["gateway"]["requests_per_second"] / figures[peer.name]["requests_per_second"]
            goal = PEER_GOALS[peer.name]
            print(f"row 2, chat throughput: gateway / {peer.name} {peer.version} = {ratio:.1f} (goal {goal:g})")
            refuse_wrong(results, booked)
            kept = {**peer.described(), "contenders": figures, "ratio": round(ratio, 2), "goal": goal}
            measuring.keep(2, f"chat-against-{peer.name}", {"connections": given.connections, **kept})
            if ratio < goal:
                failed.append(f"{peer.name}: {ratio:.1f} is below {goal:g}")
    if failed:
        raise SystemExit(f"row 2: {'; '.join(failed)}")


def measure(
    folder: Path, seconds: int, rounds: int, connections: int, peer: Peer | None = None
) -> tuple[dict[str, list[WrkResult]], int]:
    """All rounds of the gateway and of nginx or `peer`, and how many calls the control plane booked."""
    with ExitStack() as stack:
        running = stack.enter_context(stage(folder, proxy="buffered" if peer is None else ""))
        contenders: dict[str, tuple[int, str, dict[str, str], dict[str, Any]]] = {}
        if peer is None:
            contenders["nginx"] = (PROXY, "/v1", {}, payloads.REQUEST)
        else:
            port, _ = stack.enter_context(start(peer, folder))
            contenders[peer.name] = (port, peer.path, peer.headers, {**payloads.REQUEST, "model": peer.model})
        contenders["gateway"] = (GATEWAY, "/v1", {}, payloads.REQUEST)
        turns = {}
        for name, (port, path, headers, request) in contenders.items():
            script = write_script(folder / f"{name}.lua", request, headers)
            turns[name] = _turn(f"http://127.0.0.1:{port}{path}/chat/completions", script, connections, seconds)
        _check(contenders, peer)
        if peer is not None:
            turns[peer.name]()  # one round to warm up: it may compile as it goes
        results = measuring.alternate(turns, rounds)
        _check(contenders, peer)
        return results, running.booked()


def shown(results: dict[str, list[WrkResult]]) -> dict[str, dict[str, Any]]:
    """Medians of the rounds, also printed."""
    figures = {
        name: {
            "requests_per_second": round(statistics.median(one.rate for one in runs)),
            "rounds": [round(one.rate) for one in runs],
            "p50_ms": round(statistics.median(one.p50 for one in runs), 3),
            "p99_ms": round(statistics.median(one.p99 for one in runs), 3),
            "errors": sum(one.errors for one in runs),
        }
        for name, runs in results.items()
    }
    for name, one in figures.items():
        print(
            f"{name:10} {one['requests_per_second']:>7,} requests/s   p50 {one['p50_ms']} ms   p99 {one['p99_ms']} ms"
        )
    return figures


def refuse_wrong(results: dict[str, list[WrkResult]], booked: int, gateways: Sequence[str] = ("gateway",)) -> None:
    """SystemExit if an answer was not a success, too short, or (the gateway's) is not booked."""
    for name, runs in results.items():
        errors, shortest = sum(one.errors for one in runs), min(one.reply_bytes for one in runs)
        if errors:
            raise SystemExit(f"{name}: {errors} wrong replies; they count as nothing.")
        if shortest < len(payloads.BODY) * 0.9:  # a peer leaves out fields that are null
            raise SystemExit(f"{name}: replies of {shortest:.0f} bytes are too short.")
    answered = sum(one.requests for name in gateways for one in results[name])
    if booked < answered:
        raise SystemExit(f"{answered:,} calls were answered, only {booked:,} booked.")


def _turn(url: str, script: Path, connections: int, seconds: int) -> Any:
    return lambda: wrk(url, script, connections=connections, seconds=seconds)


def _check(contenders: dict[str, tuple[int, str, dict[str, str], dict[str, Any]]], peer: Peer | None) -> None:
    for name, (port, path, headers, request) in contenders.items():
        body = payloads.ask(port, request, path, headers)
        payloads.check_reply(body, exact=peer is None or name != peer.name)


def arguments(program: str, description: str | None, seconds: int, rounds: int) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog=program, description=description)
    parser.add_argument("--seconds", type=int, default=seconds, help="of each round")
    parser.add_argument("--rounds", type=int, default=rounds)
    parser.add_argument("--connections", type=int, default=64)
    return parser.parse_known_args()[0]


if __name__ == "__main__":
    main()
