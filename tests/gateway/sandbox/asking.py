"""How the sandbox's tests ask: small requests, and readers of its streams."""

import json
from typing import Any

from llm.sandbox.playing import Reply
from llm.sandbox.replies import reply

CHAT = "/v1/chat/completions"


def ask(path: str = CHAT, *, fault: str = "", standing: str = "", **fields: Any) -> Reply:
    """One POST with a JSON body; a chat says hello unless told otherwise."""
    if path == CHAT:
        fields = {"model": "sandbox", "messages": [{"role": "user", "content": "Hello!"}], **fields}
    headers = {"x-sandbox-fault": fault} if fault else {}
    return reply("POST", path, headers, json.dumps(fields).encode(), standing)


def body(given: Reply) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(b"".join(given.parts))
    return found


def said(given: Reply) -> str:
    """The text of the first choice of a whole chat reply."""
    content = body(given)["choices"][0]["message"]["content"]
    assert isinstance(content, str)
    return content


def chunks(given: Reply) -> list[dict[str, Any]]:
    """The JSON events of a well-formed stream; its end is checked."""
    assert given.streamed
    assert given.parts[-1] == b"data: [DONE]\n\n"
    assert all(part.startswith(b"data: ") and part.endswith(b"\n\n") for part in given.parts)
    return [json.loads(part[6:]) for part in given.parts[:-1]]


def user(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]
