"""The tool calls of one choice while they come in, whole or in pieces, into deltas.

Pieces belong to the call of their `index`; servers that give none, or 0 for all, are told apart by id and name. A call
begins once its name is known. Promised: no two calls share our index, and no call is made up a name. Not promised: that
arguments are JSON.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from llm.core.deltas import ArgumentsDelta, Delta, ToolCallStarted
from llm.core.dialects.signatures import signature_in
from llm.core.dialects.translation import made_id

Fields = dict[str, Any]


class Call(msgspec.Struct):
    """One call so far. `ours` and `part` are -1 until its name has come; `held` are its arguments until then."""

    id: str
    custom: bool
    signature: str | None = None
    part: int = -1
    ours: int = -1
    held: str = ""
    more: bool = False
    """Whether arguments have come."""


class Calls:
    """The calls of choice `choice`; ids are made from `seed` where the server gives none."""

    __slots__ = ("_all", "_choice", "_numbered", "_seed", "_started")

    def __init__(self, seed: str, choice: int) -> None:
        self._seed = seed
        self._choice = choice
        self._all: list[Call] = []
        self._numbered: dict[int, Call] = {}
        self._started = 0

    def read(self, given: Fields, place: int, next_part: Callable[[str], int], found: list[Delta]) -> None:
        """A call, or a piece of one, that stands at `place` among those of its chunk."""
        custom = given.get("type") == "custom" or "custom" in given
        function = given.get("custom" if custom else "function") or {}
        name = function.get("name")
        index = given.get("index")
        number = place if index is None else index
        call = self._numbered.get(number)
        if call is None or self._is_another(call, given.get("id"), name, index is not None):
            call = self._called(given.get("id")) if call is not None else None
            if call is None:
                call = Call(given.get("id") or "", custom)
                self._all.append(call)
            self._numbered[number] = call
        self._grow(call, given)
        text = function.get("input" if call.custom else "arguments")
        text = str(text) if text else ""
        call.more = call.more or bool(text)
        if call.ours < 0 and name:
            self._start(call, str(name), next_part, found)
            text = call.held + text
        if call.ours < 0:
            call.held += text
        elif text:
            found.append(ArgumentsDelta(self._choice, call.part, call.ours, text, call.custom))

    def _is_another(self, call: Call, identity: str | None, name: str | None, numbered: bool) -> bool:
        """Whether a piece under a call's number is of another call.

        A new id alone does not say so: servers are known that give each piece an id of its own. Only the first piece
        of a call names its function.
        """
        if identity and call.id and identity != call.id:
            return bool(name) or self._called(identity) is not None
        return not identity and not numbered and bool(name) and call.more

    def _called(self, identity: str | None) -> Call | None:
        return next((call for call in self._all if identity and call.id == identity), None)

    def _grow(self, call: Call, given: Fields) -> None:
        call.signature = signature_in(given) or call.signature
        if not call.id and given.get("id"):
            call.id = given["id"]

    def _start(self, call: Call, name: str, next_part: Callable[[str], int], found: list[Delta]) -> None:
        call.ours = self._started
        self._started += 1
        call.part = next_part(f"call{call.ours}")
        shown = call.id or made_id("call_", f"{self._seed}/{self._choice}", call.ours)
        found.append(ToolCallStarted(self._choice, call.part, call.ours, shown, name, call.signature, call.custom))

    @property
    def nameless(self) -> bool:
        """Whether a call's name has never come: nobody could carry that call out."""
        return any(call.ours < 0 for call in self._all)
