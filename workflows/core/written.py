"""Reads the parts of a written definition: texts, lists, counts, durations, names of places. No meaning, only shape.

Every fault raises BadDefinition with its path, and a name close to a known one says so. Next: `notation.py`.
"""

import difflib
import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

from workflows.core.errors import BadDefinition, BadInput
from workflows.core.expressions import parse_template
from workflows.core.net import Arc, Place
from workflows.core.payload import checked_text

MAXIMUM_ARCS = 100
MAXIMUM_WEIGHT = 1_000
MAXIMUM_SECONDS = 100 * 366 * 86_400.0

_DURATION = re.compile(r"P(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?")
_SECONDS = (604_800, 86_400, 3_600, 60, 1)


def nearest(name: Any, known: Iterable[str]) -> str:
    """`; did you mean "review"?` when a known name is close, else an empty string."""
    close = difflib.get_close_matches(str(name)[:200], list(known), n=1)
    return f'; did you mean "{close[0]}"?' if close else ""


def read_arcs(
    written: Any, path: str, places: Mapping[str, Place], least: int = 0, *, outputs: bool = False
) -> tuple[Arc, ...]:
    """Arcs as place names or {place, weight}, of outputs also `data` or `set`; each place at most once."""
    arcs: dict[str, Arc] = {}
    for index, item in enumerate(read_list(written, path, MAXIMUM_ARCS, least)):
        here = f"{path}[{index}]"
        if isinstance(item, Mapping):
            only(item, here, ("place", "weight", "data", "set") if outputs else ("place", "weight"))
            place = read_place(item.get("place"), f"{here}.place", places)
            weight = read_count(1 if item.get("weight") is None else item["weight"], f"{here}.weight", MAXIMUM_WEIGHT)
            arc = Arc(place, weight, _arc_data(item, here))
        else:
            arc = Arc(read_place(item, here, places))
        if arc.place in arcs:
            raise BadDefinition(here, f'there is an arc with "{arc.place}" already; give it a weight instead')
        arcs[arc.place] = arc
    return tuple(arcs.values())


def read_place(written: Any, path: str, places: Mapping[str, Place]) -> str:
    """The name of a place that there is."""
    name = read_text(written, path)
    if name not in places:
        raise BadDefinition(path, f'no place "{name}"{nearest(name, places)}')
    return name


def read_text(written: Any, path: str, maximum: int = 200) -> str:
    if written is None:
        raise BadDefinition(path, "is missing")
    try:
        return checked_text(written, path, maximum)
    except BadInput as error:
        raise BadDefinition(path, str(error).removeprefix(f"{path}: ")) from error


def read_choice(written: Any, path: str, known: Iterable[str]) -> str:
    """One of the known words."""
    words = tuple(known)
    if not isinstance(written, str) or written not in words:
        raise BadDefinition(
            path, f"{written!r} is not known{nearest(written, words) or '; known: ' + ', '.join(words)}"
        )
    return written


def read_list(written: Any, path: str, maximum: int, least: int = 0) -> list[Any]:
    if written is None:
        raise BadDefinition(path, "is missing")
    if not isinstance(written, list | tuple):
        raise BadDefinition(path, f"must be a list, not {type(written).__name__}")
    if not least <= len(written) <= maximum:
        raise BadDefinition(path, f"has {len(written)} entries; {least} to {maximum} are accepted")
    return list(written)


def read_object(written: Any, path: str) -> dict[str, Any]:
    """An object, keys without a value left out."""
    if not isinstance(written, Mapping):
        raise BadDefinition(path, f"must be an object, not {type(written).__name__}")
    return without_nothing(written)


def read_count(written: Any, path: str, maximum: int) -> int:
    if isinstance(written, bool) or not isinstance(written, int) or not 1 <= written <= maximum:
        raise BadDefinition(path, f"must be an integer from 1 to {maximum}")
    return written


def read_flag(written: Any, path: str) -> bool:
    if not isinstance(written, bool):
        raise BadDefinition(path, "must be true or false")
    return written


def read_seconds(written: Any, path: str) -> float:
    """A duration: seconds as a number, or ISO 8601 with weeks to seconds (months and years have no fixed length)."""
    seconds = written
    if isinstance(written, str):
        found = _DURATION.fullmatch(written)
        if not found or not any(found.groups()) or written.endswith("T"):
            raise BadDefinition(
                path, f'{written!r} is no duration; write seconds, or ISO 8601 such as "PT15M" or "P2D"'
            )
        seconds = sum(float(part) * each for part, each in zip(found.groups(), _SECONDS, strict=True) if part)
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not math.isfinite(seconds):
        raise BadDefinition(path, 'must be a number of seconds, or an ISO 8601 duration such as "PT15M"')
    if not 0 <= seconds <= MAXIMUM_SECONDS:
        raise BadDefinition(path, f"must be from 0 to {MAXIMUM_SECONDS:.0f} seconds")
    return float(seconds)


def only(written: Mapping[str, Any], path: str, known: tuple[str, ...]) -> None:
    """Raises BadDefinition for the first key that is not known."""
    for key in written:
        if key not in known:
            where = f"{path}.{key}" if path else str(key)
            raise BadDefinition(where, f"unknown key{nearest(key, known) or '; known: ' + ', '.join(known)}")


def without_nothing(written: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in written.items() if value is not None}


def _arc_data(item: Mapping[str, Any], path: str) -> Any:
    whole, added = item.get("data"), item.get("set")
    if whole is not None and added is not None:
        raise BadDefinition(f"{path}.set", "use either data (replaces) or set (adds), not both")
    if whole is not None:
        return parse_template(whole, f"{path}.data")
    return None if added is None else parse_template(added, f"{path}.set", adds=True)
