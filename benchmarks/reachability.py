"""Row 12: the whole reachability graph of ten dining philosophers, against SNAKES (100 times) and pm4py (25 times).

6,726 markings and 43,480 firings: about the size of the net the goal was set with. Each contender must count the same
markings and firings, or its figure counts as nothing. Ours and the peer take turns.
"""

import statistics
from typing import Any

from benchmarks.measuring import alternate, keep
from benchmarks.nets import ask, philosophers
from benchmarks.peers import environments

PHILOSOPHERS, STATES, EDGES = 10, 6_726, 43_480
ROUNDS = {"snakes": 1, "pm4py": 3}
"""SNAKES takes a minute for one."""
PEER_GOALS = {"snakes": 100.0, "pm4py": 25.0}


def main_peers() -> None:
    """Install both, take turns, print and keep the ratios."""
    failed = []
    with environments(PEER_GOALS) as installed:
        for peer in installed:
            contenders: dict[str, Any] = {
                "ours": lambda: statistics.median(_seconds(ask("ours", philosophers(PHILOSOPHERS))) for _ in range(3)),
                peer.name: lambda peer=peer: _seconds(ask(peer.name, philosophers(PHILOSOPHERS), peer)),
            }
            runs = alternate(contenders, ROUNDS[peer.name])
            seconds = {name: statistics.median(each) for name, each in runs.items()}
            ratio, goal = seconds[peer.name] / seconds["ours"], PEER_GOALS[peer.name]
            said = ", ".join(f"{name} {each:.3f} s" for name, each in seconds.items())
            print(f"{said}: {ratio:.0f} x, goal {goal:g} x: {'reached' if ratio >= goal else 'missed'}")
            shown = {name: {"seconds": round(each, 4)} for name, each in seconds.items()}
            figures = {"contenders": shown, "ratio": round(ratio, 1), "goal": goal, "reached": ratio >= goal}
            keep(12, f"reachability-against-{peer.name}", {**figures, "peer": peer.described()})
            failed += [peer.name] if ratio < goal else []
    if failed:
        raise SystemExit(f"row 12 missed its target against {', '.join(failed)}")


def _seconds(answer: dict[str, Any]) -> float:
    if (answer["states"], answer["edges"]) != (STATES, EDGES):
        raise SystemExit(f"a contender counted {answer['states']} and {answer['edges']}; its figure counts as nothing.")
    return float(answer["seconds"])


if __name__ == "__main__":
    main_peers()
