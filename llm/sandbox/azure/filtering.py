"""What Azure does besides OpenAI's wire: the model in the path, content filter results, a refusal by the filter.

A stream begins with a chunk without choices that tells the prompt's results. The replies are OpenAI's, made in
`llm/sandbox/openai`, with members added. Source: https://learn.microsoft.com/azure/ai-foundry/openai/concepts/content-filter
"""

from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, unquote

import msgspec

from llm.sandbox.errors import Refusal
from llm.sandbox.faults import Behaviour
from llm.sandbox.openai.chat import DONE
from llm.sandbox.wire import Asked, Operation, Said

_SAFE = {kind: {"filtered": False, "severity": "safe"} for kind in ("hate", "self_harm", "sexual", "violence")}
_UNSAFE = {**_SAFE, "violence": {"filtered": True, "severity": "high"}}
_BLOCKED = "The response was filtered due to the prompt triggering Azure OpenAI's content management policy."
_START = b"data: "


def deployed(operation: Operation) -> Operation:
    """The same with the deployment's name as its model, whatever the body says, and `api-version` required."""

    def read(asked: Asked) -> Any:
        if "api-version" not in parse_qs(asked.query):
            raise Refusal(404, "Resource not found: the query lacks `api-version`.", code="404")
        name = unquote(asked.path.removeprefix("/openai/deployments/").partition("/")[0])
        return operation.read(replace(asked, body=_named(asked.body, name)))

    return replace(operation, read=read)


def _named(body: bytes, name: str) -> bytes:
    """The body with this model; one that is no object is left for the reader to refuse."""
    try:
        given = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return body
    return msgspec.json.encode({**given, "model": name})


def filtered(chat: Operation) -> Operation:
    """Chat with the filter's results."""

    def say(request: Any, asked: Asked, name: str, told: Behaviour) -> Said:
        if told.blocked:
            raise Refusal(400, _BLOCKED, param="prompt", code="content_filter")
        said = chat.say(request, asked, name, told)
        if not said.streamed:
            return replace(said, parts=[_with_results(said.parts[0], whole=True)])
        first = {"id": "", "object": "", "created": 0, "model": "", "choices": [], **_PROMPT}
        chunks = [part if part == DONE else _chunk(part) for part in said.parts]
        return replace(said, parts=[_START + msgspec.json.encode(first) + b"\n\n", *chunks])

    return replace(chat, say=say)


_PROMPT = {"prompt_filter_results": [{"prompt_index": 0, "content_filter_results": _SAFE}]}


def _chunk(part: bytes) -> bytes:
    return _START + _with_results(part[len(_START) :], whole=False) + b"\n\n"


def _with_results(body: bytes, *, whole: bool) -> bytes:
    reply: dict[str, Any] = msgspec.json.decode(body)
    for choice in reply["choices"]:
        choice["content_filter_results"] = _UNSAFE if choice["finish_reason"] == "content_filter" else _SAFE
    return msgspec.json.encode({**reply, **_PROMPT} if whole else reply)
