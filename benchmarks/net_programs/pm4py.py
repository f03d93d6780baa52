"""pm4py (pm4py.fit.fraunhofer.de): the same two tasks as `ours.py`."""

import json
import sys
import time

sys.path.pop(0)  # this file's folder, where `pm4py` would be this file
from pm4py.objects.petri_net import semantics  # type: ignore
from pm4py.objects.petri_net.obj import Marking, PetriNet  # type: ignore
from pm4py.objects.petri_net.utils.petri_utils import add_arc_from_to  # type: ignore
from pm4py.objects.petri_net.utils.reachability_graph import construct_reachability_graph  # type: ignore

asked = json.load(sys.stdin)
net = PetriNet("net")
places = {name: PetriNet.Place(name) for name in asked["places"]}
net.places.update(places.values())
transitions = []
for name, (takes, gives) in asked["transitions"].items():
    transition = PetriNet.Transition(name, name)
    net.transitions.add(transition)
    transitions.append(transition)
    for place in takes:
        add_arc_from_to(places[place], transition, net)
    for place in gives:
        add_arc_from_to(transition, places[place], net)
marking = Marking({places[name]: count for name, count in asked["places"].items() if count})

began = time.perf_counter()
if "firings" in asked:
    for _ in range(asked["firings"]):
        for transition in transitions:
            if semantics.is_enabled(transition, net, marking):
                marking = semantics.execute(transition, net, marking)
                break
    seconds = time.perf_counter() - began
    print(json.dumps({"marking": {place.name: count for place, count in marking.items()}, "seconds": seconds}))
else:
    graph = construct_reachability_graph(net, marking)
    seconds = time.perf_counter() - began
    print(json.dumps({"states": len(graph.states), "edges": len(graph.transitions), "seconds": seconds}))
