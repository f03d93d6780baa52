"""A request's JSON into a Struct, or what is wrong with it, as a refusal that names the member in plain words.

Every door and every wire reads requests through `decoded`, and objects inside them through `taken`, so that a mistake
is told in one way. Next file: `operations/members.py`.
"""

import re
from typing import Any, TypeVar

import msgspec

from llm.core.errors import InvalidRequest

LOCATION = re.compile(r" - at `\$\.?(.*)`$")
BACKTICKED = re.compile(r"`([^`]*)`$")
EXPECTED = re.compile(r"Expected `([^`]+)`, got `([^`]+)`")
BOUND = re.compile(r"Expected `([^`]+)` (>=|<=) (\S+)")
PLAIN = {
    "str": "a string",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "array": "a list",
    "object": "an object",
}
TOO_DEEP = "The request body is nested too deeply."
VALUE = "[...]"
"""How msgspec writes any value of a dictionary."""

Read = TypeVar("Read")


def decoded(decoder: msgspec.json.Decoder[Read], body: bytes) -> Read:
    """Raises InvalidRequest."""
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        raise _refusal(str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidRequest(not_json(body, error)) from None
    except RecursionError:
        raise InvalidRequest(TOO_DEEP) from None


def taken(fields: Any, kind: type[Read], where: str) -> Read:
    """An object inside a request, at `where`. Raises InvalidRequest."""
    try:
        return msgspec.convert(fields, kind)
    except msgspec.ValidationError as error:
        raise _refusal(str(error), where) from None


def not_json(body: bytes, error: Exception) -> str:
    """Why a body cannot be read, in words of who sent it."""
    if not body.strip():
        return "The request body is empty; a JSON object is expected."
    if "truncated" in str(error):
        return "The request body is not valid JSON: it ends in the middle. Was it sent whole?"
    return f"The request body is not valid JSON: {error}."


def _refusal(problem: str, begin: str = "") -> InvalidRequest:
    """msgspec's message as one that names the member; `begin` is where the object at fault stands."""
    found = LOCATION.search(problem)
    what, where = (problem, "") if found is None else (problem[: found.start()], found.group(1))
    where = where.removesuffix(VALUE)
    if begin:
        where = f"{begin}.{where}" if where and not where.startswith("[") else begin + where
    named = BACKTICKED.search(what)
    if named is not None and what.startswith(("Object missing required field", "Object contains unknown field")):
        where = f"{where}.{named.group(1)}" if where else named.group(1)
        what = "it is required" if "missing" in what else "there is no such field here"
    if not where:
        return InvalidRequest(f"The request body must be a JSON object: it {_plain(what)}.")
    return InvalidRequest(f"`{where}`: {_plain(what)}.", where)


def _plain(what: str) -> str:
    """msgspec's words for what is wrong with a value, as a person says them."""
    other = EXPECTED.fullmatch(what)
    if other is not None:
        return f"must be {_words(other[1])}, not {_words(other[2])}"
    bound = BOUND.fullmatch(what)
    if bound is not None:
        return f"must be {_words(bound[1])} {'of at least' if bound[2] == '>=' else 'of at most'} {bound[3]}"
    return f"{what[0].lower()}{what[1:]}"


def _words(types: str) -> str:
    return " or ".join(PLAIN.get(name, name) for name in types.split(" | "))
