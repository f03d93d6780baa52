"""Everything the analysis knows of one net, in one report: the entry point of this package.

Reading order: `plain` (the net as numbers), `packed`, `reachability`, `coverability`, `properties`, `structure`,
`questions`. Pure but for the clock; memory and time are bounded by `Limits`, and what lies past a limit is UNKNOWN.
`findings` picks out what an author should hear.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from workflows.core.analysis import properties, structure
from workflows.core.analysis.abstraction import abstracted
from workflows.core.analysis.coverability import Coverability, cover
from workflows.core.analysis.plain import PlainNet, plain_net
from workflows.core.analysis.questions import Prices, WorstPrice, worst_price
from workflows.core.analysis.reachability import explore
from workflows.core.analysis.verdict import Limits, Over, Verdict, until
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
    """Whether the reachability graph was finished within the limits."""
    stopped: str
    """The limit it was stopped by, if it was."""
    abstracted: tuple[str, ...] = ()
    """What of the net the analysis does not look at, in words: guards, times, tokens of other cases."""


def analyse(
    net: Net,
    initial: Mapping[str, int] | None = None,
    prices: Prices | None = None,
    limits: Limits | None = None,
    over: Over | None = None,
) -> Report:
    """Analyse `net` from `initial` (default: one token in its initial place).

    The price of a step that works outside is that of one attempt; all it may have are counted.
    """
    priced = (prices or Prices()).with_attempts(net)
    report = analyse_plain(plain_net(net, initial), priced, limits or Limits(), over)
    return replace(report, abstracted=abstracted(net))


def analyse_plain(net: PlainNet, prices: Prices, limits: Limits, over: Over | None = None) -> Report:
    """The same for a net as numbers. Every part has the time that those before it left; `over` may end it sooner."""
    over = over or until(limits.seconds)
    graph = explore(net, limits.states, over)
    covering: Coverability | None = None
    if not graph.complete and net.is_plain:
        covering = cover(net, limits.states, over)
    bounded, bounds = properties.bounded(graph, covering)
    return Report(
        sound=properties.sound(graph, covering),
        bounded=bounded,
        bounds=bounds,
        deadlock_free=properties.deadlock_free(graph),
        dead_transitions=properties.dead_transitions(graph, covering),
        live=properties.live(graph),
        place_invariants=structure.place_invariants(net, limits.vectors, over),
        transition_invariants=structure.transition_invariants(net, limits.vectors, over),
        siphons=structure.siphons(net, limits.vectors, over),
        traps=structure.traps(net, limits.vectors, over),
        worst_price=worst_price(graph, prices, limits, over),
        states=len(graph.states),
        edges=graph.edge_count,
        complete=graph.complete,
        stopped=graph.stopped,
    )
