"""The tokens a caller wants a join to take beside the named one, and no others. Used by `binding.py`."""

from collections.abc import Collection
from typing import Any

from workflows.core.marking import Token
from workflows.core.net import Arc


def narrowed(
    arcs: tuple[Arc, ...], candidates: list[tuple[Token, ...]], token: Token, partners: Collection[str]
) -> list[tuple[Token, ...]] | dict[str, Any]:
    """For each arc the candidates that are wanted; a reason if the wanted ones cannot all be taken."""
    named = sorted({*partners} - {token.id})
    wanted = [tuple(each for each in here if each.id == token.id or each.id in named) for here in candidates]
    fitting = {each.id for here in wanted for each in here}
    strangers = [each for each in named if each not in fitting]
    needed = sum(arc.weight for arc in arcs) - 1
    if strangers:
        message = f"the named partner {strangers[0]} is not among the tokens it could take"
    elif len(named) != needed:
        message = f"it takes {needed} partners and {len(named)} were named"
    elif any(len(here) < arc.weight for arc, here in zip(arcs, wanted, strict=True)):
        message = "the named partners do not come from the places it takes them from"
    else:
        return wanted
    return {"kind": "partners", "message": message, "tokenIds": strangers or named}
