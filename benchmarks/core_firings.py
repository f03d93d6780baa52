"""Row 11: firings per second of the core in memory, against SNAKES (10 times) and pm4py (4 times).

One small workflow with a fork and a join, begun anew each time it ends; each contender looks for the first enabled
transition in order of definition and fires it, its library's own way. Nobody's tokens carry data: ours is the core's
token game on counts. What the same costs with tokens that have identity, data and version, as the engine moves them, is
told beside it and compared to nothing. Each must end in the same marking, or its figure counts as nothing.
"""

import statistics
from typing import Any

from benchmarks.measuring import alternate, keep
from benchmarks.nets import ask, review_ring
from benchmarks.peers import environments

FIRINGS = 8_000
ROUNDS = 3
PEER_GOALS = {"snakes": 10.0, "pm4py": 4.0}


def main_peers() -> None:
    """Install both, take turns, print and keep the ratios."""
    failed = []
    with environments(PEER_GOALS) as installed:
        for peer in installed:
            contenders: dict[str, Any] = {
                "ours": lambda: _rate(ask("ours", review_ring(), firings=FIRINGS)),
                peer.name: lambda peer=peer: _rate(ask(peer.name, review_ring(), peer, firings=FIRINGS)),
            }
            contenders["with data"] = lambda: _rate(ask("ours", review_ring(), firings=FIRINGS, tokens=True))
            rates = {name: statistics.median(runs) for name, runs in alternate(contenders, ROUNDS).items()}
            ratio, goal = rates["ours"] / rates[peer.name], PEER_GOALS[peer.name]
            said = ", ".join(f"{name} {rate:,.0f} firings/s" for name, rate in rates.items())
            print(f"{said}: {ratio:.1f} x, goal {goal:g} x: {'reached' if ratio >= goal else 'missed'}")
            shown = {name: {"firings_per_second": round(rate)} for name, rate in rates.items()}
            figures = {"contenders": shown, "ratio": round(ratio, 2), "goal": goal, "reached": ratio >= goal}
            keep(11, f"firings-against-{peer.name}", {**figures, "peer": peer.described()})
            failed += [peer.name] if ratio < goal else []
    if failed:
        raise SystemExit(f"row 11 missed its target against {', '.join(failed)}")


def _rate(answer: dict[str, Any]) -> float:
    if answer["marking"] != {"draft": 1}:
        raise SystemExit(f"a contender ended in {answer['marking']}; its figure counts as nothing.")
    return float(FIRINGS / answer["seconds"])


if __name__ == "__main__":
    main_peers()
