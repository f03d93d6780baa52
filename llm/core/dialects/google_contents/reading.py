"""A generateContent request, from its bytes into the inner language.

Names may be written as in JSON (`systemInstruction`) or as in Google's Python (`system_instruction`). `model` and
`stream` stand in the address; the door has put them into the body (`../../operations/contents.py`). Raises
InvalidRequest naming the field. Next file: `turns.py`.
"""

import re
from typing import Any

import msgspec

from llm.core.conversation import Conversation, Effort, Message, Native, Options, ResponseFormat, Text, Tool, ToolChoice
from llm.core.dialects.client_names import CONTENTS
from llm.core.dialects.google_contents.known import REQUEST
from llm.core.dialects.google_contents.schemas import json_schema
from llm.core.dialects.google_contents.turns import Contents
from llm.core.dialects.strange import strange
from llm.core.errors import UNSUPPORTED, InvalidRequest
from llm.core.request_json import decoded

Fields = dict[str, Any]
FREE = frozenset(
    {"args", "response", "parameters", "parametersJsonSchema", "responseSchema", "responseJsonSchema", "labels"}
)
"""What is in them is the client's own."""
KNOWN = frozenset({"contents", "systemInstruction", "tools", "toolConfig", "generationConfig", "model", "stream"})
OURS = frozenset({"circuit_breaker", "circuitBreaker", "usage", "user"})
NUMBERS = {
    "temperature": "temperature",
    "topP": "top_p",
    "topK": "top_k",
    "maxOutputTokens": "max_tokens",
    "candidateCount": "n",
    "seed": "seed",
    "presencePenalty": "presence_penalty",
    "frequencyPenalty": "frequency_penalty",
    "responseLogprobs": "logprobs",
    "logprobs": "top_logprobs",
}
SHAPED = ("responseMimeType", "responseSchema", "responseJsonSchema")
OTHERS = frozenset({*SHAPED, "stopSequences", "thinkingConfig", "responseModalities"})
LEVELS: dict[str, Effort] = {"MINIMAL": "minimal", "LOW": "low", "MEDIUM": "medium", "HIGH": "high"}
MODES = {"AUTO": "auto", "NONE": "none", "ANY": "required", "VALIDATED": "auto"}
_document = msgspec.json.Decoder(Fields)


def read(body: bytes) -> Conversation:
    """Raises InvalidRequest."""
    wire = _camel(decoded(_document, body))
    if wire.get("cachedContent"):
        raise InvalidRequest(
            "`cachedContent` is kept at Google; this provider cannot take it.", "cachedContent", UNSUPPORTED
        )
    unknown = [name for name, value in wire.items() if name not in KNOWN and name not in OURS and value is not None]
    given = Contents()
    config: Fields = wire.get("generationConfig") or {}
    looking_at = "systemInstruction"
    try:
        system = _system(wire, given)
        looking_at = "contents"
        messages = [*system, *_messages(wire, given)]
        looking_at = "tools"
        tools, searches = _tools(wire.get("tools") or [])
        looking_at = "generationConfig"
        options, format_ = _options(config, searches, unknown), _format(config)
        looking_at = "toolConfig"
        choice = _choice(wire.get("toolConfig") or {})
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InvalidRequest(f"`{looking_at}`: it is not as Gemini documents it ({error}).", looking_at) from None
    return Conversation(
        model=wire["model"],
        messages=tuple(messages),
        tools=tools,
        tool_choice=choice,
        response_format=format_,
        options=options,
        stream=bool(wire.get("stream")),
        include_usage=True,
        unknown=tuple(dict.fromkeys((*unknown, *strange(wire, REQUEST)))),
    )


def _camel(given: Any) -> Any:
    if isinstance(given, list):
        return [_camel(one) for one in given]
    if not isinstance(given, dict):
        return given
    found: Fields = {}
    for name, value in given.items():
        first, *rest = name.split("_") if name not in OURS else (name,)
        key = first + "".join([word.capitalize() for word in rest])
        found[key] = value if key in FREE else _camel(value)
    return found


def _system(wire: Fields, given: Contents) -> list[Message]:
    instruction = wire.get("systemInstruction")
    if not instruction:
        return []
    parts = [Text(instruction)] if isinstance(instruction, str) else given.parts(instruction, "systemInstruction")
    if not all(isinstance(part, Text) for part in parts):
        raise InvalidRequest("`systemInstruction` must be text.", "systemInstruction")
    return [Message("system", tuple(parts), place="systemInstruction")]


def _messages(wire: Fields, given: Contents) -> list[Message]:
    contents = wire.get("contents")
    if not isinstance(contents, list) or not contents:
        raise InvalidRequest("`contents` must hold at least one content.", "contents")
    return [given.message(content, f"contents[{number}]") for number, content in enumerate(contents)]


def _tools(given: list[Fields]) -> tuple[tuple[Tool, ...], bool]:
    """The tools, and whether Google's search is among them."""
    found: list[Tool] = []
    searches = False
    for number, tool in enumerate(given):
        for kind, value in tool.items():
            where = f"tools[{number}].{kind}"
            if kind == "functionDeclarations":
                found.extend([_function(one, f"{where}[{place}]") for place, one in enumerate(value)])
            elif kind == "googleSearch" and not value:
                searches = True
            elif value is not None:
                found.append(Tool(kind, native=Native("google", {kind: value}), place=where))
    return tuple(found), searches


def _function(given: Fields, where: str) -> Tool:
    schema, name = given.get("parametersJsonSchema"), given["name"]
    if schema is None and given.get("parameters") is not None:
        schema = json_schema(given["parameters"])
    if not isinstance(name, str) or not isinstance(schema, dict | None):
        raise InvalidRequest(f"`{where}`: a name is text, a schema an object.", where)
    return Tool(name, given.get("description"), schema, place=where)


def _choice(config: Fields) -> ToolChoice | None:
    calling = config.get("functionCallingConfig") or {}
    mode = MODES.get(calling.get("mode") or "")
    if mode is None:
        return None
    names = tuple(calling.get("allowedFunctionNames") or ())
    if mode == "required" and len(names) == 1:
        return ToolChoice("named", names)
    return ToolChoice(mode, names)  # type: ignore[arg-type]


def _format(config: Fields) -> ResponseFormat | None:
    kind = config.get("responseMimeType")
    schema = config.get("responseJsonSchema")
    if schema is None and config.get("responseSchema") is not None:
        schema = json_schema(config["responseSchema"])
    if kind in (None, "text/plain"):
        return None
    if kind not in ("application/json", "text/x.enum"):
        raise InvalidRequest(
            f"`generationConfig.responseMimeType`: {kind} is not offered here.",
            "generationConfig.responseMimeType",
            UNSUPPORTED,
        )
    return ResponseFormat("json") if schema is None else ResponseFormat("schema", "answer", None, schema)


def _options(config: Fields, searches: bool, unknown: list[str]) -> Options:
    known = NUMBERS.keys() | OTHERS
    unknown += [f"generationConfig.{name}" for name, value in config.items() if name not in known and value is not None]
    thinking = config.get("thinkingConfig") or {}
    budget = thinking.get("thinkingBudget")
    modalities = tuple([kind.lower() for kind in config.get("responseModalities") or ()])
    given = {
        **{ours: config[theirs] for theirs, ours in NUMBERS.items() if config.get(theirs) is not None},
        "stop": config.get("stopSequences") or (),
        "reasoning_effort": LEVELS.get(str(thinking.get("thinkingLevel", "")).upper()),
        "thinking_budget": budget if budget is not None and budget >= 0 else None,
        "modalities": () if modalities == ("text",) else modalities,
        "web_search_options": {} if searches else None,
    }
    try:
        return msgspec.convert(given, Options)  # looks at the type of every value
    except msgspec.ValidationError as error:
        said, _, place = str(error).partition(" - at `$.")
        where = CONTENTS.of(re.split(r"[`.\[]", place)[0])
        raise InvalidRequest(f"`{where}`: {said[:1].lower()}{said[1:]}.", where) from None
