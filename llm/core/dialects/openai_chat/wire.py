"""OpenAI's chat completions request as Structs, as far as the inner language reads it.

Each Struct lists every field we read; `reading.py` reports the others by name. Beside OpenAI's own fields these are
read, because no other place exists for what they say: `reasoning_content` (DeepSeek, vLLM), `reasoning_details`
(OpenRouter), `cache_control` on parts and tools (OpenRouter), `extra_content.google.thought_signature` (Gemini's
OpenAI-compatible endpoint), `top_k`. Source: https://platform.openai.com/docs/api-reference/chat/create.
Next file: `known.py`.
"""

from typing import Any, Literal

import msgspec

from llm.core.dialects.signatures import ExtraContent


class WireCache(msgspec.Struct):
    type: str = "ephemeral"
    ttl: str | None = None


class WireText(msgspec.Struct, tag="text", tag_field="type"):
    text: str
    cache_control: WireCache | None = None


class ImageUrl(msgspec.Struct):
    url: str
    detail: str | None = None


class WireImage(msgspec.Struct, tag="image_url", tag_field="type"):
    image_url: ImageUrl
    cache_control: WireCache | None = None


class InputAudio(msgspec.Struct):
    data: str
    format: str


class WireAudio(msgspec.Struct, tag="input_audio", tag_field="type"):
    input_audio: InputAudio


class FileReference(msgspec.Struct):
    file_data: str | None = None
    file_id: str | None = None
    filename: str | None = None


class WireFile(msgspec.Struct, tag="file", tag_field="type"):
    file: FileReference
    cache_control: WireCache | None = None


class WireRefusal(msgspec.Struct, tag="refusal", tag_field="type"):
    refusal: str


WirePart = WireText | WireImage | WireAudio | WireFile | WireRefusal


class CalledFunction(msgspec.Struct):
    name: str
    arguments: str = ""


class CalledCustom(msgspec.Struct):
    name: str
    input: str = ""


class WireToolCall(msgspec.Struct):
    id: str
    type: Literal["function", "custom"] = "function"
    function: CalledFunction | None = None
    custom: CalledCustom | None = None
    extra_content: ExtraContent | None = None
    index: int | None = None
    """Of a stream, echoed by some clients; means nothing here."""


class ReasoningDetail(msgspec.Struct):
    type: str
    text: str | None = None
    signature: str | None = None
    data: str | None = None
    summary: str | None = None
    id: str | None = None
    format: str | None = None
    index: int | None = None


class AudioReference(msgspec.Struct):
    id: str


class WireMessage(msgspec.Struct):
    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[WirePart] | None = None
    name: str | None = None
    tool_calls: list[WireToolCall] | None = None
    tool_call_id: str | None = None
    refusal: str | None = None
    audio: AudioReference | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    reasoning_details: list[ReasoningDetail] | None = None
    extra_content: ExtraContent | None = None


class WireFunction(msgspec.Struct):
    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class WireCustomTool(msgspec.Struct):
    name: str
    description: str | None = None
    format: dict[str, Any] | None = None


class WireTool(msgspec.Struct):
    type: Literal["function", "custom"]
    function: WireFunction | None = None
    custom: WireCustomTool | None = None
    cache_control: WireCache | None = None


class NamedTool(msgspec.Struct):
    name: str


class ToolReference(msgspec.Struct):
    type: str = "function"
    function: NamedTool | None = None
    custom: NamedTool | None = None


class AllowedTools(msgspec.Struct):
    mode: Literal["auto", "required"]
    tools: list[ToolReference]


class WireToolChoice(msgspec.Struct):
    type: Literal["function", "custom", "allowed_tools"]
    function: NamedTool | None = None
    custom: NamedTool | None = None
    allowed_tools: AllowedTools | None = None


class JsonSchema(msgspec.Struct):
    name: str
    description: str | None = None
    schema: dict[str, Any] | None = None
    strict: bool | None = None


class WireFormat(msgspec.Struct):
    type: Literal["text", "json_object", "json_schema"]
    json_schema: JsonSchema | None = None


class WireStreamOptions(msgspec.Struct):
    include_usage: bool | None = None
    include_obfuscation: bool | None = None
    """Padding against traffic analysis; only OpenAI itself makes it."""


class WireRequest(msgspec.Struct):
    model: str
    messages: list[WireMessage]
    tools: list[WireTool] | None = None
    tool_choice: Literal["auto", "none", "required"] | WireToolChoice | None = None
    response_format: WireFormat | None = None
    stream: bool | None = None
    stream_options: WireStreamOptions | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    stop: str | list[str] | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    n: int | None = None
    seed: int | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    logit_bias: dict[str, float] | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    parallel_tool_calls: bool | None = None
    reasoning_effort: Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"] | None = None
    verbosity: str | None = None
    modalities: list[str] | None = None
    audio: dict[str, Any] | None = None
    prediction: dict[str, Any] | None = None
    web_search_options: dict[str, Any] | None = None
    service_tier: str | None = None
    store: bool | None = None
    user: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None
    metadata: dict[str, str] | None = None
