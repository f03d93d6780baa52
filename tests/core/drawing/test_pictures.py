"""Pictures of nets: what is shown, that nothing lies on anything else, and that no name can break out of the text."""

import shutil
import subprocess
from itertools import combinations
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workflows.core.drawing import TooLargeToDraw, engine, render, render_dot
from workflows.core.drawing.layout import lay_out
from workflows.core.drawing.sketch import CIRCLE, sketch
from workflows.core.net import Net
from workflows.core.notation import compile_definition

SVG = "{http://www.w3.org/2000/svg}"
ORDERS: dict[str, Any] = {
    "name": "Orders",
    "places": ["open", {"id": "stock", "capacity": 12}, "hold", "packed", "sent", "lost"],
    "initialPlace": "open",
    "transitions": [
        {"id": "pack", "inputs": ["open", {"place": "stock", "weight": 2}], "outputs": ["packed"], "inhibitors": ["hold"]},
        {"id": "send", "inputs": ["packed"], "outputs": ["sent"], "reads": ["stock"]},
        {"id": "clear", "inputs": ["hold"], "outputs": ["open"], "resets": ["packed"]},
        {
            "id": "check",
            "kind": "agent",
            "work": {"agent": "inspector"},
            "fromPlaces": ["open", "packed"],
            "toPlace": "hold",
            "outcomes": {"failed": ["lost"]},
            "conditions": [{"type": "FieldGreaterThan", "field": "sum", "value": 100}],
        },
    ],
}  # fmt: skip


def net_of(definition: Any) -> Net:
    return compile_definition(definition).net


def parsed(picture: str) -> ElementTree.Element:
    return ElementTree.fromstring(picture)


def texts(root: ElementTree.Element) -> list[str]:
    return [str(each.text) for each in root.iter(f"{SVG}text")]


def chain(length: int, name: str = "step") -> Any:
    return {
        "name": "Chain",
        "places": [f"place {number}" for number in range(length + 1)],
        "initialPlace": "place 0",
        "transitions": [
            {"id": f"{name} {number}", "fromPlaces": [f"place {number}"], "toPlace": f"place {number + 1}"}
            for number in range(length)
        ],
    }


def test_every_place_transition_guard_and_agent_is_named() -> None:
    shown = texts(parsed(render(net_of(ORDERS))))
    for name in ("open", "stock", "hold", "packed", "sent", "lost", "pack", "send", "clear", "check"):
        assert name in shown
    assert "agent: inspector" in shown
    assert "[sum > 100]" in shown
    assert "≤12" in shown
    assert "any of" in shown
    assert "failed" in shown, "the way of an outcome is labelled"
    assert "2" in shown, "the weight of an arc is written at it"


def test_each_kind_of_arc_has_its_own_look_and_is_explained() -> None:
    root = parsed(render(net_of(ORDERS)))
    styles = [path.get("class", "").split()[-1] for path in root.iter(f"{SVG}path") if "arc" in path.get("class", "")]
    in_net = styles[:-3]
    assert {kind: in_net.count(kind) for kind in set(in_net)} == {
        "takes": 6,
        "gives": 5,
        "reads": 1,
        "inhibits": 1,
        "empties": 1,
    }
    assert styles[-3:] == ["reads", "inhibits", "empties"], "the legend"


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5])
def test_up_to_five_tokens_are_dots(count: int) -> None:
    root = parsed(render(net_of(ORDERS), {"open": count}))
    assert sum(each.get("class") == "dot" for each in root.iter(f"{SVG}circle")) == count


@pytest.mark.parametrize(("count", "said"), [(6, "6"), (999, "999"), (1_234, "1k"), (7_000_000, "7M")])
def test_more_tokens_are_a_number(count: int, said: str) -> None:
    root = parsed(render(net_of(ORDERS), {"open": count}))
    assert not any(each.get("class") == "dot" for each in root.iter(f"{SVG}circle"))
    assert said in [each.text for each in root.iter(f"{SVG}text") if each.get("class") == "count"]


def test_tokens_under_way_in_a_step_are_shown_at_its_box() -> None:
    folded, whole = render(net_of(ORDERS), {"check.running": 2}), render(net_of(ORDERS), refined=True)
    assert folded.count('class="dot"') == 2
    assert "check.running" not in texts(parsed(folded))
    assert {"check.running", "check: ok", "check: failed"} <= set(texts(parsed(whole)))


def test_names_cannot_break_out_of_the_picture() -> None:
    evil = '</text><script>alert("x")</script>&\x01'
    net = net_of({"name": "x", "places": [evil, "b"], "initialPlace": evil, "transitions": [
        {"id": 'a"];\n} evil', "fromPlaces": [evil], "toPlace": "b"}]})  # fmt: skip
    root = parsed(render(net))
    assert not list(root.iter(f"{SVG}script"))
    assert any("\ufffd" in str(each.text) for each in root.iter(f"{SVG}title"))
    assert 'a\\"]; } evil' in render_dot(net)


def test_a_picture_is_the_same_every_time() -> None:
    lay_out.cache_clear()
    first = render(net_of(ORDERS), {"open": 1})
    lay_out.cache_clear()
    assert render(net_of(ORDERS), {"open": 1}) == first


def test_a_hundred_transitions_fold_into_rows() -> None:
    layout = lay_out(sketch(net_of(chain(100))))
    assert layout.width < 4_000
    assert 0.5 < layout.width / layout.height < 4


def test_a_net_too_large_is_refused_and_dot_is_not() -> None:
    net = net_of(chain(800))
    with pytest.raises(TooLargeToDraw, match="1601 places and transitions"):
        render(net)
    assert render_dot(net).count("->") == 1_600


@pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz's dot is not installed")
def test_graphviz_reads_the_dot_text() -> None:
    drawn = subprocess.run(
        ["dot", "-Tplain"], input=render_dot(net_of(ORDERS), {"open": 3}), capture_output=True, text=True, check=True
    )
    assert drawn.stdout.count("\nnode ") == 10
    assert drawn.stdout.count("\nedge ") == 14


@st.composite
def definitions(draw: st.DrawFn) -> Any:
    places = [f"place number {number}" for number in range(draw(st.integers(1, 12)))]
    arcs = st.lists(st.sampled_from(places), max_size=3, unique=True)
    return {
        "name": "Any",
        "places": places,
        "initialPlace": places[0],
        "transitions": [
            {
                "id": f"transition {number}",
                "inputs": draw(st.lists(st.sampled_from(places), min_size=1, max_size=3, unique=True)),
                "outputs": draw(arcs),
                "reads": draw(arcs),
                "inhibitors": draw(arcs),
                "resets": draw(arcs),
            }
            for number in range(draw(st.integers(0, 12)))
        ],
    }


@settings(max_examples=60, deadline=None)
@given(definitions())
def test_nothing_lies_on_anything_else_and_arcs_join_what_they_should(definition: Any) -> None:
    drawn = sketch(net_of(definition))
    layout = lay_out(drawn)
    boxes = list(zip(drawn.shapes, layout.centres, strict=True))
    for (one, (x, y)), (other, (u, v)) in combinations(boxes, 2):
        apart = abs(x - u) >= (one.width + other.width) / 2 or abs(y - v) >= (one.height + other.height) / 2
        assert apart, f"{one.key} lies on {other.key}"
    for shape, (x, y) in boxes:
        assert shape.width / 2 <= x + 0.5 and x + shape.width / 2 <= layout.width + 0.5
        assert shape.height / 2 <= y + 0.5 and y + shape.height / 2 <= layout.height + 0.5
    for connection, way in zip(drawn.connections, layout.ways, strict=True):
        for end, (x, y) in ((connection.source, way[0]), (connection.target, way[-1])):
            shape, (u, v) = boxes[end]
            if shape.is_place:
                assert abs((x - u) ** 2 + (y - v) ** 2 - (CIRCLE / 2) ** 2) < 1, "ends on the circle"
            else:
                assert abs(abs(x - u) - shape.width / 2) < 1 or abs(abs(y - v) - shape.height / 2) < 1, (
                    "ends on the box"
                )


TANGLED = [
    [[0], [3, 4], [1, 4], [3, 0], [4]],
    [[0, 4], [], [3, 0, 2], [2, 0, 3], []],
    [[2, 1, 4], [2], [4, 2], [4, 0], [1, 3, 2]],
    [[1, 4], [4], [4, 1], [], []],
    [[3], [], [4, 2], [0, 2], [4, 2]],
    [[4, 1], [1, 0], [], [1, 2, 3], [4]],
    [[3], [3], [], [], [3, 0, 4]],
    [[0], [0], [0, 2, 4], [3, 1, 0], []],
]
"""Transitions by the numbers of their places: inputs, outputs, reads, inhibitors, resets. With the initial place bound to
the first layer, graphlay 0.3.1 loops for ever on this net, holding Python's lock."""


def test_a_net_that_hung_the_engine_is_drawn() -> None:
    arcs = ("inputs", "outputs", "reads", "inhibitors", "resets")
    written = [{"id": f"t{at}", **dict(zip(arcs, row, strict=True))} for at, row in enumerate(TANGLED)]
    named = [{key: [f"p{each}" for each in at] if key != "id" else at for key, at in row.items()} for row in written]
    places = [f"p{number}" for number in range(5)]
    net = net_of({"name": "Tangled", "places": places, "initialPlace": "p0", "transitions": named})
    assert render(net).startswith("<svg")
    bound = {"nodes": [{"size": {"width": 9.0, "height": 9.0}}], "edges": []}
    with pytest.raises(engine.NoLayout, match="did not end in time"):
        engine.run(bound, {}, 0.001)
