"""PNML as others write it, and each way in which a file can be bad: one error, with its place, and quickly."""

import time

import pytest

from workflows.core.notation import compile_definition
from workflows.core.pnml import BadPnml, definition_from_pnml, read_pnml, write_pnml

NAMESPACE = 'xmlns="http://www.pnml.org/version-2009/grammar/pnml"'


def document(
    inside: str, kind: str = "http://www.pnml.org/version-2009/grammar/ptnet", space: str = NAMESPACE
) -> bytes:
    return f'<pnml {space}><net id="n" type="{kind}">{inside}</net></pnml>'.encode()


START = '<place id="p"><initialMarking><text>1</text></initialMarking></place>'
STEP = '<place id="q"/><transition id="t"/><arc id="a" source="p" target="t"/><arc id="b" source="t" target="q"/>'


def test_pages_and_references_become_one_net() -> None:
    net = read_pnml(
        document(
            f'<page id="one">{START}<transition id="t"/><arc id="a" source="p" target="t"/>'
            '<referencePlace id="r" ref="s"/><arc id="b" source="t" target="r"/></page>'
            '<page id="two"><page id="deeper"><place id="q"/></page><referencePlace id="s" ref="q"/></page>'
        )
    )
    assert [node.id for node in net.places] == ["p", "q"]
    assert [(arc.source, arc.target) for arc in net.arcs] == [("p", "t"), ("t", "q")]


@pytest.mark.parametrize(
    "arc",
    [
        '<arc id="c" source="q" target="t"><type value="inhibitor"/></arc>',
        '<arc id="c" source="q" target="t" type="inhibitor"/>',
        '<arc id="c" source="q" target="t"><arctype><text>inhibitor</text></arctype></arc>',
        '<arc id="c" source="q" target="t"><type>inhibitor</type></arc>',
    ],
)
def test_inhibitor_arcs_are_known_in_each_tools_form(arc: str) -> None:
    definition = definition_from_pnml(read_pnml(document(f"{START}{STEP}{arc}")))
    assert definition["transitions"][0]["inhibitors"] == [{"place": "q", "weight": 1}]


def test_old_files_without_namespace_and_pages_are_read() -> None:
    raw = b"""<?xml version="1.0" encoding="ISO-8859-1"?>
    <pnml><net id="Net-One" type="P/T net"><place id="P0"><name><value>caf\xe9</value></name>
    <initialMarking><value>Default,1</value></initialMarking></place>
    <transition id="T0"/><arc id="P0 to T0" source="P0" target="T0"><inscription><value>Default,2</value></inscription>
    </arc></net></pnml>"""
    definition = definition_from_pnml(read_pnml(raw))
    assert definition["initialPlace"] == "caf\xe9"
    assert definition["transitions"][0]["inputs"] == [{"place": "caf\xe9", "weight": 2}]


def test_names_that_two_places_have_fall_back_to_ids() -> None:
    same = "<name><text>same</text></name>"
    net = read_pnml(
        document(
            f'<place id="p">{same}<initialMarking><text>1</text></initialMarking></place><place id="q">{same}</place>'
        )
    )
    assert compile_definition(definition_from_pnml(net)).net.initial_place == "p"


def test_a_marking_of_its_own_needs_a_word_about_the_beginning() -> None:
    net = read_pnml(document(f'{START}<place id="q"><initialMarking><text>3</text></initialMarking></place>'))
    with pytest.raises(
        BadPnml, match=r"initialMarking: a case begins with one token in one place, but p has 1, q has 3"
    ):
        definition_from_pnml(net)
    assert definition_from_pnml(net, "q")["initialPlace"] == "q"
    with pytest.raises(BadPnml, match="no place 'x'"):
        definition_from_pnml(net, "x")


LAUGHS = b"""<!DOCTYPE pnml [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">
]><pnml><net id="n"><name><text>&c;</text></name></net></pnml>"""
OUTSIDE = b'<!DOCTYPE pnml SYSTEM "file:///etc/passwd"><pnml><net id="n"/></pnml>'


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (LAUGHS, "document type or entities"),
        (OUTSIDE, "document type or entities"),
        (document("", space='xmlns="http://example.com/other"'), "the namespace is 'http://example.com/other'"),
        (b"<net/>", "a <pnml> with one <net>"),
        (b"<pnml/>", "has 0 nets"),
        (b'<pnml><net id="n"/><net id="m"/></pnml>', "has 2 nets"),
        (b"<pnml><net>", "line 1, column 12: no XML"),
        (b"", "line 1, column 1: no XML"),
        (b"PK\x03\x04", "no XML"),
        (b'<?xml version="1.0" encoding="no-such"?><pnml/>', "unknown encoding"),
        (b"<a>" * 100 + b"</a>" * 100, "more than 64 levels"),
        (b"x" * 4_000_001, "larger than 4,000,000 bytes"),
        (document("", kind="http://www.pnml.org/version-2009/grammar/symmetricnet"), "only P/T nets"),
        (document("<place/>"), "has no id"),
        (document('<place id="p"/><transition id="p"/>'), "two nodes with this id"),
        (document('<place id="p"><initialMarking><text>many</text></initialMarking></place>'), "net 'n', place 'p', initialMarking"),
        (document('<place id="p"><initialMarking><text>-1</text></initialMarking></place>'), "not '-1'"),
        (document(f'{START}{STEP}<arc id="c" source="p" target="x"/>'), "net 'n', arc 'c': its target is 'x'"),
        (document(f'{START}{STEP}<arc id="c" source="p" target="q"/>'), "joins two places"),
        (document(f'{START}{STEP}<arc id="c" source="t" target="q" type="inhibitor"/>'), "leads from a place"),
        (document(f'{START}{STEP}<arc id="c" source="p" target="t" type="magic"/>'), "its kind is 'magic'"),
        (document(f'{START}{STEP}<arc id="c" source="p" target="t"><inscription><text>0</text></inscription></arc>'), "arc 'c', inscription"),
        (document('<referencePlace id="r" ref="s"/><referencePlace id="s" ref="r"/>'), "leads in a circle"),
        (document('<referencePlace id="r" ref="s"/>'), "stands for 's', which is nowhere"),
        (document('<place id="p"/>'), "initialMarking: no place has one"),
        (document(f'{START}<transition id="t"/>'), "transition 't': takes from no place"),
        (document(f'{START}{STEP}<place id="z"><toolspecific tool="circuit-breaker" version="1">[</toolspecific></place>'), "is no JSON"),
    ],
)  # fmt: skip
def test_a_bad_file_is_one_error_with_its_place(raw: bytes, said: str) -> None:
    began = time.monotonic()
    with pytest.raises(BadPnml) as caught:
        definition_from_pnml(read_pnml(raw))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert time.monotonic() - began < 5


def test_what_was_kept_by_hand_must_be_xml() -> None:
    net = read_pnml(document(START))
    broken = type(net)(net.id, net.name, net.places, (), (), ("<graphics>",))
    with pytest.raises(BadPnml, match="is no XML"):
        write_pnml(broken)
