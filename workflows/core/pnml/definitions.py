"""A workflow's definition as a P/T net, and a P/T net as a definition.

PNML has no word for guards, kinds, expressions or capacities: they travel in a `toolspecific` element of ours, one per
transition, place and net. Read back, the arcs are believed: an entry of ours is used as it stands only where it still
says the same as they do, otherwise only its other keys are taken. `fromPlaces` (any of) is one PNML transition per
place. Positions and other tools' elements are kept in the definition's `annotations.pnml`. Next: `writing.py`.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from xml.etree.ElementTree import Element, tostring

from defusedxml.ElementTree import fromstring

from workflows.core.errors import BadDefinition
from workflows.core.net import Arc, Net
from workflows.core.notation import Compiled, compile_definition
from workflows.core.pnml.model import ArcKind, BadPnml, PnmlArc, PnmlNet, PnmlNode
from workflows.core.written import nearest

TOOL = "circuit-breaker"
_SHAPE = ("fromPlaces", "toPlace", "inputs", "outputs", "reads", "inhibitors", "resets")
_NAMED = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,100}")
_KINDS: tuple[tuple[ArcKind, str], ...] = (("read", "reads"), ("inhibitor", "inhibitors"), ("reset", "resets"))

Shape = tuple[Counter[str], Counter[str], Counter[str], Counter[str], frozenset[str]]
"""What one way to fire takes, puts, reads, is inhibited by, and empties."""


def pnml_from_definition(compiled: Compiled, refined: bool = False) -> PnmlNet:
    """The definition as a P/T net with one token in its initial place.

    `refined`: a step that works outside as the transitions it is made of, and nothing of ours beside: for the analysis
    of other tools.
    """
    net, written = compiled.net, compiled.definition
    notes = written.get("annotations", {}).get("pnml", {})
    steps = [step for step in net.transitions.values() if refined or step.role in ("", "start")]
    shown = [place for place in net.places if refined or not net.places[place].step]
    ids = _Ids(notes)
    options = {} if refined else {each["id"]: each for each in written["places"] if isinstance(each, dict)}
    places = tuple(
        PnmlNode(
            ids.of("places", place),
            place,
            int(place == net.initial_place),
            ids.kept("places", place, options.get(place)),
        )
        for place in shown
    )
    transitions: list[PnmlNode] = []
    arcs: list[PnmlArc] = []
    own = {} if refined else {each["id"]: each for each in written["transitions"]}
    for step in steps:
        for number, shape in enumerate(_shapes(net, step.id, refined), 1):
            key = step.id if len(step.alternatives) == 1 else f"{step.id}.{number}"
            ours = own.get(step.id) if number == 1 or refined else {"alternativeOf": step.id}
            if ours is not None and not (set(ours) - {"id", "name", *_SHAPE[2:]}) and key == ours.get("id"):
                ours = None if ids.of("transitions", key) == key else {"id": key, **ours}
            identity = ids.of("transitions", key)
            transitions.append(PnmlNode(identity, step.name, 0, ids.kept("transitions", key, ours)))
            arcs += _arcs(shape, identity, ids, len(arcs))
    rest = {key: value for key, value in written.items() if key in ("description", "rules")}
    kept = ids.kept("net", "", rest or None) if not refined else ()
    name = str(written.get("name", ""))
    return PnmlNet(str(notes.get("id", "workflow")), name, places, tuple(transitions), tuple(arcs), kept)


def definition_from_pnml(net: PnmlNet, initial_place: str | None = None) -> dict[str, Any]:
    """The definition a P/T net stands for; `compile_definition` has accepted it.

    It begins in the one place that has one token; `initial_place`, a place's name, says it for files that have no or
    another marking. Raises BadPnml.
    """
    names = _names(net.places)
    ours = {node.id: _ours(node.kept, f"{node.id!r}") for node in (*net.places, *net.transitions)}
    start = _initial(net, names, initial_place)
    plain = {node.id: _plain(node, net.arcs, names) for node in net.transitions}
    places = [{**ours[node.id], "id": names[node.id]} if ours[node.id] else names[node.id] for node in net.places]
    definition: dict[str, Any] = {**_ours(net.kept, "net"), "name": net.name or net.id or "workflow", "places": places}
    definition |= {
        "initialPlace": start,
        "transitions": _transitions(net, ours, plain, definition | {"initialPlace": start}),
    }
    notes = _notes(net, names, definition)
    try:
        return dict(compile_definition({**definition, "annotations": {"pnml": notes}}).definition)
    except BadDefinition as error:
        raise BadPnml(f"as a workflow, {error.path}", str(error).removeprefix(f"{error.path}: ")) from error


def marking_of(net: PnmlNet) -> dict[str, int]:
    """The file's initial marking, by the names `definition_from_pnml` gives to places."""
    names = _names(net.places)
    return {names[node.id]: node.marking for node in net.places if node.marking}


class _Ids:
    """PNML ids for our names: the one it had, our name itself where PNML accepts that, or a made one."""

    def __init__(self, notes: Mapping[str, Any]) -> None:
        self._notes = notes
        self._given: dict[tuple[str, str], str] = {}
        self._taken: set[str] = set()

    def of(self, part: str, name: str) -> str:
        if (part, name) not in self._given:
            wanted = self._note(part, name).get("id", name)
            identity, number = str(wanted), len(self._given)
            while identity in self._taken or not _NAMED.fullmatch(identity):
                number += 1
                identity = f"{part[0]}{number}"
            self._taken.add(identity)
            self._given[part, name] = identity
        return self._given[part, name]

    def kept(self, part: str, name: str, ours: Mapping[str, Any] | None = None) -> tuple[str, ...]:
        """What was kept of the element, and what of ours PNML has no word for."""
        kept = [str(each) for each in self._note(part, name).get("kept", ())]
        if ours is not None:
            element = Element("toolspecific", tool=TOOL, version="1")
            element.text = json.dumps(ours, ensure_ascii=True)
            kept.append(tostring(element, encoding="unicode"))
        return tuple(kept)

    def _note(self, part: str, name: str) -> Mapping[str, Any]:
        note = self._notes.get(part, {})
        found = note if part == "net" else note.get(name, {})
        return found if isinstance(found, dict) else {}


def _shapes(net: Net, name: str, refined: bool) -> list[Shape]:
    step = net.transitions[name]
    ends = step.outputs
    if step.role == "start" and not refined:
        ends = net.transitions[net.steps[step.step].outcomes["ok"]].outputs
    rest = (_counted(ends), _counted(step.reads), _counted(step.inhibitors), frozenset(step.resets))
    return [(_counted(arcs), *rest) for arcs in step.alternatives]


def _arcs(shape: Shape, step: str, ids: _Ids, before: int) -> list[PnmlArc]:
    takes, gives, reads, inhibitors, resets = shape
    ends: list[tuple[str, int, ArcKind, bool]] = [(place, weight, "normal", True) for place, weight in takes.items()]
    ends += [(place, weight, "normal", False) for place, weight in gives.items()]
    ends += [(place, weight, "read", True) for place, weight in reads.items()]
    ends += [(place, weight, "inhibitor", True) for place, weight in inhibitors.items()]
    ends += [(place, 1, "reset", True) for place in sorted(resets)]
    found = []
    for number, (place, weight, kind, inward) in enumerate(ends, before + 1):
        here = ids.of("places", place)
        source, target = (here, step) if inward else (step, here)
        kept = ids.kept("arcs", f"{source} {target} {kind}")
        found.append(PnmlArc(f"arc{number}", source, target, weight, kind, kept))
    return found


def _counted(arcs: Iterable[Arc]) -> Counter[str]:
    total: Counter[str] = Counter()
    for arc in arcs:
        total[arc.place] += arc.weight
    return total


def _names(nodes: tuple[PnmlNode, ...]) -> dict[str, str]:
    """A name for each id: the node's name where no other has it, otherwise the id, made different if need be."""
    counts = Counter(node.name for node in nodes)
    names: dict[str, str] = {}
    taken = {node.name for node in nodes if node.name and counts[node.name] == 1}
    for node in nodes:
        name = node.name if node.name in taken else node.id
        while node.name not in taken and (name in taken or name in names.values()):
            name += "'"
        names[node.id] = name
    return names


def _initial(net: PnmlNet, names: Mapping[str, str], wanted: str | None) -> str:
    if wanted is not None:
        if wanted not in names.values():
            raise BadPnml("initial place", f"no place {wanted!r}{nearest(wanted, names.values())}")
        return wanted
    marked = [node for node in net.places if node.marking]
    if len(marked) == 1 and marked[0].marking == 1:
        return names[marked[0].id]
    if not marked:
        raise BadPnml("initialMarking", "no place has one; say with which place a case begins")
    said = ", ".join(f"{names[node.id]} has {node.marking}" for node in marked[:5])
    raise BadPnml("initialMarking", f"a case begins with one token in one place, but {said}; say which place it is")


def _plain(node: PnmlNode, arcs: tuple[PnmlArc, ...], names: Mapping[str, str]) -> dict[str, Any]:
    """The transition as PNML says it, in the full form."""

    def written(chosen: Callable[[PnmlArc], bool], end: Callable[[PnmlArc], str]) -> list[Any]:
        weights: Counter[str] = Counter()
        for arc in arcs:
            if chosen(arc):
                weights[names[end(arc)]] += arc.weight
        return [place if weight == 1 else {"place": place, "weight": weight} for place, weight in weights.items()]

    plain: dict[str, Any] = {"id": node.id}
    if node.name and node.name != node.id:
        plain["name"] = node.name
    plain["inputs"] = written(lambda arc: arc.target == node.id and arc.kind == "normal", lambda arc: arc.source)
    plain["outputs"] = written(lambda arc: arc.source == node.id, lambda arc: arc.target)
    for kind, key in _KINDS:
        found = [arc for arc in arcs if arc.target == node.id and arc.kind == kind]
        if kind == "reset":
            plain[key] = list(dict.fromkeys(names[arc.source] for arc in found))
        elif kind == "inhibitor":  # several block at the least of them
            least = {names[arc.source]: arc.weight for arc in sorted(found, key=lambda arc: -arc.weight)}
            plain[key] = [{"place": place, "weight": weight} for place, weight in least.items()]
        else:
            plain[key] = written(lambda arc: arc.target == node.id and arc.kind == "read", lambda arc: arc.source)
    if not plain["inputs"]:
        raise BadPnml(f"transition {node.id!r}", "takes from no place; a workflow's transition takes a token")
    return {key: value for key, value in plain.items() if value or key in ("inputs", "outputs")}


def _transitions(
    net: PnmlNet, ours: Mapping[str, Any], plain: Mapping[str, dict[str, Any]], around: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Each transition as ours where that still says what the arcs say, otherwise as they say it."""
    groups: dict[str, list[str]] = {}
    for node in net.transitions:
        said = ours[node.id]
        groups.setdefault(str(said.get("alternativeOf", said.get("id", node.id))), []).append(node.id)
    found: list[dict[str, Any]] = []
    for members in groups.values():
        whole = next((ours[each] for each in members if ours[each] and "alternativeOf" not in ours[each]), None)
        if whole is not None and _says_the_same(whole, [plain[each] for each in members], around):
            found.append(whole)
            continue
        other = {key: value for key, value in (whole or {}).items() if key not in (*_SHAPE, "id", "name")}
        one = len(members) == 1
        found += [{**other, **plain[each], **({"id": whole["id"]} if whole and one else {})} for each in members]
    return found


def _says_the_same(whole: dict[str, Any], plain: list[dict[str, Any]], around: Mapping[str, Any]) -> bool:
    alone = {key: value for key, value in around.items() if key != "description"}
    if isinstance(whole.get("compensation"), dict):
        whole = {key: value for key, value in whole.items() if key != "compensation"}  # may name another transition
    whole = {key: value for key, value in whole.items() if key != "else"}
    try:
        mine = compile_definition({**alone, "transitions": [whole]}).net
        theirs = compile_definition({**alone, "transitions": plain}).net
    except BadDefinition:
        return False
    named = [shape for each in plain for shape in _shapes(theirs, each["id"], False)]
    return sorted(map(_sortable, _shapes(mine, whole["id"], False))) == sorted(map(_sortable, named))


def _sortable(shape: Shape) -> Any:
    return tuple(tuple(sorted(part.items())) if isinstance(part, Counter) else tuple(sorted(part)) for part in shape)


def _ours(kept: tuple[str, ...], where: str) -> dict[str, Any]:
    """What our own `toolspecific` says; empty if there is none."""
    for each in kept:
        element = fromstring(each)
        if element.tag == "toolspecific" and element.get("tool") == TOOL:
            try:
                said = json.loads(element.text or "")
            except (json.JSONDecodeError, RecursionError) as error:
                raise BadPnml(f"{where}, toolspecific of {TOOL}", f"is no JSON: {error}") from None
            if not isinstance(said, dict):
                raise BadPnml(f"{where}, toolspecific of {TOOL}", "must be a JSON object")
            return said
    return {}


def _foreign(kept: tuple[str, ...]) -> list[str]:
    return [each for each in kept if f'tool="{TOOL}"' not in each.partition(">")[0]]


def _notes(net: PnmlNet, names: Mapping[str, str], definition: Mapping[str, Any]) -> dict[str, Any]:
    """What of the file a definition has no word for, where `pnml_from_definition` finds it again."""

    def noted(identity: str, kept: tuple[str, ...], name: str) -> dict[str, Any]:
        note: dict[str, Any] = {} if identity == name else {"id": identity}
        return {**note, **({"kept": _foreign(kept)} if _foreign(kept) else {})}

    ours = {node.id: _ours(node.kept, node.id) for node in net.transitions}
    keys = {node.id: str(ours[node.id].get("id", node.id)) for node in net.transitions}
    notes: dict[str, Any] = {
        "id": net.id,
        "places": {names[node.id]: noted(node.id, node.kept, names[node.id]) for node in net.places},
        "transitions": {keys[node.id]: noted(node.id, node.kept, keys[node.id]) for node in net.transitions},
        "arcs": {f"{arc.source} {arc.target} {arc.kind}": {"kept": list(arc.kept)} for arc in net.arcs if arc.kept},
    }
    if _foreign(net.kept):
        notes["net"] = {"kept": _foreign(net.kept)}
    return {
        key: ({k: v for k, v in value.items() if v} if isinstance(value, dict) else value)
        for key, value in notes.items()
    }
