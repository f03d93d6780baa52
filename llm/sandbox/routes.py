"""Which path is which operation of which wire. A new wire adds its table here, and nothing else outside its folder."""

from llm.sandbox import openai
from llm.sandbox.wire import Operation, Wire

_EXACT: dict[str, Operation] = {**openai.OPERATIONS}


def find(path: str) -> Operation | None:
    """The operation behind a path, or None."""
    return _EXACT.get(path)


def wire_of(path: str) -> Wire:
    """In whose words an error for this path is said; OpenAI's for a path nobody has."""
    found = find(path)
    return found.wire if found is not None else openai.WIRE
