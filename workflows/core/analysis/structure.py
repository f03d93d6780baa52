"""Structural facts: invariants, siphons, traps and the state equation. No state is ever visited.

Invariants come from Farkas' elimination, which yields every minimal semi-positive one (J. Martinez, M. Silva, A simple
and fast algorithm to obtain all invariants of a generalized Petri net, 1982). Each search keeps at most a number of
rows; past it the answer is partial and says so. Next: `report.py`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import gcd

from workflows.core.analysis.plain import Marking, PlainNet
from workflows.core.analysis.verdict import Answer, Over, Verdict, never, unknown

Vector = tuple[int, ...]
LOOK_AT_CLOCK = 64
PARTIAL = 200
"""Invariants that are told where not all could be found."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a bounded search found; `complete` is False when it stopped at its limit."""

    sets: tuple[dict[str, int], ...]
    complete: bool


def place_invariants(net: PlainNet, limit: int, over: Over = never) -> Found:
    """Minimal weightings of places whose weighted token count no firing changes.

    A place that some transition resets has no weight in any: a reset takes away an unknown number.
    """
    emptied = {place for row in net.rows for place in row.resets}
    columns = [dict(row.change) for row in net.rows] + [{place: 1} for place in emptied]
    vectors, complete = _farkas(
        [[column.get(place, 0) for column in columns] for place in range(len(net.places))], limit, over
    )
    return Found(tuple(_named(vector, net.places) for vector in vectors), complete)


def transition_invariants(net: PlainNet, limit: int, over: Over = never) -> Found:
    """Minimal multisets of firings that lead from a marking back to it (rows with resets take no part)."""
    rows = [row for row in net.rows if not row.resets]
    matrix = [[dict(row.change).get(place, 0) for place in range(len(net.places))] for row in rows]
    vectors, complete = _farkas(matrix, limit, over)
    return Found(tuple(_named(vector, [row.label for row in rows]) for vector in vectors), complete)


def siphons(net: PlainNet, limit: int, over: Over = never) -> Found:
    """Minimal sets of places that, once empty, stay empty."""
    return _closed_sets(net, limit, over, [(_inputs(net, at), _outputs(net, at)) for at in range(len(net.rows))])


def traps(net: PlainNet, limit: int, over: Over = never) -> Found:
    """Minimal sets of places that, once marked, stay marked."""
    return _closed_sets(net, limit, over, [(_outputs(net, at), _inputs(net, at)) for at in range(len(net.rows))])


def state_equation(net: PlainNet, target: Marking) -> Verdict:
    """A quick filter for "can this marking be reached?": FALSE when initial + C·x = target has no rational solution.

    Never TRUE: a solution says only that the question stays open. With resets the equation does not hold: UNKNOWN.
    """
    method = "state equation"
    if any(row.resets for row in net.rows):
        return unknown(method, "the net has reset arcs")
    wanted = [there - here for here, there in zip(net.initial, target, strict=True)]
    changes = [dict(row.change) for row in net.rows]
    matrix = [
        [Fraction(change.get(place, 0)) for change in changes] + [Fraction(wanted[place])]
        for place in range(len(wanted))
    ]
    if _solvable(matrix):
        return unknown(method, "the equation has a solution, which is necessary but not enough")
    return Verdict(Answer.FALSE, method, note="no number of firings adds up to this marking")


def _farkas(matrix: list[list[int]], limit: int, over: Over) -> tuple[list[Vector], bool]:
    """Minimal non-negative integer vectors x with x·matrix = 0, by eliminating one column after the other."""
    count = len(matrix)
    rows: list[tuple[list[int], Vector]] = [
        (list(line), tuple(int(at == own) for at in range(count))) for own, line in enumerate(matrix)
    ]
    for column in range(len(matrix[0]) if matrix else 0):
        kept = [row for row in rows if row[0][column] == 0]
        positive = [row for row in rows if row[0][column] > 0]
        negative = [row for row in rows if row[0][column] < 0]
        smallest: set[Vector] | None = None
        if len(kept) + len(positive) * len(negative) <= limit:
            for plus in positive:
                for minus in negative:
                    kept.append(_combine(plus, minus, -minus[0][column], plus[0][column]))
            smallest = _minimal((vector for _, vector in kept), over)
        if smallest is None:
            done = [vector for line, vector in kept if not any(line)]
            return sorted(_minimal(sorted(done, key=sum)[:PARTIAL], never) or ()), False
        rows = list({vector: (line, vector) for line, vector in kept if vector in smallest}.values())
    return sorted((vector for _, vector in rows), key=lambda each: (len(each) - each.count(0), each)), True


def _combine(
    plus: tuple[list[int], Vector], minus: tuple[list[int], Vector], by: int, other: int
) -> tuple[list[int], Vector]:
    line = [by * one + other * two for one, two in zip(plus[0], minus[0], strict=True)]
    vector = [by * one + other * two for one, two in zip(plus[1], minus[1], strict=True)]
    divisor = gcd(*line, *vector) or 1
    return [value // divisor for value in line], tuple(value // divisor for value in vector)


def _minimal(vectors: Iterable[Vector], over: Over) -> set[Vector] | None:
    """Those whose support holds no other's support; None if the time is over before that is known."""
    with_support = [(sum(1 << at for at, value in enumerate(vector) if value), vector) for vector in set(vectors)]
    with_support.sort(key=lambda each: (each[0].bit_count(), each[1]))
    supports: list[int] = []
    kept: set[Vector] = set()
    for number, (support, vector) in enumerate(with_support):
        if number % LOOK_AT_CLOCK == 0 and over():
            return None
        if not any(smaller & support == smaller for smaller in supports):
            supports.append(support)
            kept.add(vector)
    return kept


def _named(vector: Vector, names: Sequence[str]) -> dict[str, int]:
    return {names[at]: value for at, value in enumerate(vector) if value}


def _inputs(net: PlainNet, at: int) -> frozenset[int]:
    return frozenset(place for place, _ in net.rows[at].needs)


def _outputs(net: PlainNet, at: int) -> frozenset[int]:
    row = net.rows[at]
    taken = dict(row.takes)
    read = {place for place, count in row.needs if count > taken.get(place, 0)}
    return frozenset({place for place, _ in row.gives} | read)


def _closed_sets(net: PlainNet, limit: int, over: Over, rows: list[tuple[frozenset[int], frozenset[int]]]) -> Found:
    """Minimal sets S such that every row that gives to S also takes from S; branches on which place to take from."""
    found: list[frozenset[int]] = []
    work: list[frozenset[int]] = [frozenset({place}) for place in range(len(net.places))]
    seen = set(work)
    steps = 0
    while work:
        steps += 1
        if steps > limit or (steps % LOOK_AT_CLOCK == 0 and over()):
            return Found(_sets(net, found), False)
        inside = work.pop()
        if any(smaller <= inside for smaller in found):
            continue
        open_row = next((takes for takes, gives in rows if gives & inside and not takes & inside), None)
        if open_row is None:
            found = [other for other in found if not inside <= other] + [inside]
            continue
        for place in open_row:
            larger = inside | {place}
            if larger not in seen:
                seen.add(larger)
                work.append(larger)
    return Found(_sets(net, found), True)


def _sets(net: PlainNet, found: list[frozenset[int]]) -> tuple[dict[str, int], ...]:
    ordered = sorted(found, key=lambda places: (len(places), sorted(places)))
    return tuple({net.places[place]: 1 for place in sorted(places)} for places in ordered)


def _solvable(matrix: list[list[Fraction]]) -> bool:
    """Whether the linear system (last column: right-hand side) has a rational solution."""
    width = len(matrix[0]) - 1 if matrix else 0
    top = 0
    for column in range(width):
        pivot = next((line for line in range(top, len(matrix)) if matrix[line][column]), None)
        if pivot is None:
            continue
        matrix[top], matrix[pivot] = matrix[pivot], matrix[top]
        for line in range(top + 1, len(matrix)):
            factor = matrix[line][column] / matrix[top][column]
            if factor:
                matrix[line] = [here - factor * above for here, above in zip(matrix[line], matrix[top], strict=True)]
        top += 1
    return not any(line[width] for line in matrix[top:])
