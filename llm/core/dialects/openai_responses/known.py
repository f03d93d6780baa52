"""The members of a responses request that are read, made of `wire.py`'s Structs, for `../strange.py`.

Kinds of items and tools that stay `Native`, and web searches, which are read whole, are not here. What is known and yet
has no place (a picture given twice, log probabilities of an earlier answer) is named by `items.py`. Next file:
`reading.py`.
"""

import msgspec

from llm.core.dialects.openai_responses.wire import (
    AudioPart,
    Call,
    CustomCall,
    CustomTool,
    FilePart,
    FunctionTool,
    ImagePart,
    MessageItem,
    Named,
    ReasoningItem,
    RefusalPart,
    Result,
    Sound,
    StreamOptions,
    TextPart,
    Told,
    UrlCitation,
    WireChoice,
    WireFormat,
    WireReasoning,
    WireRequest,
    WireText,
)
from llm.core.dialects.signatures import ExtraContent, GoogleExtra
from llm.core.dialects.strange import ByType, Known, Partly, Shape, of

BESIDE = ("type", "id", "status", "phase", "caller")
"""Members of an item that say nothing to another provider: see `rules.CHANGED`."""
EXTRA = of(ExtraContent, google=of(GoogleExtra))
TOLD = of(Told, "type")
TEXT = of(TextPart, "type", annotations=ByType({"url_citation": of(UrlCitation, "type")}), extra_content=EXTRA)
PARTS = ByType(
    {
        **dict.fromkeys(("input_text", "output_text", "text"), TEXT),
        "refusal": of(RefusalPart, "type"),
        "input_image": of(ImagePart, "type"),
        "input_file": of(FilePart, "type"),
        "input_audio": of(AudioPart, "type", input_audio=of(Sound)),
    }
)


def _item(struct: type[msgspec.Struct], **nested: Shape) -> Known:
    return of(struct, *BESIDE, **nested)


ITEMS = ByType(
    {
        "message": _item(MessageItem, content=PARTS),
        "function_call": _item(Call, extra_content=EXTRA),
        "custom_tool_call": _item(CustomCall),
        **dict.fromkeys(("function_call_output", "custom_tool_call_output"), _item(Result, output=PARTS)),
        "reasoning": _item(ReasoningItem, summary=TOLD, content=TOLD),
    },
    "message",
)
TOOLS = ByType({"function": of(FunctionTool, "type"), "custom": of(CustomTool, "type")})
CHOICES = ByType(
    {
        **dict.fromkeys(("function", "custom"), of(Named)),
        "allowed_tools": of(WireChoice, tools=of(Named)),
    }
)
FORMATS = ByType(
    {**dict.fromkeys(("text", "json_object"), Known("type")), "json_schema": of(WireFormat)},
    "text",
)
REQUEST = of(
    WireRequest,
    "background",  # refused where it asks for something: `../../operations/responses.py`
    circuit_breaker=Partly(),
    usage=Known("include"),
    input=ITEMS,
    tools=TOOLS,
    tool_choice=CHOICES,
    text=of(WireText, format=FORMATS),
    reasoning=of(WireReasoning),
    stream_options=of(StreamOptions),
)
