"""Multiple instances (patterns 12 to 15, 26, 27, 34 to 36): one token for each instance."""

from typing import Any

from tests.core.workflows.patterns.cast import Moved, auto, given, net_of, step
from workflows.core.net import Net


def counted(*more: dict[str, Any]) -> Net:
    """As many instances as the data says; `open` has a token for each that is not done yet."""
    spawn = {
        **auto("spawn", "i", ""),
        "outputs": [{"place": "i", "set": {"left": "data.left - 1"}}, "work", "open"],
        "conditions": given("data.left > 0"),
    }
    return net_of(
        spawn,
        auto("all_spawned", "i", "waiting", **{"else": True}),
        step("do", "work", "done"),
        auto("collect", "done open", "result", priority=1),
        *more,
    )


JOIN = auto("join", "waiting", "o", inhibitors=["open"])


def test_wcp12_instances_without_synchronization() -> None:
    net = net_of(step("spawn", "i", "i work"), step("go_on", "i", "o"), step("do", "work", "done"))
    case = Moved(net).fire("spawn", "spawn", "go_on")
    assert case.at == {"work": 2, "o": 1}, "the case goes on while they work"
    assert case.fire("do", "do").at == {"o": 1, "done": 2}


def test_wcp13_instances_known_at_design_time() -> None:
    net = net_of(step("spawn", "i", "3*work"), step("do", "work", "done"), auto("join", "3*done", "o"))
    case = Moved(net).fire("spawn", "do", "do")
    assert case.at == {"work": 1, "done": 2}
    assert case.fire("do").at == {"o": 1}


def test_wcp14_instances_known_at_run_time() -> None:
    case = Moved(counted(JOIN), {"left": 4})
    assert case.at == {"work": 4, "open": 4, "waiting": 1}
    case.fire("do", "do", "do")
    assert "o" not in case.at
    assert case.fire("do").at == {"o": 1, "result": 4}
    assert Moved(counted(JOIN), {"left": 0}).at == {"o": 1}


def test_wcp15_instances_not_known_before() -> None:
    net = counted(JOIN, step("one_more", "waiting", "waiting work open"))
    case = Moved(net, {"left": 1}).fire("one_more", "one_more", "do", "do")
    assert case.at["work"] == 1
    assert case.fire("do").at == {"o": 1, "result": 3}
    case.cannot("one_more")


def test_wcp26_cancel_instances() -> None:
    net = counted(JOIN, step("cancel", "waiting", "cancelled", resets=["work", "open", "result"]))
    assert Moved(net, {"left": 3}).fire("do", "cancel").at == {"cancelled": 1}


def test_wcp27_complete_instances() -> None:
    """The rest is withdrawn, and the case goes on as if they were done."""
    net = counted(JOIN, step("complete", "waiting", "waiting", resets=["work", "open"]))
    assert Moved(net, {"left": 3}).fire("do", "complete").at == {"o": 1, "result": 1}


def test_wcp34_static_partial_join_of_instances() -> None:
    net = net_of(step("spawn", "i", "5*work"), step("do", "work", "done"), auto("join", "3*done ready", "o late"),
                 auto("swallow", "done late", "late"), places="ready")  # fmt: skip
    case = Moved(net, ready=1).fire("spawn", "do", "do", "do")
    assert case.at == {"work": 2, "o": 1, "late": 1}
    assert case.fire("do", "do").count("join") == 1, "the others end without effect"


def test_wcp35_cancelling_partial_join_of_instances() -> None:
    net = net_of(step("spawn", "i", "5*work"), step("do", "work", "done"), auto("join", "3*done", "o", resets=["work"]))
    case = Moved(net).fire("spawn", "do", "do", "do")
    assert case.at == {"o": 1}
    case.cannot("do")


def test_wcp36_dynamic_partial_join_of_instances() -> None:
    """How many are enough is decided each time one is done, and more may be added until then."""
    count = {
        **auto("count", "result waiting", ""),
        "carrier": "waiting",
        "outputs": [{"place": "waiting", "set": {"done": "(has(data.done) ? data.done : 0) + 1"}}],
        "priority": 2,
    }
    enough = auto("enough", "waiting", "o", conditions=given("has(data.done) && data.done >= data.needed"), priority=3)
    net = counted(count, enough, step("one_more", "waiting", "waiting work open"))
    case = Moved(net, {"left": 3, "needed": 2}).fire("do")
    assert case.at == {"work": 2, "open": 2, "waiting": 1}
    case.fire("one_more", "do")
    assert case.at == {"work": 2, "open": 2, "o": 1}
