"""Reads PNML files, also those of tools that bend the standard: no namespace, inhibitor arcs, nodes outside pages.

Safe on hostile input: no document type, so no entities; bounds on bytes, depth and elements; nothing is fetched. Every
fault is one BadPnml with its place, by line and column or by ids. High-level nets are refused.
Next: `definitions.py`.
"""

import io
from collections.abc import Iterator
from xml.etree.ElementTree import Element, ParseError, tostring

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import iterparse

from workflows.core.pnml.model import ArcKind, BadPnml, PnmlArc, PnmlNet, PnmlNode

NAMESPACE = "http://www.pnml.org/version-2009/grammar/pnml"
PLAIN_TYPES = ("ptnet", "p/t", "coremodel", "epnml")
"""What a net's type contains, in lower case, if it is a P/T net: of the standard, of its draft, and of other tools."""
MAXIMUM_BYTES = 4_000_000
MAXIMUM_DEPTH = 64
MAXIMUM_ELEMENTS = 200_000
MAXIMUM_COUNT = 10**9
MAXIMUM_REFERENCES = 100
_KEPT = ("graphics", "toolspecific")


def read_pnml(raw: bytes) -> PnmlNet:
    """The one net in a file; raises BadPnml."""
    root = _parse(raw)
    nets = [each for each in root if each.tag == "net"]
    if root.tag != "pnml" or len(nets) != 1:
        found = f"{len(nets)} nets" if root.tag == "pnml" else f"<{root.tag}>"
        raise BadPnml("", f"the file must be a <pnml> with one <net>, and has {found}")
    net = nets[0]
    where = f"net {net.get('id', '')!r}"
    kind = net.get("type", "ptnet")
    if not any(plain in kind.lower() for plain in PLAIN_TYPES):
        raise BadPnml(where, f"its type is {kind!r}; only P/T nets are read")
    elements = list(_elements(net))
    places = [_node(each, where) for each in elements if each.tag == "place"]
    transitions = [_node(each, where) for each in elements if each.tag == "transition"]
    stands_for = _references(elements, where)
    _check_ids([*places, *transitions], stands_for, where)
    kinds = {**{node.id: "place" for node in places}, **{node.id: "transition" for node in transitions}}
    arcs = [_arc(each, kinds, stands_for, where) for each in elements if each.tag == "arc"]
    kept = [each for each in net if each.tag in _KEPT]
    return PnmlNet(
        net.get("id", ""), _text(net, "name"), tuple(places), tuple(transitions), tuple(arcs), _as_text(kept)
    )


def _parse(raw: bytes) -> Element:
    """The document, its names without PNML's namespace."""
    if len(raw) > MAXIMUM_BYTES:
        raise BadPnml("", f"the file is larger than {MAXIMUM_BYTES:,} bytes")
    depth = count = 0
    root: Element | None = None
    try:
        for event, element in iterparse(io.BytesIO(raw), events=("start", "end"), forbid_dtd=True):
            if event == "end":
                depth -= 1
                continue
            depth, count = depth + 1, count + 1
            if root is None:
                root = element
                namespace = element.tag[1:].partition("}")[0] if element.tag.startswith("{") else ""
                if namespace not in ("", NAMESPACE):
                    raise BadPnml("", f"the namespace is {namespace!r}; PNML's is {NAMESPACE!r}")
            if depth > MAXIMUM_DEPTH or count > MAXIMUM_ELEMENTS:
                raise BadPnml("", f"more than {MAXIMUM_DEPTH} levels or {MAXIMUM_ELEMENTS:,} elements")
            element.tag = element.tag.removeprefix(f"{{{NAMESPACE}}}")
    except DefusedXmlException:
        raise BadPnml("", "the file has a document type or entities, which are not read") from None
    except ParseError as error:
        line, column = error.position
        raise BadPnml(f"line {line}, column {column + 1}", f"no XML: {str(error).partition(':')[0]}") from None
    except (LookupError, ValueError) as error:
        raise BadPnml("", f"the file cannot be decoded: {error}") from None
    assert root is not None
    return root


def _elements(net: Element) -> Iterator[Element]:
    """Nodes, references and arcs, of the net itself and of all its pages, in order."""
    for element in net:
        if element.tag == "page":
            yield from _elements(element)
        elif element.tag in ("place", "transition", "arc", "referencePlace", "referenceTransition"):
            yield element


def _node(element: Element, where: str) -> PnmlNode:
    identity = element.get("id", "")
    here = f"{where}, {element.tag} {identity!r}"
    if not identity:
        raise BadPnml(here, "has no id")
    marking = 0
    if element.tag == "place" and element.find("initialMarking") is not None:
        marking = _count(_text(element, "initialMarking"), f"{here}, initialMarking", least=0)
    return PnmlNode(identity, _text(element, "name"), marking, _as_text(each for each in element if each.tag in _KEPT))


def _references(elements: list[Element], where: str) -> dict[str, str]:
    """What each reference stands for, chains followed to their end."""
    direct = {each.get("id", ""): each.get("ref", "") for each in elements if each.tag.startswith("reference")}
    resolved = {}
    for start in direct:
        end, steps = start, 0
        while end in direct:
            end, steps = direct[end], steps + 1
            if steps > MAXIMUM_REFERENCES:
                raise BadPnml(f"{where}, reference {start!r}", "leads in a circle, or through too many references")
        resolved[start] = end
    return resolved


def _check_ids(nodes: list[PnmlNode], references: dict[str, str], where: str) -> None:
    seen: set[str] = set()
    for identity in (*(node.id for node in nodes), *references):
        if identity in seen:
            raise BadPnml(f"{where}, {identity!r}", "there are two nodes with this id")
        seen.add(identity)
    for start, end in references.items():
        if end not in seen:
            raise BadPnml(f"{where}, reference {start!r}", f"stands for {end!r}, which is nowhere")


def _arc(element: Element, kinds: dict[str, str], stands_for: dict[str, str], where: str) -> PnmlArc:
    identity = element.get("id", "")
    here = f"{where}, arc {identity!r}"
    ends = []
    for end in ("source", "target"):
        named = element.get(end, "")
        node = stands_for.get(named, named)
        if node not in kinds:
            raise BadPnml(here, f"its {end} is {named!r}, which is no place and no transition")
        ends.append(node)
    if kinds[ends[0]] == kinds[ends[1]]:
        raise BadPnml(here, f"joins two {kinds[ends[0]]}s; an arc joins a place and a transition")
    kind = _arc_kind(element, here)
    if kind != "normal" and kinds[ends[0]] != "place":
        raise BadPnml(here, f"an arc of kind {kind} leads from a place to a transition")
    written = _text(element, "inscription")
    weight = _count(written, f"{here}, inscription", least=1) if written else 1
    return PnmlArc(identity, ends[0], ends[1], weight, kind, _as_text(each for each in element if each.tag in _KEPT))


def _arc_kind(element: Element, here: str) -> ArcKind:
    """As tools write it: an attribute `type`, or an element `type` or `arctype` with a value or a text."""
    said = element.get("type", "")
    for tag in ("type", "arctype"):
        found = element.find(tag)
        if found is not None:
            said = found.get("value", "") or _text(element, tag) or (found.text or "").strip()
    kinds: dict[str, ArcKind] = {
        "": "normal", "normal": "normal", "inhibitor": "inhibitor", "reset": "reset", "read": "read", "test": "read",
    }  # fmt: skip
    if said.lower() not in kinds:
        raise BadPnml(here, f"its kind is {said!r}; known: normal, inhibitor, read (or test), reset")
    return kinds[said.lower()]


def _text(element: Element, tag: str) -> str:
    """The label `tag` of an element, without space around it; some tools write `value` instead of `text`."""
    label = element.find(tag)
    if label is None:
        return ""
    for inner in ("text", "value"):
        found = label.find(inner)
        if found is not None and found.text:
            return found.text.strip()
    return ""


def _count(written: str, here: str, least: int) -> int:
    digits = written.removeprefix("Default,").strip()  # PIPE writes the colour of its tokens first
    if not (digits.isascii() and digits.isdecimal() and len(digits) <= 10 and least <= int(digits) <= MAXIMUM_COUNT):
        raise BadPnml(here, f"must be a whole number from {least} to {MAXIMUM_COUNT}, not {written[:40]!r}")
    return int(digits)


def _as_text(elements: Iterator[Element] | list[Element]) -> tuple[str, ...]:
    kept = []
    for element in elements:
        for each in element.iter():
            each.text = each.text if each.text and each.text.strip() else None
            each.tail = each.tail if each.tail and each.tail.strip() else None
        element.tail = None
        kept.append(tostring(element, encoding="unicode"))
    return tuple(kept)
