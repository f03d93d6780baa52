"""Row 10: durable firings on Postgres, 8 connections, against LangGraph (5 times) and DBOS (7 times).

The equal step of each: ours is a firing (row 9 says all it does), LangGraph's a node whose checkpoint is written before
the next begins, DBOS's a step whose outcome is. Each moves 100 bytes of data from one place to another, in 8 processes
at once (a peer's process has the pool its makers give it), turn by turn on the same server, each in a database of its
own. The peers' runs are long, so that a run's own beginning and end weigh little. Every step is checked by what comes
out, and a peer's by what it has recorded. The programs are in `step_programs/`.
"""

import statistics
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from benchmarks.crew import PROGRAMS, Crew, Pace, crew
from benchmarks.durable_firing import CONNECTIONS, arguments, check_ours, ours, shown, vacuumed
from benchmarks.measuring import Missing, alternate, keep
from benchmarks.peers import CannotRun, Peer, environments
from benchmarks.scratch_database import scratch_database

PEER_GOALS = {"langgraph": 5.0, "dbos": 7.0}


def main_peers() -> None:
    """Install both, take turns, print and keep the ratios."""
    given = arguments("python -m benchmarks.durable_steps", __doc__)
    failed = []
    with environments(PEER_GOALS) as installed:
        for peer in installed:
            name, goal = f"steps-against-{peer.name}", PEER_GOALS[peer.name]
            try:
                found = measure(peer, given.seconds, given.rounds)
            except Missing as missing:
                print(f"row 10, durable steps: {missing}")
                return
            except CannotRun as reason:
                print(f"row 10, {peer.name} {peer.version}: not measured: {reason}")
                keep(10, name, {**peer.described(), "not_measured": str(reason)})
                continue
            figures = shown(found)
            pairs = zip(found["ours"], found[peer.name], strict=True)
            ratio = statistics.median(one.rate / other.rate for one, other in pairs)
            print(f"row 10, durable steps: ours / {peer.name} {peer.version} = {ratio:.1f} (goal {goal:g})")
            kept = {"connections": CONNECTIONS, "contenders": figures, "ratio": round(ratio, 2), "goal": goal}
            keep(10, name, {**peer.described(), **kept})
            failed += [f"{peer.name}: {ratio:.1f} is below {goal:g}"] if ratio < goal else []
    if failed:
        raise SystemExit(f"row 10: {'; '.join(failed)}")


def measure(peer: Peer, seconds: float, rounds: int) -> dict[str, list[Pace]]:
    """Turn by turn. Raises Missing, CannotRun, and SystemExit for a wrong result."""
    with (
        scratch_database() as url,
        scratch_database() as their_url,
        ours(url) as we,
        theirs(peer, their_url) as they,
    ):
        turns: dict[str, Callable[[], Pace]] = {
            peer.name: vacuumed(their_url, lambda: they.run(seconds)),
            "ours": vacuumed(url, lambda: we.run(seconds)),
        }
        for warm in turns.values():
            warm()
        found = alternate(turns, rounds)
        check_ours(url, we)
    return found


@contextmanager
def theirs(peer: Peer, url: str) -> Iterator[Crew]:
    """The peer's processes on a database that its own program has made ready. Raises CannotRun."""
    if peer.missing:
        raise CannotRun(peer.missing)
    interpreter, spelled = str(peer.home / "bin/python"), url.replace("postgres://", "postgresql://")
    with tempfile.TemporaryDirectory(prefix="benchmark-peer-") as folder:
        command = [interpreter, str(PROGRAMS / f"{peer.name}.py"), "prepare", spelled]
        environment = {"PATH": "/usr/bin:/bin", "HOME": folder, "LANG": "C.UTF-8"}
        made = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)
        if made.returncode:
            raise CannotRun((made.stderr.strip().splitlines() or ["no reason given"])[-1][:300])
        settings = {"LANGGRAPH_STRICT_MSGPACK": "true"} if peer.name == "langgraph" else {}
        with crew(interpreter, peer.name, CONNECTIONS, settings, spelled, bare=True) as started:
            yield started


if __name__ == "__main__":
    main_peers()
