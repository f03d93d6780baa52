"""When a case is finished, decided by the net alone.

A final place is one from which no transition takes or sweeps tokens; a place that cases share counts as one, for what
lies there waits for no case. A case is finished when all its live tokens lie in final places, or none is left. A token
that merely waits for ever, such as half of a join, keeps its case open: somebody should see it.
Next: `workflows/services/life.py`.
"""

from workflows.core.net import Net


def final_places(net: Net) -> frozenset[str]:
    """The places no transition takes tokens from, nor empties by a reset arc; and the shared ones."""
    left = {place for transition in net.transitions.values() for place in transition.source_places}
    swept = {place for transition in net.transitions.values() for place in transition.resets}
    shared = {place.id for place in net.shared_places()}
    return (frozenset(net.places) - left - swept) | shared
