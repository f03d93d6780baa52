"""Which tokens of a case lie where, and how the log of changes folds into that.

A marking is immutable. Tokens of a place are in order of arrival (`entered`, then id), which is the order in which
firings take them. `apply` is the whole semantics of the log: every consumed version must lie there, every produced
version must be new; anything else is a damaged log and raises. Next: `firing.py`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from workflows.core.errors import WorkflowError


@dataclass(frozen=True, slots=True)
class Token:
    """One version of one token. `data` and `metadata` are JSON objects and are never changed in place."""

    id: str
    place: str
    data: Mapping[str, Any] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)
    version: int = 1
    entered: int = 0
    """The case's sequence number at which it came to this place: first in, first out."""
    arrived: float = field(default=0.0, compare=False)
    """When that was, in seconds of POSIX time: what firing intervals count from. It follows from `entered`."""


@dataclass(frozen=True, slots=True)
class Request:
    """The work outside that a step's start asks for, for the token in its running place."""

    step: str
    token_id: str
    input: Mapping[str, Any]
    settings: Mapping[str, Any] = field(default_factory=dict)
    """The other keys of the step's `work`, expressions evaluated."""


@dataclass(frozen=True, slots=True)
class Change:
    """What one firing did: the token versions it took away and those it put down, and the work it asked for."""

    consumed: tuple[Token, ...]
    produced: tuple[Token, ...]
    requests: tuple[Request, ...] = field(default=(), compare=False)


class DamagedLog(WorkflowError):
    """A change that takes a token version which is not there, or puts down one that is."""

    code = "DAMAGED_LOG"


class Marking:
    """An immutable set of tokens, found by place and by id."""

    __slots__ = ("_by_id", "_by_place")

    def __init__(self, tokens: Iterable[Token] = ()) -> None:
        self._by_id: dict[str, Token] = {token.id: token for token in tokens}
        by_place: dict[str, list[Token]] = {}
        for token in sorted(self._by_id.values(), key=_arrival):
            by_place.setdefault(token.place, []).append(token)
        self._by_place = {place: tuple(found) for place, found in by_place.items()}

    def at(self, place: str) -> tuple[Token, ...]:
        """The tokens of a place, first come first."""
        return self._by_place.get(place, ())

    def find(self, token_id: str) -> Token | None:
        return self._by_id.get(token_id)

    def tokens(self) -> tuple[Token, ...]:
        """Every token, by place and arrival."""
        return tuple(token for place in sorted(self._by_place) for token in self._by_place[place])

    def counts(self) -> dict[str, int]:
        """How many tokens lie in each place that has any."""
        return {place: len(found) for place, found in self._by_place.items()}

    def apply(self, change: Change) -> "Marking":
        """The marking after a change; raises DamagedLog if the change does not fit."""
        by_id = dict(self._by_id)
        touched: dict[str, bool] = {}  # only the places that change are laid out anew
        for token in change.consumed:
            here = by_id.pop(token.id, None)
            if here is None or here.version != token.version:
                found = "not there" if here is None else f"there as version {here.version}"
                raise DamagedLog(f"Token {token.id} version {token.version} is consumed but {found}.", tokenId=token.id)
            touched[here.place] = True
        for token in change.produced:
            if token.id in by_id:
                raise DamagedLog(f"Token {token.id} is produced but is there already.", tokenId=token.id)
            by_id[token.id] = token
            touched[token.place] = True
        taken = {token.id for token in change.consumed}
        by_place = dict(self._by_place)
        for place in touched:
            left = [token for token in by_place.pop(place, ()) if token.id not in taken]
            left.extend(token for token in change.produced if token.place == place)
            if left:
                left.sort(key=_arrival)
                by_place[place] = tuple(left)
        return Marking._of(by_id, by_place)

    @classmethod
    def _of(cls, by_id: dict[str, Token], by_place: dict[str, tuple[Token, ...]]) -> "Marking":
        """A marking of these two views of the same tokens."""
        marking = cls.__new__(cls)
        marking._by_id, marking._by_place = by_id, by_place
        return marking

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Marking) and self._by_id == other._by_id

    def __hash__(self) -> int:
        return hash(frozenset((token.id, token.version) for token in self._by_id.values()))

    def __repr__(self) -> str:
        return f"Marking({self.counts()})"


def fold(changes: Iterable[Change]) -> Marking:
    """The marking a log leads to, from the empty one."""
    marking = Marking()
    for change in changes:
        marking = marking.apply(change)
    return marking


def _arrival(token: Token) -> tuple[int, str]:
    return token.entered, token.id
