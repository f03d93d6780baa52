"""Advanced branching and synchronization (patterns 6 to 9, 28 to 33, 37, 38, 41, 42)."""

import pytest

from tests.core.workflows.patterns.cast import Moved, auto, given, net_of, step
from workflows.core.net import Net

BRANCHES = [step(f"do_{each}", each, "x") for each in "abc"]
SPLIT = step("split", "i", "a b c")


def multi_choice() -> list[dict]:  # type: ignore[type-arg]
    """Each branch decides for itself; the token of one that is not taken goes past the work."""
    return [
        step("split", "i", "choose_a choose_b"),
        auto("take_a", "choose_a", "a", conditions=given("data.sum > 10")),
        auto("skip_a", "choose_a", "a2", **{"else": True}),
        auto("take_b", "choose_b", "b", conditions=given("data.sum > 100")),
        auto("skip_b", "choose_b", "b2", **{"else": True}),
        step("do_a", "a", "a2"),
        step("do_b", "b", "b2"),
    ]


@pytest.mark.parametrize(
    ("total", "taken"), [(500, {"a": 1, "b": 1}), (50, {"a": 1, "b2": 1}), (5, {"a2": 1, "b2": 1})]
)
def test_wcp06_multi_choice(total: int, taken: dict[str, int]) -> None:
    assert Moved(net_of(*multi_choice()), {"sum": total}).fire("split").at == taken


def test_wcp07_structured_synchronizing_merge() -> None:
    net = net_of(*multi_choice(), auto("merge", "a2 b2", "o"))
    assert Moved(net, {"sum": 5}).fire("split").at == {"o": 1}, "no branch was taken"
    assert Moved(net, {"sum": 50}).fire("split", "do_a").at == {"o": 1}, "only a is waited for"
    both = Moved(net, {"sum": 500}).fire("split", "do_a")
    assert both.at == {"a2": 1, "b": 1}, "b is waited for"
    assert both.fire("do_b").at == {"o": 1}


def test_wcp08_multi_merge() -> None:
    net = net_of(step("split", "i", "a b"), step("do_a", "a", "x"), step("do_b", "b", "x"), auto("after", "x", "o"))
    assert Moved(net).fire("split", "do_a", "do_b").count("after") == 2


def discriminator(needed: int, branches: int = 3) -> Net:
    """Continues after `needed` arrivals, swallows the rest, then is as it was."""
    rest = branches - needed
    return net_of(
        SPLIT,
        *BRANCHES,
        auto("first", f"{needed}*x ready", f"o {rest}*open"),
        auto("swallow", "x open", "gone"),
        auto("reset", f"{rest}*gone", "ready"),
        step("again", "o", "i"),
        places="ready",
    )


def test_wcp09_structured_discriminator() -> None:
    case = Moved(discriminator(1), ready=1).fire("split", "do_b")
    assert case.at == {"a": 1, "c": 1, "o": 1, "open": 2}
    case.fire("do_a", "do_c")
    assert case.at == {"o": 1, "ready": 1}, "the others were swallowed and it is ready anew"
    assert case.fire("again", "split", "do_c").count("first") == 2


def blocking(needed: int) -> Net:
    """Each branch has a gate that opens again only when all have arrived."""
    gates = [auto(f"enter_{each}", f"{each}x gate_{each}", "x") for each in "abc"]
    return net_of(
        *(step(f"do_{each}", each, f"{each}x") for each in "abc"),
        *gates,
        auto("first", f"{needed}*x ready", f"o {3 - needed}*open"),
        auto("swallow", "x open", "gone"),
        auto("reset", f"{3 - needed}*gone", "ready gate_a gate_b gate_c"),
        step("start", "i", "a a2 b c"),
        step("second_a", "a2", "a"),
    )


def test_wcp28_blocking_discriminator() -> None:
    case = Moved(blocking(1), ready=1, gate_a=1, gate_b=1, gate_c=1).fire("start", "second_a", "do_a", "do_a")
    assert case.at["ax"] == 1, "the second token of a waits at its gate"
    assert case.count("first") == 1
    case.fire("do_b", "do_c")
    assert case.count("first") == 2, "after the reset it is let in"


def test_wcp29_cancelling_discriminator() -> None:
    net = net_of(SPLIT, *BRANCHES, auto("first", "x", "o", resets=["a", "b", "c"]))
    case = Moved(net).fire("split", "do_c")
    assert case.at == {"o": 1}
    case.cannot("do_a")


def test_wcp30_structured_partial_join() -> None:
    case = Moved(discriminator(2), ready=1).fire("split", "do_a")
    assert "o" not in case.at
    assert case.fire("do_b").at == {"c": 1, "o": 1, "open": 1}
    assert case.fire("do_c").at == {"o": 1, "ready": 1}


def test_wcp31_blocking_partial_join() -> None:
    case = Moved(blocking(2), ready=1, gate_a=1, gate_b=1, gate_c=1).fire("start", "second_a", "do_a", "do_a")
    assert case.count("first") == 0, "two tokens of one branch are not two branches"
    assert case.fire("do_b").count("first") == 1
    assert case.at["ax"] == 1
    assert "ax" not in case.fire("do_c").at


def test_wcp32_cancelling_partial_join() -> None:
    net = net_of(SPLIT, *BRANCHES, auto("join", "2*x", "o", resets=["a", "b", "c"]))
    assert Moved(net).fire("split", "do_a", "do_c").at == {"o": 1}


def test_wcp33_generalized_and_join() -> None:
    net = net_of(auto("join", "a b", "o"), step("idle", "i", "i"))
    case = Moved(net).put("a").put("a")
    assert case.at == {"i": 1, "a": 2}, "arrivals are kept until their partner comes"
    assert case.put("b").at == {"i": 1, "a": 1, "o": 1}
    assert case.put("b").at == {"i": 1, "o": 2}


def test_wcp37_local_synchronizing_merge() -> None:
    """The split tells the merge how many it sent; nothing upstream need be looked at."""
    net = net_of(
        step("split", "i", "choose_a choose_b"),
        auto("take_a", "choose_a", "a expected", conditions=given("data.sum > 10")),
        auto("skip_a", "choose_a", "decided", **{"else": True}),
        auto("take_b", "choose_b", "b expected", conditions=given("data.sum > 100")),
        auto("skip_b", "choose_b", "decided", **{"else": True}),
        step("do_a", "a", "x"),
        step("do_b", "b", "x"),
        auto("arrive", "x expected", "decided"),
        auto("merge", "2*decided", "o"),
    )
    assert Moved(net, {"sum": 50}).fire("split", "do_a").at == {"o": 1}
    case = Moved(net, {"sum": 500}).fire("split", "do_a")
    assert "o" not in case.at
    assert case.fire("do_b").at == {"o": 1}


def test_wcp38_general_synchronizing_merge_where_upstream_is_known() -> None:
    """Inhibitors on every place upstream: it waits while any token could still come, also through a loop."""
    net = net_of(
        step("split", "i", "a b"),
        step("do_a", "a", "x"),
        step("redo_a", "x", "a"),
        step("do_b", "b", "x"),
        step("drop_b", "b", "gone"),
        step("merge", "x", "o", inhibitors=["a", "b", "i"]),
        auto("absorb", "x o", "o"),
    )
    case = Moved(net).fire("split", "do_a").cannot("merge")
    assert case.fire("drop_b", "merge").at == {"gone": 1, "o": 1}


def test_wcp41_thread_merge() -> None:
    net = net_of(step("split", "i", "3*x"), auto("merge", "3*x", "o"))
    assert Moved(net).fire("split").at == {"o": 1}


def test_wcp42_thread_split() -> None:
    assert Moved(net_of(step("split", "i", "3*x"))).fire("split").at == {"x": 3}
