"""Our core: explores everything, or fires the first enabled transition so many times. JSON in, JSON out.

`"tokens": true` moves tokens with identity, data and version as the engine does; otherwise counts, as the peers do.
"""

import json
import sys
import time
from typing import Any

from workflows.core.analysis.plain import plain_net
from workflows.core.analysis.reachability import explore
from workflows.core.analysis.walk import walk
from workflows.core.binding import find_any
from workflows.core.firing import fire
from workflows.core.marking import Marking, Token
from workflows.core.net import Net
from workflows.core.notation import compile_definition


def main() -> None:
    asked = json.load(sys.stdin)
    net = net_of(asked)
    if "firings" not in asked:
        print(json.dumps(graph(net, asked)))
    else:
        print(json.dumps(moved(net, asked) if asked.get("tokens") else counted(net, asked)))


def net_of(asked: dict[str, Any]) -> Net:
    transitions = [
        {"id": name, "inputs": takes, "outputs": gives} for name, (takes, gives) in asked["transitions"].items()
    ]
    start = next(place for place, count in asked["places"].items() if count)
    definition = {"name": "net", "places": [*asked["places"]], "initialPlace": start, "transitions": transitions}
    return compile_definition(definition).net


def graph(net: Net, asked: dict[str, Any]) -> dict[str, Any]:
    began = time.perf_counter()
    found = explore(plain_net(net, {place: count for place, count in asked["places"].items() if count}), 1_000_000)
    seconds = time.perf_counter() - began
    return {"states": len(found.states), "edges": found.edge_count, "seconds": seconds}


def counted(net: Net, asked: dict[str, Any]) -> dict[str, Any]:
    plain = plain_net(net, {place: count for place, count in asked["places"].items() if count})
    began = time.perf_counter()
    found = walk(plain, asked["firings"])
    seconds = time.perf_counter() - began
    return {"marking": plain.named(found.marking), "seconds": seconds}


def moved(net: Net, asked: dict[str, Any]) -> dict[str, Any]:
    """Bindings searched among tokens, the change applied."""
    ids = iter(range(10**9))
    marking = Marking(
        Token(str(next(ids)), place, {}) for place, count in asked["places"].items() for _ in range(count)
    )
    transitions = list(net.transitions.values())
    began = time.perf_counter()
    for seq in range(asked["firings"]):
        for transition in transitions:
            binding = find_any(net, transition, marking)
            if binding is not None:
                marking = marking.apply(fire(binding, {}, {}, seq, lambda: str(next(ids))))
                break
    return {"marking": marking.counts(), "seconds": time.perf_counter() - began}


main()
