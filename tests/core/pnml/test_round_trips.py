"""PNML in and out: nothing is lost on the way, whichever side it begins on."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.core.drawing.test_pictures import definitions
from workflows.core.analysis.plain import plain_net
from workflows.core.notation import compile_definition
from workflows.core.pnml import (
    PnmlArc,
    PnmlNet,
    PnmlNode,
    definition_from_pnml,
    pnml_from_definition,
    read_pnml,
    write_pnml,
)

DESK: dict[str, Any] = {
    "name": 'Desk <&> "help"',
    "description": "Who answers",
    "places": ["new", "sorted", "answered", {"id": "seats", "capacity": 3, "scope": "workflow"}, "out & about", "1st"],
    "initialPlace": "new",
    "rules": {"urgent": {"type": "FieldEquals", "field": "priority", "value": "high"}},
    "transitions": [
        {"id": "triage", "kind": "agent", "fromPlaces": ["new", "1st"], "toPlace": "sorted", "work": {"agent": "a1"}},
        {"id": "answer", "fromPlaces": ["sorted"], "toPlace": "answered", "conditions": ["urgent"]},
        {"id": "answer late", "fromPlaces": ["sorted"], "toPlace": "answered", "else": True},
        {
            "id": "seat",
            "name": "Take a seat",
            "inputs": ["sorted", {"place": "seats", "weight": 2}],
            "outputs": [{"place": "out & about", "set": {"seen": "true"}}],
            "reads": ["new"],
            "inhibitors": [{"place": "1st", "weight": 4}],
            "resets": ["answered"],
            "priority": 3,
        },
    ],
}


def through(definition: Any) -> dict[str, Any]:
    text = write_pnml(pnml_from_definition(compile_definition(definition)))
    return definition_from_pnml(read_pnml(text.encode()))


def without_notes(definition: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in definition.items() if key != "annotations"}


def test_a_definition_comes_back_as_it_was() -> None:
    assert without_notes(through(DESK)) == compile_definition(DESK).definition


def test_twice_there_and_back_changes_nothing_more() -> None:
    once = through(DESK)
    assert through(once) == once


@settings(max_examples=80, deadline=None)
@given(definitions())
def test_any_definition_comes_back_as_it_was(definition: Any) -> None:
    compiled = compile_definition(definition)
    back = compile_definition(through(definition))
    assert without_notes(dict(back.definition)).keys() >= {"name", "places", "transitions", "initialPlace"}
    assert plain_net(back.net).initial == plain_net(compiled.net).initial
    assert [row.takes for row in plain_net(back.net).rows] == [row.takes for row in plain_net(compiled.net).rows]
    assert [row.gives for row in plain_net(back.net).rows] == [row.gives for row in plain_net(compiled.net).rows]
    assert [row.needs for row in plain_net(back.net).rows] == [row.needs for row in plain_net(compiled.net).rows]
    assert [row.blocks for row in plain_net(back.net).rows] == [row.blocks for row in plain_net(compiled.net).rows]
    assert [row.resets for row in plain_net(back.net).rows] == [row.resets for row in plain_net(compiled.net).rows]


def test_a_step_refined_is_the_net_that_is_analysed() -> None:
    compiled = compile_definition(DESK)
    net = pnml_from_definition(compiled, refined=True)
    assert {node.name for node in net.places} == set(compiled.net.places)
    assert len(net.transitions) == len(plain_net(compiled.net).rows)
    assert not any(node.kept for node in (*net.places, *net.transitions))


def test_an_edit_in_another_tool_is_believed_and_the_guard_stays() -> None:
    text = write_pnml(pnml_from_definition(compile_definition(DESK)))
    net = read_pnml(text.encode())
    (arc,) = [arc for arc in net.arcs if arc.source == "answer"]
    other = next(node.id for node in net.places if node.name == "out & about")
    moved = PnmlNet(net.id, net.name, net.places, net.transitions, tuple(
        PnmlArc(each.id, each.source, other) if each is arc else each for each in net.arcs), net.kept)  # fmt: skip
    definition = definition_from_pnml(moved)
    changed = next(each for each in definition["transitions"] if each["id"] == "answer")
    assert changed["outputs"] == ["out & about"]
    assert changed["conditions"] == ["urgent"]


names = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zl", "Zp", "Zs", "Co", "Cn")), max_size=12
)
kept = st.sampled_from(
    [
        (),
        ('<graphics><position x="1" y="2" /></graphics>',),
        ('<toolspecific tool="Other" version="1"><a>b &amp; c</a></toolspecific>',),
    ]
)


@st.composite
def pnml_nets(draw: st.DrawFn) -> PnmlNet:
    places = [PnmlNode(f"p{n}", draw(names), int(n == 0), draw(kept)) for n in range(draw(st.integers(1, 5)))]
    transitions = [PnmlNode(f"t{n}", draw(names), 0, draw(kept)) for n in range(draw(st.integers(0, 5)))]
    arcs = []
    for transition in transitions:
        place = st.sampled_from([node.id for node in places])
        for kind in ("normal", "inhibitor", "read", "reset"):
            for end in draw(st.lists(place, min_size=kind == "normal", max_size=2, unique=True)):
                weight = 1 if kind == "reset" else draw(st.integers(1, 3))
                arcs.append(PnmlArc(f"arc{len(arcs) + 1}", end, transition.id, weight, kind, draw(kept)))
        for end in draw(st.lists(place, max_size=2, unique=True)):
            arcs.append(
                PnmlArc(f"arc{len(arcs) + 1}", transition.id, end, draw(st.integers(1, 3)), "normal", draw(kept))
            )
    return PnmlNet("n1", draw(names), tuple(places), tuple(transitions), tuple(arcs), draw(kept))


def shown(net: PnmlNet) -> Any:
    arcs = sorted((arc.source, arc.target, arc.kind, arc.weight, arc.kept) for arc in net.arcs)
    return [(node.id, node.marking, node.kept) for node in (*net.places, *net.transitions)], arcs, net.kept


@settings(max_examples=80, deadline=None)
@given(pnml_nets())
def test_a_file_read_and_written_is_the_same_net(net: PnmlNet) -> None:
    again = read_pnml(write_pnml(net).encode())
    assert shown(again) == shown(net)
    assert [node.name for node in again.places] == [node.name or node.id for node in net.places]


@settings(max_examples=80, deadline=None)
@given(pnml_nets())
def test_a_file_through_a_definition_keeps_ids_positions_and_tools(net: PnmlNet) -> None:
    definition = definition_from_pnml(read_pnml(write_pnml(net).encode()))
    again = pnml_from_definition(compile_definition(definition))
    foreign = [(identity, marking, tuple(each for each in kept if "circuit" not in each)) for identity, marking, kept in shown(again)[0]]  # fmt: skip
    assert foreign == shown(net)[0]
    assert shown(again)[1] == shown(net)[1]
    assert again.kept == net.kept
