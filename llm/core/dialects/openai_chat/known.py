"""The members of a chat request that `reading.py` reads, made of `wire.py`'s Structs, for `../strange.py`.

Next file: `reading.py`.
"""

from llm.core.dialects.openai_chat.wire import (
    AllowedTools,
    CalledCustom,
    CalledFunction,
    FileReference,
    ImageUrl,
    InputAudio,
    JsonSchema,
    NamedTool,
    ReasoningDetail,
    ToolReference,
    WireCache,
    WireCustomTool,
    WireFormat,
    WireFunction,
    WireMessage,
    WireRequest,
    WireStreamOptions,
    WireTool,
    WireToolCall,
    WireToolChoice,
)
from llm.core.dialects.signatures import ExtraContent, GoogleExtra
from llm.core.dialects.strange import Known, Partly, of

CACHE = of(WireCache)
EXTRA = of(ExtraContent, google=of(GoogleExtra))
PART = Known(
    *("type", "text", "refusal"),
    image_url=of(ImageUrl),
    input_audio=of(InputAudio),
    file=of(FileReference),
    cache_control=CACHE,
)
CALL = of(WireToolCall, function=of(CalledFunction), custom=of(CalledCustom), extra_content=EXTRA)
MESSAGE = of(WireMessage, content=PART, tool_calls=CALL, reasoning_details=of(ReasoningDetail), extra_content=EXTRA)
NAMED = of(NamedTool)
REQUEST = of(
    WireRequest,
    circuit_breaker=Partly(),
    messages=MESSAGE,
    tools=of(WireTool, function=of(WireFunction), custom=of(WireCustomTool), cache_control=CACHE),
    tool_choice=of(
        WireToolChoice,
        function=NAMED,
        custom=NAMED,
        allowed_tools=of(AllowedTools, tools=of(ToolReference, function=NAMED, custom=NAMED)),
    ),
    response_format=of(WireFormat, json_schema=of(JsonSchema)),
    stream_options=of(WireStreamOptions),
    audio=Known("voice", "format"),
    web_search_options=Known("search_context_size", user_location=Known("type", "approximate")),
    usage=Known("include"),
)
