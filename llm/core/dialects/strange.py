"""Members of a request that nobody here knows, by path, for `x-circuit-breaker-dropped`: nothing is lost in silence.

Each client's wire lists the members it reads of each object, as a `Known`; what else stands there is named. An object
that is all known costs one comparison of sets. Members that are null or an empty list ask for nothing.
Next file: `seals.py`.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Union

import msgspec

NOTHING: tuple[Any, ...] = (None, [])


class Known:
    """The members of an object: `names`, and by keyword those whose own members are known, too."""

    __slots__ = ("all", "nested")

    def __init__(self, *names: str, **nested: "Shape") -> None:
        self.all = frozenset({*names, *nested})
        self.nested = tuple(nested.items())


class Partly(Known):
    """An object whose other members are reported by someone else."""

    __slots__ = ()


class ByType:
    """Objects of several kinds, told apart by `type`. A kind that is not listed is looked at by nobody here."""

    __slots__ = ("kinds", "usual")

    def __init__(self, kinds: Mapping[str, Known], usual: str = "") -> None:
        self.kinds = kinds
        self.usual = usual


Shape = Union[Known, ByType]  # noqa: UP007 (named in quotes above)


def of(struct: type[msgspec.Struct], *names: str, **nested: Shape) -> Known:
    """The members of a Struct, and `names` beside them."""
    return Known(*struct.__struct_fields__, *names, **nested)


def strange(given: Any, shape: Shape, where: str = "") -> Iterator[str]:
    """The paths of the members that `shape` does not know. `given` may be anything: what is no object has none."""
    if isinstance(given, list):
        for number, one in enumerate(given):
            yield from strange(one, shape, f"{where}[{number}]")
        return
    if not isinstance(given, dict):
        return
    known = shape if isinstance(shape, Known) else shape.kinds.get(str(given.get("type") or shape.usual))
    if known is None:
        return
    begin = f"{where}." if where else ""
    if not isinstance(known, Partly) and not given.keys() <= known.all:
        yield from (f"{begin}{name}" for name in sorted(given.keys() - known.all) if given[name] not in NOTHING)
    for name, inner in known.nested:
        value = given.get(name)
        if value and not isinstance(value, str):
            yield from strange(value, inner, f"{begin}{name}")
