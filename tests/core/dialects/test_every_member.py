"""Whatever object of a request holds a member nobody knows, on whichever wire it came and goes: it is never lost.

Nor is a word of the client: what has no place on the provider's wire is named as dropped, or the request is refused.
"""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from llm.core.errors import InvalidRequest
from tests.core.dialects.crossed_requests import (
    OWN,
    PROVIDERS,
    REQUESTS,
    Path,
    answered,
    covers,
    crossed,
    objects,
    written,
)

SCHEMAS = frozenset({"schema", "parameters", "parametersJsonSchema", "responseJsonSchema", "input_schema"})
OBJECTS = [
    pytest.param(client, number, path, id=f"{client}-{number}-{written(path)}")
    for client, (_, documents) in REQUESTS.items()
    for number, document in enumerate(documents)
    for path in objects(document)
]


@pytest.mark.parametrize(("client", "number", "path"), OBJECTS)
def test_a_member_nobody_knows_arrives_or_is_named(client: str, number: int, path: Path) -> None:
    document = json.loads(json.dumps(REQUESTS[client][1][number]))
    place = document
    for step in path:
        place = place[step]
    place["zeal"] = "zeal-mark"
    where = written((*path, "zeal"))
    got_through = 0
    for provider in PROVIDERS:
        if provider == OWN[client] or answered(client, provider, REQUESTS[client][1][number])[0]:
            continue
        refused, body, dropped = answered(client, provider, document)
        got_through += 1
        found = (
            covers(refused, where) if refused else b"zeal-mark" in body or any(covers(name, where) for name in dropped)
        )
        assert found, (provider, where, refused, dropped)
    assert got_through, "no provider takes the request at all: nothing was tried"


FIXED = frozenset(
    {
        *("model", "type", "role", "mode", "status", "ttl", "detail", "format", "syntax", "effort", "verbosity"),
        *("media_type", "mimeType", "thinkingLevel", "responseMimeType", "search_context_size", "user_id"),
        *("id", "call_id", "tool_use_id", "tool_call_id", "modalities", "reasoning"),
    }
)
"""Members whose value is one of a few, or is told elsewhere, too."""
REASONING = {
    "messages[2].reasoning_details[0].text": {"messages[].reasoning_content", "messages[].reasoning_details"},
    "messages[2].reasoning_details[0].signature": {"messages[].reasoning_content", "messages[].reasoning_details"},
    "messages[1].content[0].signature": {"messages[].content[].thinking"},
    "messages[1].content[1].data": {"messages[].content[].thinking", "messages[].content[].signature"},
    "contents[1].parts[0].text": {"contents[].parts[].thought"},
    "input[2].content[0].text": {"input[].summary"},
}
"""Members of a piece of reasoning, and the names that stand for the whole piece."""
BOUND = frozenset({"name", "names", "allowedFunctionNames", "required"})
"""Names of tools and of their parameters, which must stay the same all over."""


def leaves(document: Any, path: Path = ()) -> Iterator[Path]:
    """Where the client's own words stand."""
    for name, value in document.items() if isinstance(document, dict) else enumerate(document):
        if isinstance(value, dict | list):
            if name not in BOUND:
                yield from leaves(value, (*path, name))
        elif isinstance(value, str) and name not in FIXED | BOUND and not (SCHEMAS | FIXED) & set(path):
            yield (*path, name)


def marked(value: str) -> tuple[str, bytes]:
    """A mark that may stand for a value, and what of it must be found."""
    if value.startswith("data:"):
        head, _, _ = value.partition(",")
        return f"{head},bWFyay16ZWFs", b"bWFyay16ZWFs"
    if value in ("aWk=", "c2ln"):
        return "bWFyay16ZWFs", b"bWFyay16ZWFs"
    return ('{"mark-zeal":1}', b"mark-zeal") if value == "{}" else ("mark-zeal", b"mark-zeal")


LEAVES = [
    pytest.param(client, number, path, id=f"{client}-{number}-{written(path)}")
    for client, (_, documents) in REQUESTS.items()
    for number, document in enumerate(documents)
    for path in leaves(document)
]


@pytest.mark.parametrize(("client", "number", "path"), LEAVES)
def test_a_word_of_the_client_arrives_or_its_member_is_named(client: str, number: int, path: Path) -> None:
    document = json.loads(json.dumps(REQUESTS[client][1][number]))
    place = document
    for step in path[:-1]:
        place = place[step]
    place[path[-1]], mark = marked(place[path[-1]])
    for provider in PROVIDERS:
        if provider == OWN[client]:
            continue
        refused, body, dropped = answered(client, provider, document)
        whole = REASONING.get(written(path), set())
        found = mark in body or any(covers(name, written(path)) or name in whole for name in dropped)
        assert refused or found, (provider, written(path), dropped)


def nested(depth: int) -> Any:
    """A schema in a schema, so many times."""
    found: dict[str, Any] = {"type": "string"}
    for _ in range(depth):
        found = {"type": "object", "properties": {"a": found}}
    return found


@pytest.mark.parametrize("depth", [60, 200, 480, 2_000])
@pytest.mark.parametrize("provider", PROVIDERS)
def test_what_is_nested_too_deeply_is_refused_and_nothing_breaks(provider: str, depth: int) -> None:
    schema = json.dumps(nested(depth)) if depth < 400 else '{"a":' * depth + "1" + "}" * depth
    begin = '{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"x"}],"tools":[{'
    if provider == OWN["chat"]:
        client, body = "messages", begin + '"name":"f","input_schema":' + schema + "}]}"
    else:
        client, body = "chat", begin + '"type":"function","function":{"name":"f","parameters":' + schema + "}}]}"
    try:
        sent = crossed(client, provider, body.encode()).body
    except InvalidRequest as refusal:
        assert depth > 60, refusal.message
        return
    assert sent.count(b'"a"') >= min(depth, 60) or provider == "google"
