"""What the analysis leaves out, said in words for the report.

Everything left out can only forbid firings, so "never happens" stays proved; "can always end" may fail all the same
where, for example, no guard of a choice holds. Next: `report.py`.
"""

from collections.abc import Iterable

from workflows.core.net import Net

SHOWN = 5


def abstracted(net: Net) -> tuple[str, ...]:
    """One line for each kind of thing that counts as free choice, with the names it is about."""
    steps = net.transitions.values()
    found = (
        ("guards count as free choice", (step.id for step in steps if step.guard or step.otherwise)),
        ("tokens that meet are taken to match", (step.id for step in steps if step.correlation is not None)),
        ("waits and deadlines take any time", (step.id for step in steps if step.after or step.deadline is not None)),
        ("priorities do not order automatic firings", (step.id for step in steps if step.priority)),
        (
            "other cases do not touch shared places",
            (place.id for place in net.places.values() if place.scope != "case"),
        ),
    )
    return tuple(f"{said}: {_some(names)}" for said, each in found if (names := list(each)))


def _some(names: Iterable[str]) -> str:
    listed = list(names)
    more = f" and {len(listed) - SHOWN} more" if len(listed) > SHOWN else ""
    return ", ".join(listed[:SHOWN]) + more
