"""Behavioural properties: bounded, deadlock-free, live, sound, dead transitions. Each answer comes with its trace.

Read off the reachability graph where that is complete; past the limit the coverability tree still proves what it can
for plain nets, and everything else is UNKNOWN. A workflow's final places are those no transition takes from; its final
markings hold one token in one final place and nothing else of the case's own. Soundness is that of van der
Aalst (The application of Petri nets to workflow management, 1998), for one or more final places. Next: `report.py`.
"""

from workflows.core.analysis.coverability import Coverability
from workflows.core.analysis.plain import Marking, PlainNet
from workflows.core.analysis.reachability import Graph, fire
from workflows.core.analysis.verdict import Answer, Verdict, unknown

GRAPH = "reachability graph"
TREE = "coverability tree"


def bounded(graph: Graph, covering: Coverability | None) -> tuple[Verdict, dict[str, float]]:
    """Whether every place has a bound, and the bounds known (infinite: none)."""
    net = graph.net
    if graph.complete:
        bounds = {place: float(max(state[at] for state in graph.states)) for at, place in enumerate(net.places)}
        return Verdict(Answer.TRUE, GRAPH), bounds
    if covering is not None and covering.unbounded:
        verdict = Verdict(Answer.FALSE, TREE, covering.pump, covering.unbounded, _pump_note(covering))
        return verdict, covering.bounds
    if covering is not None and covering.complete:
        return Verdict(Answer.TRUE, TREE), covering.bounds
    return _past_limit(graph), {}


def deadlock_free(graph: Graph) -> Verdict:
    """No reachable marking, final ones excepted, in which nothing can fire."""
    finals = final_places(graph.net)
    for state, leaving in enumerate(graph.edges[: graph.expanded]):
        if not leaving and not _ended(graph.net, graph.states[state], finals) and _really_stuck(graph, state):
            marked = tuple(f"{place}: {count}" for place, count in graph.net.named(graph.states[state]).items())
            return Verdict(Answer.FALSE, GRAPH, graph.trace(state), marked, "nothing can fire here")
    return Verdict(Answer.TRUE, GRAPH) if graph.complete else _past_limit(graph)


def dead_transitions(graph: Graph, covering: Coverability | None) -> Verdict:
    """TRUE when every transition can fire some time; FALSE names those that never can."""
    fired = {graph.net.rows[row].transition for leaving in graph.edges for row, _ in leaving}
    never = tuple(name for name in graph.net.transitions if name not in fired)
    if not never:
        return Verdict(Answer.TRUE, GRAPH, note="every transition can fire")
    if graph.complete:
        return Verdict(Answer.FALSE, GRAPH, witness=never)
    if covering is not None and covering.complete:
        never = tuple(name for name in graph.net.transitions if name not in covering.fired)
        return Verdict(Answer.FALSE if never else Answer.TRUE, TREE, witness=never)
    return _past_limit(graph)


def live(graph: Graph) -> Verdict:
    """From every reachable marking every transition can come to fire again (L4)."""
    if not graph.complete:
        return _past_limit(graph)
    everything = set(graph.net.transitions)
    for component in terminal_components(graph):
        inside = {graph.net.rows[row].transition for state in component for row, _ in graph.edges[state]}
        missing = tuple(name for name in graph.net.transitions if name not in inside)
        if everything - inside:
            return Verdict(
                Answer.FALSE, GRAPH, graph.trace(min(component)), missing, "from here these never fire again"
            )
    return Verdict(Answer.TRUE, GRAPH)


def sound(graph: Graph, covering: Coverability | None) -> Verdict:
    """Every run can end, ends clean, and no transition is useless."""
    if not final_places(graph.net):
        return Verdict(Answer.FALSE, "structure", note="no final place: some transition takes from every place")
    unclean = _unclean_end(graph)
    if unclean is not None:
        return unclean
    if not graph.complete:
        if covering is not None and covering.unbounded:
            return Verdict(Answer.FALSE, TREE, covering.pump, covering.unbounded, _pump_note(covering))
        return _past_limit(graph)
    stuck = _cannot_end(graph)
    if stuck is not None:
        return stuck
    dead = dead_transitions(graph, covering)
    if dead.answer is Answer.FALSE:
        return Verdict(Answer.FALSE, GRAPH, witness=dead.witness, note="these transitions can never fire")
    return Verdict(Answer.TRUE, GRAPH, note="guards count as free choice: one that forbids every way out is not seen")


def final_places(net: PlainNet) -> tuple[int, ...]:
    """The case's places from which nothing is taken, by index."""
    taken = {place for row in net.rows for place, _ in row.takes} | {place for row in net.rows for place in row.resets}
    return tuple(at for at in range(len(net.places)) if at not in taken and at not in net.shared)


def is_final(net: PlainNet, marking: Marking) -> bool:
    return _ended(net, marking, final_places(net))


def _ended(net: PlainNet, marking: Marking, finals: tuple[int, ...]) -> bool:
    return net.own(marking) == 1 and any(marking[place] for place in finals)


def terminal_components(graph: Graph) -> list[list[int]]:
    """The strongly connected components that no edge leaves."""
    component = component_of(graph)
    open_ones = {
        component[state]
        for state, leaving in enumerate(graph.edges)
        for _, to in leaving
        if component[to] != component[state]
    }
    members: dict[int, list[int]] = {}
    for state, number in enumerate(component):
        if number not in open_ones:
            members.setdefault(number, []).append(state)
    return list(members.values())


def component_of(graph: Graph) -> list[int]:
    """For each state the number of its strongly connected component (Tarjan, with a stack of our own).

    Components are numbered against the edges: every edge leads to the same or a lower number.
    """
    count = len(graph.states)
    order, low, component = [-1] * count, [0] * count, [-1] * count
    open_states: list[int] = []
    clock = components = 0
    for root in range(count):
        if order[root] >= 0:
            continue
        order[root] = low[root] = clock
        clock += 1
        open_states.append(root)
        work = [(root, iter(graph.edges[root]))]
        while work:
            state, leaving = work[-1]
            for _, to in leaving:
                if order[to] < 0:
                    order[to] = low[to] = clock
                    clock += 1
                    open_states.append(to)
                    work.append((to, iter(graph.edges[to])))
                    break
                if component[to] < 0:
                    low[state] = min(low[state], order[to])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[state])
                if low[state] == order[state]:
                    components = _close(open_states, component, state, components)
    return component


def _close(open_states: list[int], component: list[int], root: int, number: int) -> int:
    while True:
        state = open_states.pop()
        component[state] = number
        if state == root:
            return number + 1


def _unclean_end(graph: Graph) -> Verdict | None:
    finals = final_places(graph.net)
    for state, marking in enumerate(graph.states):
        if any(marking[place] for place in finals) and graph.net.own(marking) != 1:
            left = tuple(f"{place}: {count}" for place, count in graph.net.named(marking).items())
            return Verdict(
                Answer.FALSE, GRAPH, graph.trace(state), left, "a final place is marked and tokens are left over"
            )
    return None


def _cannot_end(graph: Graph) -> Verdict | None:
    before: list[list[int]] = [[] for _ in graph.states]
    for state, leaving in enumerate(graph.edges):
        for _, to in leaving:
            before[to].append(state)
    finals = final_places(graph.net)
    reached = {state for state, marking in enumerate(graph.states) if _ended(graph.net, marking, finals)}
    work = list(reached)
    while work:
        for state in before[work.pop()]:
            if state not in reached:
                reached.add(state)
                work.append(state)
    for state, marking in enumerate(graph.states):
        if state not in reached:
            marked = tuple(f"{place}: {count}" for place, count in graph.net.named(marking).items())
            return Verdict(Answer.FALSE, GRAPH, graph.trace(state), marked, "from here the case can never end")
    return None


def _really_stuck(graph: Graph, state: int) -> bool:
    """At the limit a state may have lost the edges to states that were not kept."""
    return graph.complete or all(fire(row, graph.states[state]) is None for row in graph.net.rows)


def _past_limit(graph: Graph) -> Verdict:
    return unknown(GRAPH, f"stopped at {graph.stopped}: raise the limit or bound the net")


def _pump_note(covering: Coverability) -> str:
    loop = ", ".join(covering.pump[covering.pump_from :])
    return f"repeating [{loop}] adds tokens without end"
