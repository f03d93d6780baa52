"""A responses request as OpenAI documents it: the members that are read, and the parts of its items; and the answer.

Each Struct lists every member that is read; `known.py` names the others.
Source: https://platform.openai.com/docs/api-reference/responses. Next file: `known.py`.
"""

from typing import Any, Literal

import msgspec
from msgspec import Raw

from llm.core.conversation import Effort
from llm.core.dialects.signatures import ExtraContent

Fields = dict[str, Any]


class MessageItem(msgspec.Struct):
    role: str
    content: str | list[Fields]


class Call(msgspec.Struct):
    call_id: str
    name: str
    arguments: str
    extra_content: ExtraContent | None = None
    """Gemini's signature, as other OpenAI-compatible servers write it."""


class CustomCall(msgspec.Struct):
    call_id: str
    name: str
    input: str


class Result(msgspec.Struct):
    call_id: str
    output: str | list[Fields]


class Told(msgspec.Struct):
    text: str


class ReasoningItem(msgspec.Struct):
    summary: list[Told] = []
    content: list[Told] | None = None
    encrypted_content: str | None = None


class UrlCitation(msgspec.Struct):
    """Sources of other kinds are named as dropped. `quote` and `source` are ours: see `answer.py`."""

    url: str | None = None
    title: str | None = None
    start_index: int | None = None
    end_index: int | None = None
    quote: str | None = None
    source: Fields | None = None


class TextPart(msgspec.Struct):
    text: str
    annotations: list[Fields] | None = None
    logprobs: list[Fields] | None = None
    """Of an earlier answer: nobody takes them back, so they are named as dropped."""
    extra_content: ExtraContent | None = None


class RefusalPart(msgspec.Struct):
    refusal: str


class ImagePart(msgspec.Struct):
    image_url: str | None = None
    file_id: str | None = None
    detail: str | None = None


class FilePart(msgspec.Struct):
    file_data: str | None = None
    file_url: str | None = None
    file_id: str | None = None
    filename: str | None = None


class Sound(msgspec.Struct):
    data: str
    format: str


class AudioPart(msgspec.Struct):
    input_audio: Sound


class FunctionTool(msgspec.Struct):
    name: str
    description: str | None = None
    parameters: Fields | None = None
    strict: bool | None = None


class CustomTool(msgspec.Struct):
    name: str
    description: str | None = None
    format: Fields | None = None


class Named(msgspec.Struct):
    type: str
    name: str | None = None


class WireChoice(msgspec.Struct):
    type: str
    name: str | None = None
    mode: Literal["auto", "required"] = "auto"
    tools: list[Named] | None = None


class WireFormat(msgspec.Struct):
    type: Literal["text", "json_object", "json_schema"] = "text"
    name: str | None = None
    description: str | None = None
    schema: Fields | None = None
    strict: bool | None = None


class WireText(msgspec.Struct):
    format: WireFormat | None = None
    verbosity: str | None = None


class WireReasoning(msgspec.Struct):
    effort: Effort | None = None
    summary: str | None = None
    generate_summary: str | None = None


class StreamOptions(msgspec.Struct):
    include_obfuscation: bool | None = None
    """Padding against traffic analysis; only OpenAI itself makes it."""


class WireRequest(msgspec.Struct):
    model: str
    input: str | list[Fields] = []
    instructions: str | None = None
    previous_response_id: str | None = None
    conversation: Any = None
    prompt: Any = None
    include: list[str] | None = None
    tools: list[Fields] | None = None
    tool_choice: Literal["auto", "none", "required"] | WireChoice | None = None
    text: WireText | None = None
    reasoning: WireReasoning | None = None
    truncation: str | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_output_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_logprobs: int | None = None
    parallel_tool_calls: bool | None = None
    service_tier: str | None = None
    store: bool | None = None
    user: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None
    metadata: dict[str, str] | None = None


class WireResponse(msgspec.Struct):
    output: list[Fields]
    id: str = ""
    model: str = ""
    status: str = "completed"
    incomplete_details: Fields | None = None
    error: Fields | None = None
    usage: Raw = Raw()


class Event(msgspec.Struct):
    """What is read of any event; some servers send an error without a type, as chat does."""

    type: str = ""
    error: Any = None
    response: Raw = Raw()
    output_index: int = 0
    content_index: int = 0
    summary_index: int = 0
    item: Fields | None = None
    delta: Any = None
    annotation: Fields | None = None
    logprobs: list[Fields] | None = None
