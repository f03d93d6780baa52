"""Writes a `PnmlNet` as PNML: one page, standard elements, and for arcs PNML has no word for the element tools use.

What a tool kept (`graphics`, `toolspecific`) goes out as it came in. Next: `reading.py`, which reads all of it back.
"""

from xml.etree.ElementTree import Element, ParseError, SubElement, indent, tostring

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from workflows.core.drawing.text import printable
from workflows.core.pnml.model import BadPnml, PnmlArc, PnmlNet, PnmlNode
from workflows.core.pnml.reading import NAMESPACE

PTNET = "http://www.pnml.org/version-2009/grammar/ptnet"


def write_pnml(net: PnmlNet) -> str:
    """The file's text. Characters that XML cannot hold become U+FFFD."""
    root = Element("pnml", xmlns=NAMESPACE)
    inside = SubElement(root, "net", id=printable(net.id or "net"), type=PTNET)
    if net.name:
        _label(inside, "name", net.name)
    page = SubElement(inside, "page", id="page")
    for place in net.places:
        written = _node(page, "place", place)
        if place.marking:
            _label(written, "initialMarking", str(place.marking))
    for transition in net.transitions:
        _node(page, "transition", transition)
    for arc in net.arcs:
        _arc(page, arc)
    _keep(inside, net.kept)
    indent(root, "  ")
    return f"<?xml version='1.0' encoding='UTF-8'?>\n{tostring(root, encoding='unicode')}\n"


def _node(page: Element, tag: str, node: PnmlNode) -> Element:
    element = SubElement(page, tag, id=printable(node.id))
    _label(element, "name", node.name or node.id)
    _keep(element, node.kept)
    return element


def _arc(page: Element, arc: PnmlArc) -> None:
    source, target = printable(arc.source), printable(arc.target)
    element = SubElement(page, "arc", id=printable(arc.id), source=source, target=target)
    if arc.weight > 1:
        _label(element, "inscription", str(arc.weight))
    if arc.kind != "normal":
        _label(element, "arctype", arc.kind)
    _keep(element, arc.kept)


def _label(element: Element, tag: str, text: str) -> None:
    SubElement(SubElement(element, tag), "text").text = printable(text)


def _keep(element: Element, kept: tuple[str, ...]) -> None:
    for each in kept:
        try:
            element.append(fromstring(each, forbid_dtd=True))
        except (ParseError, DefusedXmlException) as error:
            raise BadPnml(f"{element.tag} {element.get('id')!r}", f"what is kept of it is no XML: {error}") from None
