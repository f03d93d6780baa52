"""One run of a net on counts: the token game without data, for simulations of many firings.

Guards count as free choice, as everywhere in this package; what fires next is up to `pick`. Next: `packed.py`.
"""

from collections.abc import Callable
from dataclasses import dataclass

from workflows.core.analysis.packed import enabled_after, enabled_of, fields_for, touched_by
from workflows.core.analysis.plain import Marking, PlainNet

Pick = Callable[[list[int]], int]
"""Which of the enabled rows (their numbers, in order of definition, at least one) fires."""


@dataclass(frozen=True, slots=True)
class Walk:
    marking: Marking
    fired: tuple[int, ...]
    """How often each row fired."""
    stuck: bool
    """Nothing was enabled any more before the number of firings was reached."""


def first(enabled: list[int]) -> int:
    return enabled[0]


def walk(net: PlainNet, firings: int, pick: Pick = first) -> Walk:
    """The run of so many firings from the initial marking."""
    fields = fields_for(net, firings)
    rows = [fields.row(row) for row in net.rows]
    tests = [row.test(number) for number, row in enumerate(rows)]
    touched = [(frozenset(others), [tests[other] for other in others]) for others in touched_by(net)]
    changes = [(row.change, row.keep, row.gives) for row in rows]
    fired = [0] * len(rows)
    marking = fields.pack(net.initial)
    enabled = enabled_of(tests, marking)
    left = firings
    while left and enabled:
        number = pick(enabled)
        change, keep, gives = changes[number]
        marking = marking + change if keep == -1 else ((marking + change) & keep) + gives
        fired[number] += 1
        left -= 1
        enabled = enabled_after(enabled, *touched[number], marking)
    return Walk(fields.unpack(marking), tuple(fired), left > 0)
