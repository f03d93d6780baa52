"""What the sandbox says to a conversation: text, JSON or tool calls, by rules one can predict by reading the prompt.

Tools: `tool_choice` is obeyed; left free, a tool is called when the last message is the user's and shares a word of
four letters or more with the tool's name. JSON: a schema gets a fitting value; JSON mode, or instructions that ask for
JSON, get an object of the shape they show or the keys they name. All else gets one sentence that quotes the prompt.
Next file: `speech.py`, which cuts it to length and counts.
"""

import json
import re
from dataclasses import dataclass
from typing import Any

import msgspec

from llm.sandbox.conversation import Conversation, Tool, Turn
from llm.sandbox.errors import Refusal
from llm.sandbox.faults import Behaviour
from llm.sandbox.fits import SchemaError
from llm.sandbox.instances import instance
from llm.sandbox.text import counted_words, sentence

_ASKS_FOR_JSON = re.compile(
    r"\b(?:as|in|with|return|reply|respond|answer|output|produce|valid|only)\b[^.\n]{0,40}\bJSON\b", re.IGNORECASE
)
_JSON_WORD = re.compile(r"\bJSON\b", re.IGNORECASE)
_NAMED_KEYS = re.compile(r"\b(?:keys?|fields?|propert(?:y|ies))\b[:\s]+([^.\n{}]{1,400})", re.IGNORECASE)
_KEY = re.compile(r"[\"'`]?\b([A-Za-z_]\w{0,63})\b[\"'`]?")
_NOT_KEYS = {"and", "or", "the", "a", "an", "named", "called", "are", "is", "of", "string", "number", "boolean", "list"}
_YES_OR_NO = {"approved", "valid", "ok", "passed", "safe", "complete"}
_NUMBERS = {"score", "confidence", "rating", "quality"}
_LISTS = {"issues", "tags", "errors", "topics", "suggestions", "recommendations"}
ARGUMENT_CHARACTERS = 200
"""A free string in a tool's arguments quotes at most this much of the prompt."""
_MAX_EXAMPLES = 8


@dataclass(frozen=True)
class Call:
    """One tool call; `arguments` is JSON text, or free text for a custom tool."""

    name: str
    arguments: str
    custom: bool = False


@dataclass(frozen=True)
class Answer:
    """Either text or calls."""

    text: str = ""
    calls: tuple[Call, ...] = ()
    prose: bool = False
    """The text is a sentence, not JSON: further choices may add to it."""


def answer(asked: Conversation, told: Behaviour) -> Answer:
    """What to say. Refusal 400 for a tool choice or schema that cannot be followed."""
    prompt = last_text(asked.turns)
    forced = dictated(told)
    if forced is not None:
        return forced
    calls = _calls(asked, prompt)
    if calls:
        return Answer(calls=calls)
    if asked.shape == "schema":
        return Answer(_instance(asked.schema, sentence(prompt), _hints(prompt), "response_format"))
    instructions = "\n".join(turn.text for turn in asked.turns if turn.role == "system")
    wished = f"{instructions}\n{prompt}"
    if asked.turns[-1].role == "tool":
        return Answer(sentence(prompt) + _results(asked.turns), prose=True)
    if asked.shape == "object" or _ASKS_FOR_JSON.search(wished):
        return Answer(_json(_object(wished, sentence(prompt))))
    return Answer(sentence(prompt), prose=True)


def dictated(told: Behaviour) -> Answer | None:
    """The answer a directive asks for, whatever the prompt says."""
    if told.huge is not None:
        return Answer("x" * told.huge)
    return Answer(counted_words(told.words)) if told.words is not None else None


def last_text(turns: tuple[Turn, ...]) -> str:
    """The text of the user's last turn, or nothing."""
    return next((turn.text for turn in reversed(turns) if turn.role == "user"), "")


def _results(turns: tuple[Turn, ...]) -> str:
    """One sentence for each tool result at the end of the conversation."""
    names = {call.id: call.name for turn in turns for call in turn.calls}
    said: list[str] = []
    for turn in reversed(turns):
        if turn.role != "tool":
            break
        said.append(f" The tool {names.get(turn.call_id, 'you ran')} returned: {turn.text}")
    return "".join(reversed(said))


def _calls(asked: Conversation, prompt: str) -> tuple[Call, ...]:
    tools = [tool for tool in asked.tools if tool.name]
    if asked.choice == "none" or not tools:
        return ()
    if asked.allowed is not None:
        tools = [tool for tool in tools if tool.name in asked.allowed]
        if not tools:
            names = sorted(asked.allowed)
            raise Refusal(400, f"tool_choice names no tool of this request: {names}.", param="tool_choice")
    if asked.choice != "required":
        if asked.turns[-1].role != "user":
            return ()
        tools = [tool for tool in tools if _mentioned(tool.name, prompt)]
    if not asked.parallel or asked.choice == "required":
        tools = tools[:1]
    return tuple(_call(tool, prompt) for tool in tools)


def _mentioned(name: str, prompt: str) -> bool:
    spoken = set(re.findall(r"[a-z0-9]{4,}", prompt.casefold()))
    return name.casefold() in prompt.casefold() or any(
        word in spoken for word in re.findall(r"[a-z0-9]{4,}", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).casefold())
    )


def _call(tool: Tool, prompt: str) -> Call:
    if tool.custom:
        return Call(tool.name, prompt, custom=True)
    schema = tool.schema or {"type": "object", "properties": {}}
    return Call(tool.name, _instance(schema, prompt[:ARGUMENT_CHARACTERS], _hints(prompt), "tools"))


def _instance(schema: dict[str, Any], text: str, hints: dict[str, Any], param: str) -> str:
    """A value for the schema, as JSON."""
    try:
        return _json(instance(schema, text, hints))
    except (SchemaError, TypeError, ValueError, AttributeError, OverflowError, RecursionError) as reason:
        raise Refusal(400, f"The sandbox cannot follow the schema in `{param}`: {reason}.", param=param) from None


def _hints(prompt: str) -> dict[str, Any]:
    """The first JSON object in the prompt."""
    return next(iter(_json_objects(prompt, 0)), {})


def _json_objects(text: str, start: int) -> list[dict[str, Any]]:
    """JSON objects in the text from `start` on; only the first few braces are tried."""
    found: list[dict[str, Any]] = []
    decoder = json.JSONDecoder()
    for _ in range(_MAX_EXAMPLES):
        start = text.find("{", start)
        if start < 0:
            break
        try:
            value, end = decoder.raw_decode(text, start)
            _json(value)  # what cannot be said again (half a surrogate pair, an endless number) is no example
            found.append(value)
            start = end
        except (ValueError, OverflowError, RecursionError):
            start += 1
    return found


def _object(asked: str, said: str) -> dict[str, Any]:
    """An object of the shape shown after the word JSON, else with the keys named, else a short review."""
    words = [word.end() for word in _JSON_WORD.finditer(asked)]
    start = words[-1] if words else 0  # the last one: a document quoted earlier may speak of JSON too
    examples = [example for example in _json_objects(asked, start) if example]
    if examples:
        return {key: _filled(value, said) for key, value in examples[0].items()}
    named = _NAMED_KEYS.search(asked, start)
    keys = [key for key in _KEY.findall(named.group(1)) if key.casefold() not in _NOT_KEYS] if named else []
    return {key: _by_name(key, said) for key in keys or ["summary", "approved", "score", "issues"]}


def _filled(value: Any, said: str) -> Any:
    """An example's value: strings say the sandbox's sentence, or the first of alternatives written `a|b`."""
    if isinstance(value, str):
        return value.split("|")[0].strip() if "|" in value else said
    if isinstance(value, dict):
        return {key: _filled(inner, said) for key, inner in value.items()}
    return value


def _by_name(key: str, said: str) -> Any:
    name = key.casefold()
    if name in _YES_OR_NO or name.startswith(("is_", "has_")):
        return True
    if name in _NUMBERS or name.endswith("_score"):
        return 0.5
    return [] if name in _LISTS else said


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
