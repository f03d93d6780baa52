"""A responses request, from its bytes into the inner language, by the rules of `rules.py`.

Raises InvalidRequest naming the member for what is malformed, and, with the code `unsupported_by_provider`, for what
only a provider with responses of its own can do. Members nobody here knows come with the conversation (`unknown`).
Next file: `items.py`, its input.
"""

from typing import Any

import msgspec

from llm.core.conversation import Conversation, Message, Native, Options, ResponseFormat, Text, Tool, ToolChoice
from llm.core.dialects.openai_responses.items import Input
from llm.core.dialects.openai_responses.known import REQUEST
from llm.core.dialects.openai_responses.rules import REFUSED
from llm.core.dialects.openai_responses.wire import CustomTool, FunctionTool, WireChoice, WireFormat, WireRequest
from llm.core.dialects.seals import OPENAI
from llm.core.dialects.strange import strange
from llm.core.errors import UNSUPPORTED, InvalidRequest
from llm.core.request_json import decoded, taken

Fields = dict[str, Any]
LOGPROBS = "message.output_text.logprobs"
GIVEN = frozenset({LOGPROBS, "reasoning.encrypted_content"})
SEARCHES = ("web_search", "web_search_preview")
SEARCH_OPTIONS = frozenset({"type", "search_context_size", "user_location"})

_request = msgspec.json.Decoder(WireRequest)
_document = msgspec.json.Decoder(Fields)
_OPTIONS = (
    *("temperature", "top_p", "top_logprobs", "parallel_tool_calls", "service_tier", "store", "user"),
    *("safety_identifier", "prompt_cache_key", "metadata"),
)
"""Members that have the same name in the inner language."""


def read(body: bytes) -> Conversation:
    """Raises InvalidRequest."""
    wire, document = decoded(_request, body), decoded(_document, body)
    for name in ("previous_response_id", "conversation", "prompt"):
        if getattr(wire, name) is not None:
            raise InvalidRequest(f"`{name}`: this provider cannot take {REFUSED[name]}.", name, UNSUPPORTED)
    given = Input()
    if wire.instructions:
        given.messages.append(Message("system", (Text(wire.instructions),), place="instructions"))
    given.read(wire.input)
    if not given.messages:
        raise InvalidRequest("`input` must be text or at least one item.", "input")
    tools, search = _tools(wire.tools or [], given.unknown)
    return Conversation(
        model=wire.model,
        messages=tuple(given.messages),
        tools=tools,
        tool_choice=_choice(wire.tool_choice),
        response_format=_format(wire.text.format if wire.text is not None else None),
        options=_options(wire, search),
        stream=bool(wire.stream),
        include_usage=True,
        unknown=tuple(dict.fromkeys([*_unknown(document, wire), *given.unknown])),
    )


def _unknown(document: Fields, wire: WireRequest) -> list[str]:
    found = list(strange(document, REQUEST))
    found += [f"include: {name}" for name in wire.include or () if name not in GIVEN]
    if wire.truncation not in (None, "disabled"):
        found.append("truncation")
    return found


def _tools(tools: list[Fields], unknown: list[str]) -> tuple[tuple[Tool, ...], Fields | None]:
    """The tools, and the options of a web search if one is asked for."""
    found: list[Tool] = []
    search: Fields | None = None
    for number, tool in enumerate(tools):
        where = f"tools[{number}]"
        if tool.get("type") not in SEARCHES or any(name not in SEARCH_OPTIONS for name in _given(tool)):
            made = _tool(tool, where)
            found.append(made if len(found) == number else msgspec.structs.replace(made, place=where))
        elif search is None:
            search = _search(tool, where)
        else:
            unknown.append(where)  # there is one web search
    return tuple(found), search


def _given(tool: Fields) -> list[str]:
    """The members that ask for something: `external_web_access: false` does."""
    return [name for name, value in tool.items() if value not in (None, {}, [])]


def _search(tool: Fields, where: str) -> Fields:
    """As chat's `web_search_options`."""
    options: Fields = {}
    if tool.get("search_context_size"):
        options["search_context_size"] = tool["search_context_size"]
    place = tool.get("user_location")
    if place is not None and not isinstance(place, dict):
        raise InvalidRequest(f"`{where}.user_location` must be an object.", f"{where}.user_location")
    if place:
        near = {name: value for name, value in place.items() if name != "type" and value is not None}
        options["user_location"] = {"type": "approximate", "approximate": near}
    return options


def _tool(given: Fields, where: str) -> Tool:
    kind = given.get("type")
    if not isinstance(kind, str):
        raise InvalidRequest(f"`{where}.type` must be a string.", f"{where}.type")
    if kind == "function":
        function = taken(given, FunctionTool, where)
        return Tool(function.name, function.description, function.parameters, function.strict)
    if kind == "custom":
        custom = taken(given, CustomTool, where)
        return Tool(custom.name, custom.description, custom=_grammar(custom.format or {"type": "text"}))
    return Tool(kind, native=Native(OPENAI, given))


def _grammar(given: Fields) -> Fields:
    """The format of a custom tool as chat nests it."""
    if given.get("type") != "grammar":
        return given
    return {"type": "grammar", "grammar": {name: value for name, value in given.items() if name != "type"}}


def _choice(choice: str | WireChoice | None) -> ToolChoice | None:
    if choice is None:
        return None
    if isinstance(choice, str):
        return ToolChoice("none" if choice == "none" else "required" if choice == "required" else "auto")
    if choice.type == "allowed_tools":
        return ToolChoice(choice.mode, tuple([tool.name or tool.type for tool in choice.tools or ()]))
    if choice.type not in ("function", "custom"):
        raise InvalidRequest(
            f"`tool_choice`: this provider has no tool `{choice.type}` of OpenAI's.", "tool_choice", UNSUPPORTED
        )
    if not choice.name:
        raise InvalidRequest("`tool_choice.name` is required.", "tool_choice.name")
    return ToolChoice("named", (choice.name,))


def _format(given: WireFormat | None) -> ResponseFormat | None:
    if given is None:
        return None
    if given.type != "json_schema":
        return ResponseFormat("json" if given.type == "json_object" else "text")
    if given.schema is None:
        raise InvalidRequest("`text.format.schema` is required.", "text.format.schema")
    return ResponseFormat("schema", given.name, given.description, given.schema, given.strict)


def _options(wire: WireRequest, search: Fields | None) -> Options:
    same: dict[str, Any] = {name: getattr(wire, name) for name in _OPTIONS}
    same["top_logprobs"] = wire.top_logprobs or None
    return Options(
        **same,
        max_tokens=wire.max_output_tokens,
        logprobs=True if wire.top_logprobs or LOGPROBS in (wire.include or ()) else None,
        reasoning_effort=wire.reasoning.effort if wire.reasoning is not None else None,
        verbosity=wire.text.verbosity if wire.text is not None else None,
        web_search_options=search,
    )
