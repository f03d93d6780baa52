"""Row 6: whole streams of 200 events per second, 64 connections, saturated, one worker: against nginx that passes each
piece on unbuffered, and against TensorZero.

The mock is nginx with the finished stream in a file, so the events come as fast as they are read. Every stream must
have the mock's size (wrk), its bytes before and after, and be booked at its price.
"""

import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks import measuring, payloads
from benchmarks.chat_throughput import arguments, shown
from benchmarks.peers import CannotRun, Peer, environments, start
from benchmarks.stage import GATEWAY, PROXY, fixed_streams, stage
from benchmarks.wrk import WrkResult, write_script, wrk

GOAL = 0.35
PEER_GOALS = {"tensorzero": 3.5}
LEAN = 0.6
"""A peer leaves out fields that are null: its events may be this much shorter."""


def main() -> None:
    """Against nginx. Raises SystemExit when a reply was wrong or the target is missed."""
    given = arguments("python -m benchmarks.stream_throughput", __doc__, 4, 4)
    try:
        measuring.need("wrk", "nginx")
    except measuring.Missing as missing:
        print(f"row 6, stream throughput: {missing}")
        return
    _against(None, given.seconds, given.rounds, given.connections, GOAL)


def main_peers() -> None:
    """Against TensorZero; the others take a minute for what this does in a second (row 2 shows by how much)."""
    given = arguments("python -m benchmarks.stream_throughput", __doc__, 4, 3)
    measuring.need("wrk", "nginx")
    with environments(PEER_GOALS) as installed:
        for peer in installed:
            try:
                _against(peer, given.seconds, given.rounds, given.connections, PEER_GOALS[peer.name])
            except CannotRun as reason:
                print(f"row 6, {peer.name} {peer.version}: not measured: {reason}")
                kept = {**peer.described(), "not_measured": str(reason)}
                measuring.keep(6, f"streams-against-{peer.name}", kept)


def _against(peer: Peer | None, seconds: int, rounds: int, connections: int, goal: float) -> None:
    other = "nginx" if peer is None else peer.name
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        results, booked = measure(Path(folder), seconds, rounds, connections, peer)
    figures = shown(results)
    ratio = figures["gateway"]["requests_per_second"] / figures[other]["requests_per_second"]
    print(f"row 6, stream throughput: gateway / {other} = {ratio:.2f} (goal {goal:g}); {booked:,} booked")
    whole = len(payloads.stream_body())
    for name, runs in results.items():
        least = whole * (LEAN if peer is not None and name == peer.name else 0.99)  # wrk shows three digits
        if any(one.errors for one in runs) or min(one.reply_bytes for one in runs) < least:
            raise SystemExit(f"{name}: wrong or short streams; they count as nothing: {runs}")
    answered = sum(one.requests for one in results["gateway"])
    if booked < answered:
        raise SystemExit(f"{answered:,} streams were answered, only {booked:,} booked.")
    setting: dict[str, Any] = {"connections": connections, "events": payloads.STREAM_EVENTS, "stream_bytes": whole}
    kept = {**setting, **(peer.described() if peer else {}), "contenders": figures, "ratio": round(ratio, 3)}
    name = "stream-throughput" if peer is None else f"streams-against-{other}"
    measuring.keep(6, name, {**kept, "goal": goal})
    if ratio < goal:
        raise SystemExit(f"row 6: {ratio:.2f} of {other} is below {goal:g}")


def measure(
    folder: Path, seconds: int, rounds: int, connections: int, peer: Peer | None
) -> tuple[dict[str, list[WrkResult]], int]:
    """All rounds of the gateway and of nginx or `peer`, and how many streams the control plane booked."""
    proxy = "unbuffered" if peer is None else ""
    with ExitStack() as stack:
        running = stack.enter_context(stage(folder, mock=fixed_streams(folder / "files"), proxy=proxy))
        ports = {"gateway": (GATEWAY, "/v1", "gpt-4")}
        if peer is None:
            ports = {"nginx": (PROXY, "/v1", "gpt-4"), **ports}
        else:
            port, _ = stack.enter_context(start(peer, folder, payloads.STREAM_REQUEST))
            ports = {peer.name: (port, peer.path, peer.model), **ports}
        turns, requests = {}, {}
        for name, (port, path, model) in ports.items():
            requests[name] = {**payloads.STREAM_REQUEST, "model": model}
            script = write_script(folder / f"{name}.lua", requests[name])
            url = f"http://127.0.0.1:{port}{path}/chat/completions"
            turns[name] = lambda url=url, script=script: wrk(url, script, connections=connections, seconds=seconds)
        for _ in range(2):
            for name, (port, path, _model) in ports.items():
                exact = peer is None or name != peer.name
                payloads.check_stream(payloads.ask(port, requests[name], path), exact=exact)
        results = measuring.alternate(turns, rounds)
        payloads.check_stream(payloads.ask(GATEWAY, payloads.STREAM_REQUEST))
        return results, running.booked()


if __name__ == "__main__":
    main()
