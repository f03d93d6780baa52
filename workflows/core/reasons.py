"""Why a transition is not enabled, in words and figures: what `whyNotEnabled` and the error NotEnabled show.

One function for each clause of the enabling rule that counts tokens; the clauses about what tokens hold (correlation,
guard, time) make their reasons where they are tried, in `binding.py`.
"""

from typing import Any

from workflows.core.marking import Marking, Token
from workflows.core.net import Arc, Net, Transition

Reason = dict[str, Any]
"""`kind`, `message`, and what the kind needs, all plain JSON."""


def elsewhere(transition: Transition, token: Token) -> Reason:
    """The named token lies in no place that the transition takes from."""
    needed = list(transition.source_places)
    return {
        "kind": "token_elsewhere",
        "message": f'the token is in "{token.place}" and must be in {_either(needed)}',
        "place": token.place,
        "needed": needed,
    }


def missing(arcs: tuple[Arc, ...], marking: Marking) -> list[Reason]:
    """Each input place with too few tokens."""
    counted = [(arc, len(marking.at(arc.place))) for arc in arcs]
    return [short_of(arc, present) for arc, present in counted if present < arc.weight]


def short_of(arc: Arc, present: int) -> Reason:
    """One arc that finds too few tokens."""
    message = f'"{arc.place}" has {present} of the {arc.weight} tokens needed'
    return {"kind": "missing_tokens", "message": message, "place": arc.place, "present": present}


def inhibited(transition: Transition, marking: Marking) -> list[Reason]:
    """Each inhibitor place with too many tokens."""
    reasons: list[Reason] = []
    for arc in transition.inhibitors:
        present = len(marking.at(arc.place))
        if present >= arc.weight:
            message = f'"{arc.place}" has {present} tokens and must have fewer than {arc.weight}'
            reasons.append({"kind": "inhibited", "message": message, "place": arc.place, "present": present})
    return reasons


def full(net: Net, transition: Transition, arcs: tuple[Arc, ...], marking: Marking) -> list[Reason]:
    """Each output place without room."""
    taken = {arc.place: arc.weight for arc in arcs}
    reasons: list[Reason] = []
    for arc in transition.outputs:
        capacity = net.places[arc.place].capacity
        if capacity is None:
            continue
        left = 0 if arc.place in transition.resets else len(marking.at(arc.place)) - taken.get(arc.place, 0)
        if left + arc.weight > capacity:
            message = f'"{arc.place}" would hold {left + arc.weight} tokens and has room for {capacity}'
            reasons.append({"kind": "full", "message": message, "place": arc.place, "capacity": capacity})
    return reasons


def _either(places: list[str]) -> str:
    quoted = [f'"{place}"' for place in places]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} or {quoted[-1]}"
