"""The nets of rows 11 and 12, and how each contender runs them: us in this process's interpreter, peers in their own.

A net is plain data: places with their tokens, transitions with the places they take from and put to. Each contender
gets the same and answers with what it counted and the seconds it took, starting up not included; `net_programs/` holds
the programs, each written as its library's own documentation does it.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.measuring import ROOT
from benchmarks.peers import CannotRun, Peer

PROGRAMS = Path(__file__).resolve().parent / "net_programs"
GIVE_UP_SECONDS = 900


def philosophers(count: int) -> dict[str, Any]:
    """Dining philosophers who take the left fork first: 6,726 markings and 43,480 firings for ten."""
    places: dict[str, int] = {}
    transitions: dict[str, Any] = {}
    for one in range(count):
        left, right = f"fork{one}", f"fork{(one + 1) % count}"
        places |= {f"thinks{one}": 1, f"waits{one}": 0, f"eats{one}": 0, left: 1}
        transitions[f"left{one}"] = [[f"thinks{one}", left], [f"waits{one}"]]
        transitions[f"right{one}"] = [[f"waits{one}", right], [f"eats{one}"]]
        transitions[f"put{one}"] = [[f"eats{one}"], [f"thinks{one}", left, right]]
    return {"places": places, "transitions": transitions}


def review_ring() -> dict[str, Any]:
    """A small workflow that begins anew when it ends: a line, a fork of two branches, a join; eight firings a round."""
    steps = {
        "submit": [["draft"], ["submitted"]],
        "accept": [["submitted"], ["accepted"]],
        "split": [["accepted"], ["legal", "technical"]],
        "check_legal": [["legal"], ["legal_done"]],
        "check_technical": [["technical"], ["technical_done"]],
        "join": [["legal_done", "technical_done"], ["decided"]],
        "publish": [["decided"], ["published"]],
        "again": [["published"], ["draft"]],
    }
    names = dict.fromkeys(place for takes, gives in steps.values() for place in (*takes, *gives))
    return {"places": {name: int(name == "draft") for name in names}, "transitions": steps}


def ask(program: str, net: dict[str, Any], peer: Peer | None = None, **more: Any) -> dict[str, Any]:
    """What a program of `net_programs` answers, run by the peer's interpreter or by ours. Raises CannotRun."""
    if peer is not None and peer.missing:
        raise CannotRun(peer.missing)
    interpreter = str(peer.home / "bin/python") if peer is not None else sys.executable
    done = subprocess.run(
        [interpreter, str(PROGRAMS / f"{program}.py")],
        input=json.dumps({**net, **more}),
        capture_output=True,
        text=True,
        timeout=GIVE_UP_SECONDS,
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT) if peer is None else "", "PATH": ""},
    )
    if done.returncode:
        raise CannotRun(f"{program}: {(done.stderr.strip().splitlines() or ['no reason given'])[-1][:300]}")
    answer: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return answer
