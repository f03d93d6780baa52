"""State, cancellation and triggers (patterns 16 to 20, 23 to 25, 39, 40)."""

from tests.core.workflows.patterns.cast import Moved, auto, net_of, step


def test_wcp16_deferred_choice() -> None:
    """Nobody decides in advance: what happens first takes the token."""
    net = net_of(
        step("accepted", "i", "a", kind="signal", work={"signal": "accepted"}),
        step("late", "i", "b", kind="timer", after=60),
    )
    assert Moved(net).fire("accepted").cannot("late").at == {"a": 1}
    assert Moved(net).wait(61).cannot("accepted").at == {"b": 1}


def test_wcp17_interleaved_parallel_routing() -> None:
    """One at a time, in any order that keeps a before b."""
    net = net_of(
        step("split", "i", "a c"),
        step("start_a", "a free", "doing_a"), step("end_a", "doing_a", "b free"),
        step("start_b", "b free", "doing_b"), step("end_b", "doing_b", "x free"),
        step("start_c", "c free", "doing_c"), step("end_c", "doing_c", "y free"),
        auto("join", "x y", "o"),
    )  # fmt: skip
    case = Moved(net, free=1).fire("split", "start_a").cannot("start_c").cannot("start_b")
    case.fire("end_a", "start_c").cannot("start_b")
    assert case.fire("end_c", "start_b", "end_b").at == {"free": 1, "o": 1}


def test_wcp18_milestone() -> None:
    net = net_of(
        step("split", "i", "a order"), step("close", "order", "closed"), step("change", "a", "a2", reads=["order"])
    )
    assert Moved(net).fire("split", "change").at == {"a2": 1, "order": 1}, "the milestone stays"
    Moved(net).fire("split", "close").cannot("change")


def test_wcp19_cancel_task() -> None:
    work = step("review", "i", "o", kind="agent", work={"agent": "reviewer"}, outcomes={"cancelled": ["withdrawn"]})
    case = Moved(net_of(work, places="withdrawn"))
    assert case.at == {"review.running": 1}
    assert case.fire("review.cancelled").at == {"withdrawn": 1}
    case.cannot("review.ok")


def test_wcp20_cancel_case() -> None:
    net = net_of(step("split", "i", "a b"), step("do_a", "a", "a2"), step("watch", "i", "i"),
                 step("cancel", "alarm", "cancelled", resets=["i", "a", "a2", "b"]))  # fmt: skip
    case = Moved(net, alarm=1).fire("split", "do_a", "cancel")
    assert case.at == {"cancelled": 1}
    assert case.ended


def test_wcp23_transient_trigger() -> None:
    """A signal that comes too early is lost."""
    net = net_of(step("ready", "i", "a"), step("rung", "a", "o", kind="signal", work={"signal": "bell"}))
    case = Moved(net).cannot("rung").fire("ready")
    assert case.at == {"a": 1}, "the early bell left nothing behind"
    assert case.fire("rung").at == {"o": 1}


def test_wcp24_persistent_trigger() -> None:
    """A trigger that must not be lost is a token."""
    net = net_of(step("ready", "i", "a"), auto("rung", "a bell", "o"))
    case = Moved(net).put("bell")
    assert case.at == {"i": 1, "bell": 1}
    assert case.fire("ready").at == {"o": 1}


def test_wcp25_cancel_region() -> None:
    net = net_of(step("split", "i", "a b c"), step("do_a", "a", "a2"), step("cancel", "b", "x", resets=["a", "a2"]))
    assert Moved(net).fire("split", "do_a", "cancel").at == {"c": 1, "x": 1}, "c is outside of the region"


def test_wcp39_critical_section() -> None:
    net = net_of(
        step("split", "i", "a b"),
        step("enter_a", "a free", "in_a"), step("leave_a", "in_a", "x free"),
        step("enter_b", "b free", "in_b"), step("leave_b", "in_b", "y free"),
    )  # fmt: skip
    case = Moved(net, free=1).fire("split", "enter_b").cannot("enter_a")
    assert case.fire("leave_b", "enter_a").at == {"y": 1, "in_a": 1}


def test_wcp40_interleaved_routing() -> None:
    net = net_of(
        step("split", "i", "a b c"),
        *(step(f"start_{each}", f"{each} free", f"in_{each}") for each in "abc"),
        *(step(f"end_{each}", f"in_{each}", "x free") for each in "abc"),
        auto("join", "3*x", "o"),
    )
    case = Moved(net, free=1).fire("split", "start_c").cannot("start_a").cannot("start_b")
    case.fire("end_c", "start_a").cannot("start_b")
    assert case.fire("end_a", "start_b", "end_b").at == {"free": 1, "o": 1}
