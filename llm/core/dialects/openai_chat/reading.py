"""An OpenAI chat completions request, from its bytes into the inner language.

Raises InvalidRequest naming the parameter for what is malformed or contradicts itself. Members nobody here knows are
not lost in silence: their names come with the conversation (`unknown`), and whoever encodes it reports them. The
`circuit_breaker` member is the router's (`llm/core/options.py`) and passes by. Next file: `writing.py`, replies.
"""

from collections.abc import Iterator
from typing import Any

import msgspec

from llm.core.conversation import (
    Audio,
    CacheControl,
    Conversation,
    File,
    Image,
    Message,
    Options,
    Part,
    Refusal,
    ResponseFormat,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from llm.core.dialects import openai_media
from llm.core.dialects.openai_chat.known import REQUEST
from llm.core.dialects.openai_chat.wire import (
    WireAudio,
    WireCache,
    WireFile,
    WireFormat,
    WireFunction,
    WireImage,
    WireMessage,
    WirePart,
    WireRefusal,
    WireRequest,
    WireText,
    WireTool,
    WireToolCall,
    WireToolChoice,
)
from llm.core.dialects.signatures import signature_of
from llm.core.dialects.strange import strange
from llm.core.errors import UNSUPPORTED, InvalidRequest
from llm.core.request_json import decoded

_request = msgspec.json.Decoder(WireRequest)
_document = msgspec.json.Decoder(dict[str, Any])


def read(body: bytes) -> Conversation:
    """Raises InvalidRequest."""
    wire, document = decoded(_request, body), decoded(_document, body)
    if not wire.messages:
        raise InvalidRequest("`messages` must hold at least one message.", "messages")
    return Conversation(
        model=wire.model,
        messages=tuple([_message(message, index) for index, message in enumerate(wire.messages)]),
        tools=tuple([_tool(tool, index) for index, tool in enumerate(wire.tools or ())]),
        tool_choice=_tool_choice(wire.tool_choice),
        response_format=_response_format(wire.response_format),
        options=_options(wire),
        stream=bool(wire.stream),
        include_usage=wire.stream_options is not None and bool(wire.stream_options.include_usage),
        unknown=tuple(dict.fromkeys(strange(document, REQUEST))),
    )


def _message(message: WireMessage, index: int) -> Message:
    where = f"messages[{index}]"
    if message.role == "tool":
        if not message.tool_call_id:
            raise InvalidRequest(f"`{where}.tool_call_id` is required in a tool message.", f"{where}.tool_call_id")
        content = _content(message, where)
        results = [part for part in content if isinstance(part, Text | Image | File)]
        if len(results) < len(content):
            raise InvalidRequest(
                f"`{where}.content`: a tool may answer with text, images and files.", f"{where}.content", UNSUPPORTED
            )
        return Message("tool", (ToolResult(message.tool_call_id, tuple(results)),), message.name)
    parts: list[Part] = list(_reasoning(message))
    parts.extend(_content(message, where))
    if message.refusal:
        parts.append(Refusal(message.refusal))
    if message.audio is not None:
        parts.append(Audio(id=message.audio.id))
    for number, call in enumerate(message.tool_calls or ()):
        parts.append(_tool_call(call, f"{where}.tool_calls[{number}]"))
    return Message(message.role, tuple(parts), message.name)


def _reasoning(message: WireMessage) -> Iterator[Thinking]:
    """`reasoning_details` says all that `reasoning_content` does, and more: only one of them is read."""
    if message.reasoning_details:
        for detail in message.reasoning_details:
            if detail.data is not None:
                shown = detail.text or detail.summary or ""
                yield Thinking(shown, redacted=detail.data, id=detail.id, origin=detail.format)
            else:
                yield Thinking(
                    detail.text or detail.summary or "", detail.signature, id=detail.id, origin=detail.format
                )
    elif message.reasoning_content or message.reasoning:
        yield Thinking(message.reasoning_content or message.reasoning or "")


def _content(message: WireMessage, where: str) -> list[Part]:
    content = message.content
    if content is None:
        return []
    if isinstance(content, str):
        return [Text(content, signature=signature_of(message.extra_content))]
    return [_part(part, f"{where}.content[{number}]") for number, part in enumerate(content)]


def _part(part: WirePart, where: str) -> Part:
    if isinstance(part, WireText):
        return Text(part.text, cache=_cache(part.cache_control))
    if isinstance(part, WireImage):
        given, cache = part.image_url, _cache(part.cache_control)
        return openai_media.image(given.url, given.detail, f"{where}.image_url.url", cache)
    if isinstance(part, WireAudio):
        return Audio(part.input_audio.data, part.input_audio.format)
    if isinstance(part, WireRefusal):
        return Refusal(part.refusal)
    return _file(part, where)


def _file(part: WireFile, where: str) -> File:
    given, cache = part.file, _cache(part.cache_control)
    if given.file_id is not None:
        return File(id=given.file_id, name=given.filename, cache=cache)
    if given.file_data is None:
        raise InvalidRequest(f"`{where}.file` must hold `file_data` or `file_id`.", f"{where}.file")
    return openai_media.file(given.file_data, given.filename, f"{where}.file.file_data", cache)


def _tool_call(call: WireToolCall, where: str) -> ToolCall:
    if call.type == "custom" and call.custom is not None:
        return ToolCall(call.id, call.custom.name, call.custom.input, custom=True)
    if call.function is None:
        raise InvalidRequest(f"`{where}.{call.type}` is required.", f"{where}.{call.type}")
    arguments = call.function.arguments.strip() or "{}"
    return ToolCall(call.id, call.function.name, arguments, signature=signature_of(call.extra_content))


def _tool(tool: WireTool, index: int) -> Tool:
    if tool.type == "custom" and tool.custom is not None:
        return Tool(tool.custom.name, tool.custom.description, custom=tool.custom.format or {"type": "text"})
    function: WireFunction | None = tool.function
    if function is None:
        raise InvalidRequest(f"`tools[{index}].{tool.type}` is required.", f"tools[{index}].{tool.type}")
    return Tool(
        function.name, function.description, function.parameters, function.strict, cache=_cache(tool.cache_control)
    )


def _tool_choice(choice: str | WireToolChoice | None) -> ToolChoice | None:
    if choice is None:
        return None
    if isinstance(choice, str):
        return ToolChoice("none" if choice == "none" else "required" if choice == "required" else "auto")
    if choice.allowed_tools is not None:
        named = [tool.function or tool.custom for tool in choice.allowed_tools.tools]
        return ToolChoice(choice.allowed_tools.mode, tuple([name.name for name in named if name is not None]))
    chosen = choice.function or choice.custom
    if chosen is None:
        raise InvalidRequest(f"`tool_choice.{choice.type}` is required.", f"tool_choice.{choice.type}")
    return ToolChoice("named", (chosen.name,))


def _response_format(given: WireFormat | None) -> ResponseFormat | None:
    if given is None:
        return None
    if given.type != "json_schema":
        return ResponseFormat("json" if given.type == "json_object" else "text")
    schema = given.json_schema
    if schema is None:
        raise InvalidRequest("`response_format.json_schema` is required.", "response_format.json_schema")
    return ResponseFormat("schema", schema.name, schema.description, schema.schema, schema.strict)


def _options(wire: WireRequest) -> Options:
    return Options(
        temperature=wire.temperature,
        top_p=wire.top_p,
        top_k=wire.top_k,
        max_tokens=wire.max_completion_tokens if wire.max_completion_tokens is not None else wire.max_tokens,
        stop=(wire.stop,) if isinstance(wire.stop, str) else tuple(wire.stop or ()),
        n=wire.n,
        seed=wire.seed,
        frequency_penalty=wire.frequency_penalty,
        presence_penalty=wire.presence_penalty,
        logit_bias=wire.logit_bias,
        logprobs=wire.logprobs,
        top_logprobs=wire.top_logprobs,
        parallel_tool_calls=wire.parallel_tool_calls,
        reasoning_effort=wire.reasoning_effort,
        verbosity=wire.verbosity,
        modalities=tuple(wire.modalities or ()),
        audio=wire.audio,
        prediction=wire.prediction,
        web_search_options=wire.web_search_options,
        service_tier=wire.service_tier,
        store=wire.store,
        user=wire.user,
        safety_identifier=wire.safety_identifier,
        prompt_cache_key=wire.prompt_cache_key,
        metadata=wire.metadata,
    )


def _cache(given: WireCache | None) -> CacheControl | None:
    return None if given is None else CacheControl(given.ttl)
