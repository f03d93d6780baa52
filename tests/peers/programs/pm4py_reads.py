"""Run by pm4py's interpreter: reads a PNML file, writes it again, and says what it found. Paths as arguments."""

import json
import sys

import pm4py
from pm4py.algo.analysis.woflan import algorithm as woflan
from pm4py.objects.petri_net.exporter import exporter
from pm4py.objects.petri_net.utils.reachability_graph import construct_reachability_graph

net, initial, final = pm4py.read_pnml(sys.argv[1])
names = {place: place.properties.get("place_name_tag", place.name) for place in net.places}
arcs = [
    [
        names.get(arc.source) or arc.source.name,
        names.get(arc.target) or arc.target.name,
        arc.weight,
        arc.properties.get("arctype", "normal"),
    ]
    for arc in net.arcs
]
exporter.apply(net, initial, sys.argv[2])
found = {
    "places": sorted(names.values()),
    "transitions": sorted(transition.name for transition in net.transitions),
    "arcs": sorted(arcs),
    "marking": {names[place]: count for place, count in initial.items()},
}
if "--graph" in sys.argv:
    graph = construct_reachability_graph(net, initial, use_trans_name=True)
    found |= {"states": len(graph.states), "edges": len(graph.transitions)}
if "--sound" in sys.argv:
    ends = pm4py.objects.petri_net.obj.Marking({place: 1 for place in net.places if not place.out_arcs})
    found["sound"] = bool(woflan.apply(net, initial, ends, parameters={woflan.Parameters.PRINT_DIAGNOSTICS: False}))
print(json.dumps(found))
