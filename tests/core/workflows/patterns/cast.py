"""What the pattern tests share: transitions in one line, and a case that is moved by the names of its transitions."""

from collections.abc import Mapping
from typing import Any

import pytest

from workflows.core import run
from workflows.core.ending import final_places
from workflows.core.errors import NotEnabled
from workflows.core.net import Net
from workflows.core.notation import compile_definition


def step(id_: str, inputs: str, outputs: str, **more: Any) -> dict[str, Any]:
    """A transition fired by hand: `step("join", "a b 2*c", "d")`."""
    return {"id": id_, "inputs": arcs(inputs), "outputs": arcs(outputs), **more}


def auto(id_: str, inputs: str, outputs: str, **more: Any) -> dict[str, Any]:
    """The same, fired by itself."""
    return step(id_, inputs, outputs, kind="automatic", **more)


def arcs(written: str) -> list[Any]:
    found = (each.rpartition("*")[::2] for each in written.split())
    return [{"place": place, "weight": int(weight)} if weight else place for weight, place in found]


def given(expression: str) -> list[Any]:
    return [{"type": "Expression", "expression": expression}]


def net_of(*transitions: dict[str, Any], places: str = "") -> Net:
    names = dict.fromkeys(["i", *places.split()])
    for each in transitions:
        for key in ("inputs", "outputs", "reads", "inhibitors", "resets", "fromPlaces"):
            names |= dict.fromkeys(arc["place"] if isinstance(arc, dict) else arc for arc in each.get(key, []))
        names |= dict.fromkeys([each["toPlace"]] if "toPlace" in each else [])
    return compile_definition(
        {"name": "Pattern", "places": list(names), "initialPlace": "i", "transitions": list(transitions)}
    ).net


class Moved:
    """A case that begins with one token in `i` (and others where told), settled after every firing."""

    def __init__(self, net: Net, data: Mapping[str, Any] | None = None, **more: int) -> None:
        self.case = run.put(run.Case(net), "i", data)
        for place, count in more.items():
            for _ in range(count):
                self.case = run.put(self.case, place)
        self.case = run.settle(self.case)

    def put(self, place: str, data: Mapping[str, Any] | None = None) -> "Moved":
        self.case = run.settle(run.put(self.case, place, data))
        return self

    def fire(self, *names: str) -> "Moved":
        for name in names:
            transition = self.case.net.transitions[name]
            tokens = [token for place in transition.source_places for token in self.case.marking.at(place)]
            self.case = run.settle(run.fire_named(self.case, tokens[0].id if tokens else "none", name))
        return self

    def cannot(self, name: str) -> "Moved":
        with pytest.raises(NotEnabled):
            self.fire(name)
        return self

    def wait(self, seconds: float) -> "Moved":
        self.case = run.wait(self.case, seconds)
        return self

    @property
    def at(self) -> dict[str, int]:
        """Tokens by place."""
        return self.case.marking.counts()

    @property
    def ended(self) -> bool:
        return set(self.at) <= final_places(self.case.net)

    def count(self, transition: str) -> int:
        """How often it fired."""
        return sum(entry.transition == transition for entry in self.case.log)
