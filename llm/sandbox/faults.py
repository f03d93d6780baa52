"""How a request says in which way the sandbox shall fail: directives, written like a URL's query string.

They follow the model's name (`sandbox?status=503&retry-after=2`) or stand in the header `x-sandbox-fault`
(`status=503&retry-after=2`), which wins where both name one. `docs/how-to/sandbox.md` lists them with examples.
Unknown names and impossible values are refused, never ignored. This file only reads them; `replies.py` plays them.
"""

from typing import Annotated, Literal
from urllib.parse import parse_qsl

import msgspec

from llm.sandbox.errors import Refusal

Seconds = Annotated[float, msgspec.Meta(ge=0, le=3600)]
Count = Annotated[int, msgspec.Meta(ge=0, le=1_000_000)]
Place = Literal["before"] | Annotated[int, msgspec.Meta(ge=0, le=1_000_000_000)]
"""`before`: not one byte is sent. A number: after so many events of a stream, or body bytes of a whole reply."""

HEADER = "x-sandbox-fault"


class Behaviour(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="kebab"):
    """All directives. The defaults are a provider in good health that answers at once."""

    status: Annotated[int, msgspec.Meta(ge=400, le=599)] | None = None
    """Answer with this error instead."""
    retry_after: Seconds | None = None
    """With `status`: a Retry-After header."""
    html: bool = False
    """With `status`: an HTML page as a proxy in between would send, instead of OpenAI's error object."""
    delay: Seconds = 0.0
    """Wait before the first byte."""
    rate: Annotated[float, msgspec.Meta(gt=0, le=1_000_000)] | None = None
    """Stream at most so many events per second."""
    hang: Place | None = None
    """Stop sending there, and keep the connection open."""
    cut: Place | None = None
    """Close the connection there."""
    malformed: Count | None = None
    """The event with this number (from 0) is not JSON; a whole reply then is not JSON either."""
    error: Count | None = None
    """After so many events of a stream: an error object in band, then the end."""
    failed: Count | None = None
    """Of the responses API: after so many events `response.failed`; a whole reply has the status `failed`."""
    interleave: bool = False
    """The arguments of several tool calls are streamed in turns instead of call by call."""
    done: bool = True
    """`done=0`: the stream ends without its last word, `[DONE]` or `response.completed`."""
    split: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] | None = None
    """Write at most so many bytes at once, so that events arrive in parts."""
    drip: Seconds = 0.0
    """Pause between such writes (one byte each unless `split` says otherwise)."""
    usage: Literal["right", "none", "wrong"] = "right"
    """`none`: leave usage out, even if asked for. `wrong`: ten times too much."""
    cached: Count = 0
    """So many of the prompt's tokens are said to come from a cache."""
    reasoning: Count = 0
    """So many hidden reasoning tokens are added to the completion."""
    words: Annotated[int, msgspec.Meta(ge=0, le=100_000)] | None = None
    """The answer is so many numbered words."""
    huge: Annotated[int, msgspec.Meta(ge=1, le=64 * 1024 * 1024)] | None = None
    """The answer is so many bytes long."""
    finish: Literal["stop", "length", "content_filter"] | None = None
    """Say this finish reason."""
    blocked: bool = False
    """Of Gemini and Azure: the prompt is refused by a content filter, in each one's own way."""
    ids: bool = True
    """`ids=0`, of Gemini: function calls have no id."""


HEALTHY = Behaviour()


def split_model(model: str) -> tuple[str, str]:
    """`gpt-4?cut=3` → (`gpt-4`, `cut=3`)."""
    name, _, directives = model.partition("?")
    return name, directives


def read_directives(*sources: str) -> Behaviour:
    """The directives of all sources together; a later source wins. Refusal 400 names what is wrong."""
    found: dict[str, str] = {}
    for source in sources:
        found.update(_pairs(source))
    if not found:
        return HEALTHY
    try:
        return msgspec.convert(found, Behaviour, strict=False)
    except msgspec.ValidationError as reason:
        raise Refusal(400, f"The sandbox does not know this directive: {reason}. {_known()}", param="model") from None


def _pairs(source: str) -> dict[str, str]:
    if not source:
        return {}
    try:
        pairs = parse_qsl(source, keep_blank_values=True, strict_parsing=True, max_num_fields=32)
    except ValueError:
        raise Refusal(400, f"The sandbox cannot read {source!r} as directives. {_known()}", param="model") from None
    names = [name for name, _ in pairs]
    if len(set(names)) < len(names):
        raise Refusal(400, f"A directive is given twice in {source!r}.", param="model")
    return dict(pairs)


def _known() -> str:
    names = ", ".join(field.encode_name for field in msgspec.structs.fields(Behaviour))
    return f"Write them like `sandbox?status=503&retry-after=2`. Known: {names}."
