"""Everything the analysis knows of one net, in one report: the entry point of this package.

Reading order: `plain` (the net as numbers), `reachability`, `coverability`, `properties`, `structure`, `questions`. All
of it is pure; memory and time are bounded by `Limits`, and whatever lies past a limit is UNKNOWN.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from workflows.core.analysis import properties, structure
from workflows.core.analysis.coverability import Coverability, cover
from workflows.core.analysis.plain import PlainNet, plain_net
from workflows.core.analysis.questions import WorstPrice, worst_price
from workflows.core.analysis.reachability import explore
from workflows.core.analysis.verdict import Limits, Verdict
from workflows.core.net import Net


@dataclass(frozen=True, slots=True)
class Report:
    """The verdicts, in the order people ask for them."""

    sound: Verdict
    bounded: Verdict
    bounds: dict[str, float]
    """The most tokens in each place (infinite: no bound); empty when unknown."""
    deadlock_free: Verdict
    dead_transitions: Verdict
    live: Verdict
    place_invariants: structure.Found
    transition_invariants: structure.Found
    siphons: structure.Found
    traps: structure.Found
    worst_price: WorstPrice
    states: int
    edges: int
    complete: bool
    """Whether the reachability graph was finished within the limit."""


def analyse(
    net: Net,
    initial: Mapping[str, int] | None = None,
    prices: Mapping[str, int] | None = None,
    limits: Limits | None = None,
) -> Report:
    """Analyse `net` from `initial` (default: one token in its initial place); `prices` in nano-dollars per firing."""
    return analyse_plain(plain_net(net, initial), prices or {}, limits or Limits())


def analyse_plain(net: PlainNet, prices: Mapping[str, int], limits: Limits) -> Report:
    graph = explore(net, limits.states)
    covering: Coverability | None = None
    if not graph.complete and net.is_plain:
        covering = cover(net, limits.states)
    bounded, bounds = properties.bounded(graph, covering)
    return Report(
        sound=properties.sound(graph, covering),
        bounded=bounded,
        bounds=bounds,
        deadlock_free=properties.deadlock_free(graph),
        dead_transitions=properties.dead_transitions(graph, covering),
        live=properties.live(graph),
        place_invariants=structure.place_invariants(net, limits.vectors),
        transition_invariants=structure.transition_invariants(net, limits.vectors),
        siphons=structure.siphons(net, limits.vectors),
        traps=structure.traps(net, limits.vectors),
        worst_price=worst_price(graph, prices, limits),
        states=len(graph.states),
        edges=graph.edge_count,
        complete=graph.complete,
    )
