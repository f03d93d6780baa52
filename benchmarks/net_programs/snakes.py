"""SNAKES (snakes.ibisc.univ-evry.fr): the same two tasks as `ours.py`."""

import json
import sys
import time

sys.path.pop(0)  # this file's folder, where `snakes` would be this file
from snakes.nets import PetriNet, Place, StateGraph, Transition, Value, dot  # type: ignore

asked = json.load(sys.stdin)
net = PetriNet("net")
for place, count in asked["places"].items():
    net.add_place(Place(place, [dot] * count))
for name, (takes, gives) in asked["transitions"].items():
    net.add_transition(Transition(name))
    for place in takes:
        net.add_input(place, name, Value(dot))
    for place in gives:
        net.add_output(place, name, Value(dot))

began = time.perf_counter()
if "firings" in asked:
    transitions = net.transition()
    order = {name: number for number, name in enumerate(asked["transitions"])}
    transitions.sort(key=lambda transition: order[transition.name])
    for _ in range(asked["firings"]):
        for transition in transitions:
            modes = transition.modes()
            if modes:
                transition.fire(modes[0])
                break
    seconds = time.perf_counter() - began
    marking = {place.name: len(place.tokens) for place in net.place() if len(place.tokens)}
    print(json.dumps({"marking": marking, "seconds": seconds}))
else:
    graph = StateGraph(net)
    graph.build()
    seconds = time.perf_counter() - began
    edges = sum(1 for state in graph for _ in graph.successors(state))
    print(json.dumps({"states": len(graph), "edges": edges, "seconds": seconds}))
