"""Whether a case may go on by another version: refused where it could finish and no longer can, with the trace."""

import random
from typing import Any

import pytest

from workflows.core.ending import final_places
from workflows.core.migration import judge, map_counts
from workflows.core.net import Net
from workflows.core.notation import compile_definition


def net(places: list[Any], *steps: tuple[str, list[str], list[str]]) -> Net:
    written = [{"id": name, "inputs": taken, "outputs": given} for name, taken, given in steps]
    return compile_definition(
        {"name": "n", "places": places, "initialPlace": _name(places[0]), "transitions": written}
    ).net


def _name(place: Any) -> str:
    return place["id"] if isinstance(place, dict) else place


OLD = net(
    ["a", "b", "c", "end"], ("ab", ["a"], ["b"]), ("be", ["b"], ["end"]), ("ac", ["a"], ["c"]), ("ce", ["c"], ["end"])
)


def test_counts_are_mapped_and_added_up() -> None:
    assert map_counts({"a": 1, "b": 2, "c": 1}, {"b": "c"}) == {"a": 1, "c": 3}


def test_a_place_that_is_gone_must_be_mapped() -> None:
    new = net(["a", "end"], ("ae", ["a"], ["end"]))
    refused = judge(OLD, {"b": 1}, new, {"b": 1})
    assert (refused.allowed, refused.reason) == (False, 'the new version has no place "b"; map it to another')
    assert judge(OLD, {"b": 1}, new, {"a": 1}).allowed


def test_a_place_that_is_too_small_refuses() -> None:
    new = net(["a", {"id": "b", "capacity": 1}, "end"], ("ab", ["a"], ["b"]), ("be", ["b"], ["end"]))
    assert judge(OLD, {"b": 2}, new, {"b": 2}).reason == '"b" would hold 2 tokens and has room for 1'
    assert judge(OLD, {"b": 1}, new, {"b": 1}).allowed


def test_a_case_that_could_never_finish_is_refused_with_both_traces() -> None:
    new = net(["a", "b", "c", "end"], ("ae", ["a"], ["end"]), ("bc", ["b"], ["c"]), ("ca", ["c", "a"], ["end"]))
    refused = judge(OLD, {"b": 1}, new, {"b": 1})
    assert (refused.allowed, refused.certain) == (False, True)
    assert refused.reason == "the case could never finish by the new version; it would end with c: 1"
    assert (refused.trace, refused.before) == (("bc",), ("be",))
    assert judge(OLD, {"a": 1}, new, {"a": 1}).allowed


def test_a_case_that_could_not_finish_before_may_go_on() -> None:
    circle = net(["a", "b"], ("ab", ["a"], ["b"]), ("ba", ["b"], ["a"]))
    judgement = judge(circle, {"a": 1}, circle, {"a": 1})
    assert (judgement.allowed, judgement.warning) == (True, "the case could not finish by its old version either")


def test_a_new_trap_is_a_warning() -> None:
    new = net(
        ["a", "b", "c", "end"], ("ab", ["a"], ["b"]), ("be", ["b"], ["end"]), ("ac", ["a"], ["c"]), ("cc", ["c"], ["c"])
    )
    judgement = judge(OLD, {"a": 1}, new, {"a": 1})
    assert judgement.allowed
    assert judgement.warning == "the case can get stuck, which it could not before: after ac, with c: 1"
    assert judge(OLD, {"b": 1}, new, {"b": 1}).warning == ""


def test_past_the_limit_nothing_is_promised() -> None:
    endless = net(["a", "b", "never", "end"], ("more", ["a"], ["a", "b"]), ("out", ["a", "never"], ["end"]))
    judgement = judge(OLD, {"a": 1}, endless, {"a": 1}, limit=50)
    assert (judgement.allowed, judgement.certain) == (False, False)
    assert judgement.reason == "whether the case can still finish is not known (the search stopped at 50 markings)"


@pytest.mark.parametrize("seed", range(200))
def test_against_a_walk_over_all_runs_on_random_nets(seed: int) -> None:
    chance = random.Random(seed)
    places = ["p0", "p1", "p2", "p3", "p4"]

    def made() -> Net:
        steps = [
            (f"t{n}", chance.sample(places[:4], chance.randint(1, 2)), chance.sample(places, chance.randint(0, 1)))
            for n in range(chance.randint(1, 4))
        ]
        return net(places, *steps)

    old, new = made(), made()
    counts = dict.fromkeys(chance.sample(places, chance.randint(1, 3)), 1)
    judgement = judge(old, counts, new, counts)
    # No transition puts down more than it takes, so a walk over all runs ends.
    assert judgement.certain
    assert judgement.allowed == (ends(new, counts) or not ends(old, counts))
    if not judgement.allowed:
        assert not ends(new, walk(new, counts, judgement.trace))


def ends(some: Net, counts: dict[str, int]) -> bool:
    seen: set[frozenset[tuple[str, int]]] = set()
    work = [counts]
    while work:
        here = work.pop()
        key = frozenset((place, count) for place, count in here.items() if count)
        if key in seen:
            continue
        seen.add(key)
        if {place for place, _ in key} <= final_places(some):
            return True
        work += [after for name in some.transitions if (after := step(some, here, name)) is not None]
    return False


def walk(some: Net, counts: dict[str, int], trace: tuple[str, ...]) -> dict[str, int]:
    for name in trace:
        after = step(some, counts, name)
        assert after is not None
        counts = after
    return counts


def step(some: Net, counts: dict[str, int], name: str) -> dict[str, int] | None:
    after, transition = dict(counts), some.transitions[name]
    for arc in transition.alternatives[0]:
        after[arc.place] = after.get(arc.place, 0) - arc.weight
    if any(count < 0 for count in after.values()):
        return None
    for arc in transition.outputs:
        after[arc.place] = after.get(arc.place, 0) + arc.weight
    return after
