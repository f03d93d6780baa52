"""What is refused or dropped is called by the name that the client gave it: what is named stands in the request."""

import re
from typing import Any

import pytest

from llm.core.dialects.client_names import CONTENTS as CONTENTS_NAMES
from llm.core.dialects.client_names import MESSAGES as MESSAGES_NAMES
from llm.core.dialects.client_names import RESPONSES as RESPONSES_NAMES
from llm.core.dialects.client_names import Names
from tests.core.dialects.crossed_requests import OWN, PROVIDERS, REQUESTS, Document, answered

ASKED = [
    (client, number, provider)
    for client, (_, documents) in REQUESTS.items()
    for number in range(len(documents))
    for provider in PROVIDERS
    if provider != OWN[client]
]


def stands_in(document: Any, name: str) -> bool:
    """Whether a document holds what is named; `[]` is any item."""
    places = [document]
    for step in re.findall(r"\w+|\[\d*\]", name.split(": ")[0]):
        if step == "[]":
            places = [one for place in places if isinstance(place, list) for one in place]
        elif step.startswith("["):
            places = [
                place[int(step[1:-1])] for place in places if isinstance(place, list) and int(step[1:-1]) < len(place)
            ]
        else:
            places = [place[step] for place in places if isinstance(place, dict) and step in place]
    return bool(places)


@pytest.mark.parametrize(("client", "number", "provider"), ASKED)
def test_what_is_refused_or_dropped_stands_in_the_request_by_that_name(client: str, number: int, provider: str) -> None:
    document = REQUESTS[client][1][number]
    refused, _, dropped = answered(client, provider, document)
    for name in (refused, *dropped):
        assert not name or stands_in(document, name), name


SETTINGS: dict[str, list[Document]] = {
    "messages": [
        {"top_k": 5},
        {"temperature": 1.5},
        {"temperature": 0.5, "top_p": 0.5},
        {"stop_sequences": ["a"]},
        {"stop_sequences": list("abcdef")},
        {"metadata": {"user_id": "u"}},
        {"service_tier": "auto"},
        {"thinking": {"type": "enabled", "budget_tokens": 2000}},
        {"thinking": {"type": "disabled"}},
        {"output_config": {"effort": "max"}},
        {
            "tool_choice": {"type": "any", "disable_parallel_tool_use": True},
            "tools": [{"name": "f", "input_schema": {}}],
        },
        {"tools": [{"type": "web_search_20250305", "name": "web_search"}]},
    ],
    "contents": [
        *[
            {"generationConfig": {name: value}}
            for name, value in {
                "topK": 5,
                "topP": 0.5,
                "temperature": 1.5,
                "candidateCount": 2,
                "seed": 3,
                "maxOutputTokens": 9,
                "presencePenalty": 0.5,
                "frequencyPenalty": 0.5,
                "responseLogprobs": True,
                "logprobs": 2,
                "stopSequences": ["a"],
                "responseModalities": ["AUDIO"],
                "thinkingConfig": {"thinkingBudget": 500},
            }.items()
        ],
        {"generationConfig": {"responseLogprobs": True, "logprobs": 2}},
        {"tools": [{"googleSearch": {}}]},
        {"tools": [{"functionDeclarations": [{"name": "f"}]}, {"codeExecution": {}}]},
        {
            "tools": [{"functionDeclarations": [{"name": "f"}, {"name": "g"}]}],
            "toolConfig": {"functionCallingConfig": {"mode": "ANY"}},
        },
        {"contents": [{"role": "user", "parts": [{"executableCode": {"code": "1"}}, {"text": "x"}]}]},
        {"contents": [{"parts": [{"inlineData": {"mimeType": "audio/ogg", "data": "aWk="}}]}]},
        {"contents": [{"parts": [{"inlineData": {"mimeType": "video/mp4", "data": "aWk="}}]}]},
    ],
    "responses": [
        {"top_p": 0.5, "temperature": 1.5},
        {"max_output_tokens": 9},
        {"top_logprobs": 2},
        {"user": "u"},
        {"include": ["message.output_text.logprobs"]},
        {"reasoning": {"effort": "minimal"}},
        {"text": {"verbosity": "low"}},
        {"metadata": {"a": "b"}},
        {"store": True},
        {"service_tier": "flex"},
        {"parallel_tool_calls": False},
        {"prompt_cache_key": "k"},
        {"safety_identifier": "s"},
        {"truncation": "auto"},
        {"tools": [{"type": "web_search", "search_context_size": "low"}]},
        {"tools": [{"type": "web_search"}, {"type": "custom", "name": "g"}]},
        {"tools": [{"type": "web_search"}, {"type": "file_search"}]},
        {"tools": [{"type": "function", "name": "f"}], "tool_choice": "required"},
        {
            "input": [
                {
                    "role": "user",
                    "content": [{"type": "input_file", "file_data": "data:text/csv;base64,aWk=", "filename": "a"}],
                }
            ]
        },
        {"input": [{"type": "function_call", "call_id": "c", "name": "f", "arguments": "[1]"}]},
        {"input": [{"type": "function_call_output", "call_id": "c", "output": "r"}]},
        {"input": [{"role": "system", "content": [{"type": "input_image", "image_url": "https://x/a.png"}]}]},
        {"input": [{"type": "web_search_call", "id": "w", "status": "completed"}, {"role": "user", "content": "x"}]},
    ],
}


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("client", SETTINGS)
def test_each_setting_alone_is_called_as_the_client_calls_it(client: str, provider: str) -> None:
    if provider == OWN[client]:
        return
    plain = {"model": "m", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 9}
    begin = {
        "messages": plain,
        "contents": {"model": "m", "contents": [{"parts": [{"text": "Hi"}]}]},
        "responses": {"model": "m", "input": "Hi"},
    }
    for setting in SETTINGS[client]:
        document = begin[client] | setting
        refused, _, dropped = answered(client, provider, document)
        for name in (refused, *dropped):
            assert not name or stands_in(document, name), (name, setting)


@pytest.mark.parametrize(
    ("names", "ours", "theirs"),
    [
        (MESSAGES_NAMES, "tools[1].function.parameters.properties.x", "tools[1].input_schema.properties.x"),
        (MESSAGES_NAMES, "messages[3].tool_calls", "messages[3].content"),
        (MESSAGES_NAMES, "system.content", "system"),
        (CONTENTS_NAMES, "top_k", "generationConfig.topK"),
        (
            CONTENTS_NAMES,
            "tools[0].functionDeclarations[2].function.parameters.x",
            "tools[0].functionDeclarations[2].parameters.x",
        ),
        (CONTENTS_NAMES, "contents[1].tool_calls", "contents[1].parts[].functionCall"),
        (CONTENTS_NAMES, "messages[].reasoning_content", "contents[].parts[].thought"),
        (RESPONSES_NAMES, "input[2].tool_call_id", "input[2].call_id"),
        (RESPONSES_NAMES, "response_format.json_schema.schema.title", "text.format.schema.title"),
        (RESPONSES_NAMES, "seed", "seed"),
        (RESPONSES_NAMES, "...", "..."),
    ],
)
def test_names_are_the_clients(names: Names, ours: str, theirs: str) -> None:
    assert names.of(ours) == theirs
