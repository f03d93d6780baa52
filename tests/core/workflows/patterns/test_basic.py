"""Basic control flow, iteration and termination (patterns 1 to 5, 10, 11, 21, 22, 43)."""

from tests.core.workflows.patterns.cast import Moved, auto, given, net_of, step
from workflows.core.notation import compile_definition


def test_wcp01_sequence() -> None:
    case = Moved(net_of(step("first", "i", "a"), step("second", "a", "o"))).cannot("second")
    assert case.fire("first", "second").at == {"o": 1}


def test_wcp02_parallel_split() -> None:
    assert Moved(net_of(step("split", "i", "a b c"))).fire("split").at == {"a": 1, "b": 1, "c": 1}


def test_wcp03_synchronization() -> None:
    net = net_of(
        step("split", "i", "a b"), step("do_a", "a", "a2"), step("do_b", "b", "b2"), step("join", "a2 b2", "o")
    )
    case = Moved(net).fire("split", "do_b").cannot("join")
    assert case.fire("do_a", "join").at == {"o": 1}


def test_wcp04_exclusive_choice() -> None:
    net = net_of(auto("large", "i", "a", conditions=given("data.sum > 100")), auto("small", "i", "b", **{"else": True}))
    assert Moved(net, {"sum": 500}).at == {"a": 1}
    assert Moved(net, {"sum": 5}).at == {"b": 1}
    assert Moved(net).at == {"b": 1}, "a condition that cannot be said does not hold"


def test_wcp05_simple_merge() -> None:
    merge = {"id": "merge", "fromPlaces": ["a", "b"], "toPlace": "o"}
    net = net_of(step("to_a", "i", "a"), step("to_b", "i", "b"), merge)
    assert Moved(net).fire("to_a", "merge").at == {"o": 1}
    assert Moved(net).fire("to_b", "merge").at == {"o": 1}


def test_wcp10_arbitrary_cycles() -> None:
    net = net_of(step("s", "i", "a"), step("t", "a", "b"), step("u", "b", "c"), step("end", "c", "o"),
                 step("back_to_a", "c", "a"), step("back_to_b", "c", "b"))  # fmt: skip
    case = Moved(net).fire("s", "t", "u", "back_to_b", "u", "back_to_a", "t", "u", "end")
    assert case.at == {"o": 1}


def test_wcp11_implicit_termination() -> None:
    net = net_of(step("split", "i", "a b"), step("end_a", "a", "o"), step("end_b", "b", "p"))
    case = Moved(net).fire("split", "end_a")
    assert not case.ended
    assert case.fire("end_b").ended, "nothing is left to do, whichever end was last"


def test_wcp21_structured_loop() -> None:
    net = net_of(
        auto("again", "i", "body", conditions=given("data.left > 0")),
        auto("leave", "i", "o", **{"else": True}),
        {**step("work", "body", ""), "outputs": [{"place": "i", "set": {"left": "data.left - 1"}}]},
    )
    case = Moved(net, {"left": 2}).fire("work", "work")
    assert case.at == {"o": 1}
    assert case.count("work") == 2


def test_wcp22_recursion() -> None:
    """The step opens a case of its own workflow; `tests/apps/workflows/test_steps.py` runs cases inside of cases."""
    compiled = compile_definition(
        {
            "id": "unpack",
            "name": "Unpack",
            "places": ["i", "o"],
            "initialPlace": "i",
            "transitions": [
                {"id": "inner", "kind": "workflow", "work": {"workflow": "unpack"}, "fromPlaces": ["i"], "toPlace": "o",
                 "conditions": given("size(data.boxes) > 0")},
                {"id": "bottom", "kind": "automatic", "inputs": ["i"], "outputs": ["o"], "else": True},
            ],
        }
    )  # fmt: skip
    assert compiled.net.steps["inner"].work.reference == "unpack"
    full = Moved(compiled.net, {"boxes": [1]})
    assert full.at == {"inner.running": 1}
    assert full.fire("inner.ok").at == {"o": 1}
    assert Moved(compiled.net, {"boxes": []}).at == {"o": 1}, "the recursion ends"


def test_wcp43_explicit_termination() -> None:
    net = net_of(step("split", "i", "a b c"), step("end", "a", "o", resets=["b", "c"]))
    case = Moved(net).fire("split", "end")
    assert case.at == {"o": 1}
    assert case.ended, "the other branches are withdrawn"
