"""Keeps `Case.state` equal to what the net and the tokens say. Every function here wants the case's lock held.

The journal asks at each entry, so the usual answer costs no query: a token put down outside the final places proves
the case open. Only an entry that ends in final places looks at the other tokens.
"""

from datetime import datetime
from typing import Any

from workflows import selectors
from workflows.core.marking import Change
from workflows.models import Case, Token


def life_after(case: Case, change: Change, now: datetime) -> dict[str, Any]:
    """The columns of the case that an entry changes, its token rows being written already; sets them on `case` too."""
    if case.scope or (not change.consumed and not change.produced):  # what cases share never finishes
        return {}
    final = selectors.final_places_of(case.version)
    if any(token.place not in final for token in change.produced):
        return _set(case, Case.OPEN, None)
    elsewhere = Token.objects.filter(case_id=case.pk, state=Token.LIVE).exclude(place__in=final)
    return _set(case, Case.OPEN, None) if elsewhere.exists() else _set(case, Case.FINISHED, now)


def life_now(case: Case, now: datetime) -> dict[str, Any]:
    """The same, from the token rows alone: after the case's net has changed, or to repair it."""
    if case.scope:
        return {}
    marked = Token.objects.filter(case_id=case.pk, state=Token.LIVE).values_list("place", flat=True).distinct()
    finished = selectors.final_places_of(case.version).issuperset(marked)
    return _set(case, Case.FINISHED, now) if finished else _set(case, Case.OPEN, None)


def _set(case: Case, state: str, finished_at: datetime | None) -> dict[str, Any]:
    if case.state == state:
        return {}
    case.state, case.finished_at = state, finished_at
    return {"state": state, "finished_at": finished_at}
