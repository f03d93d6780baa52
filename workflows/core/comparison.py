"""What differs between two definitions, for people: a few sentences, and the lines of both.

Sentences name places and transitions by id; a transition under another id is one removed and one added.
"""

import difflib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Sign = Literal["+", "-", " ", "@"]
CONTEXT = 2


@dataclass(frozen=True, slots=True)
class Comparison:
    summary: tuple[str, ...]
    """E.g. `transition approve: conditions, toPlace`; empty if nothing differs."""
    lines: tuple[tuple[Sign, str], ...]
    """The definitions as indented JSON: added, removed and unchanged lines; `@` stands for lines left out."""


def compare(old: Mapping[str, Any], new: Mapping[str, Any]) -> Comparison:
    """How `new` differs from `old`, both as `compile_definition` keeps them."""
    summary = [f"{key} changed" for key in ("name", "description", "initialPlace") if old.get(key) != new.get(key)]
    summary += _parts("place", _by_id(old.get("places", ())), _by_id(new.get("places", ())))
    summary += _parts("transition", _by_id(old.get("transitions", ())), _by_id(new.get("transitions", ())))
    summary += _parts("rule", old.get("rules", {}), new.get("rules", {}))
    if not summary and old != new:
        summary.append("the order changed")
    return Comparison(tuple(summary), tuple(_lines(old, new)))


def _by_id(written: Any) -> dict[str, Any]:
    return {item["id"] if isinstance(item, Mapping) else item: item for item in written}


def _parts(word: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    said = [f"{word} {key} added" for key in new if key not in old]
    said += [f"{word} {key} removed" for key in old if key not in new]
    return said + [
        f"{word} {key}: {_changed(old[key], new[key])}" for key in new if key in old and old[key] != new[key]
    ]


def _changed(old: Any, new: Any) -> str:
    """The keys that differ, where both are objects."""
    if not isinstance(old, Mapping) or not isinstance(new, Mapping):
        return "changed"
    return ", ".join(key for key in dict.fromkeys((*old, *new)) if old.get(key) != new.get(key)) + " changed"


def _lines(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[tuple[Sign, str]]:
    before, after = (json.dumps(each, indent=2, ensure_ascii=False).splitlines() for each in (old, new))
    lines: list[tuple[Sign, str]] = []
    for line in list(difflib.unified_diff(before, after, lineterm="", n=CONTEXT))[2:]:
        if line.startswith("@@"):
            lines.append(("@", ""))
        else:
            sign: Sign = "+" if line[0] == "+" else "-" if line[0] == "-" else " "
            lines.append((sign, line[1:]))
    return lines
