"""The official Python SDK, sync: every parameter of every operation, and byte by byte what reached the provider."""

import inspect
import json
from typing import Any

import openai
import pytest

from tests.acceptance.sdk.conftest import Matrix, Tee
from tests.acceptance.sdk.matrix import (
    ALWAYS,
    NOT_OFFERED,
    PARAMETERS,
    RENAMED,
    SAME,
    TAKEN_OUT,
    USAGE_ADDED,
    Parameter,
)

PATHS = {
    "chat": "/v1/chat/completions",
    "completions": "/v1/completions",
    "responses": "/v1/responses",
    "embeddings": "/v1/embeddings",
}
CLOUD_ONLY = {
    "chat": set[str](),
    "completions": set[str](),
    "embeddings": set[str](),
    # They name things kept in OpenAI's cloud or belong to its hosted tools: passed on like any unknown member.
    "responses": {
        "access_programs",
        "background_options",
        "context_management",
        "conversation",
        "image",
        "moderation",
        "prompt",
        "prompt_cache_options",
        "previous_response_id",
    },
}
OF_EVERY_CALL = {"self", "extra_headers", "extra_query", "extra_body", "timeout"}


def create(client: Any, operation: str) -> Any:
    return {
        "chat": client.chat.completions.create,
        "completions": client.completions.create,
        "responses": client.responses.create,
        "embeddings": client.embeddings.create,
    }[operation]


def check_reply(operation: str, reply: Any) -> None:
    if operation == "embeddings":
        assert all(
            len(entry.embedding) > 1 and isinstance(entry.embedding[0], float | str) for entry in reply.data
        ) or (isinstance(reply.data[0].embedding, str))
    elif operation == "responses":
        assert (reply.status, bool(reply.output)) == ("completed", True)
    else:
        assert all(choice.finish_reason for choice in reply.choices)
    assert reply.usage.total_tokens > 0


def check_stream(operation: str, events: list[Any]) -> None:
    assert len(events) > 3
    if operation == "responses":
        assert events[-1].type == "response.completed"
    else:
        assert any(choice.finish_reason for event in events for choice in event.choices)


@pytest.mark.parametrize("row", PARAMETERS, ids=lambda row: f"{row.operation}-{row.name}")
def test_parameter(client: openai.OpenAI, matrix: Matrix, tee: Tee, row: Parameter) -> None:
    reply = create(client, row.operation)(**{**ALWAYS[row.operation], **row.given})
    if row.given.get("stream"):
        check_stream(row.operation, list(reply))
    else:
        check_reply(row.operation, reply)
    (sent,), (arrived,) = tee.sent, matrix.arrived()
    assert (arrived["method"], arrived["path"]) == ("POST", PATHS[row.operation])
    check_bytes(row, sent, matrix.bodies()[0])


def check_bytes(row: Parameter, sent: bytes, arrived: bytes) -> None:
    if row.sent == SAME:
        assert arrived == sent
    elif row.sent == USAGE_ADDED:
        assert arrived == sent[:-1] + b',"stream_options":{"include_usage":true}}'
    elif row.sent == RENAMED:
        assert arrived == sent.replace(b'"model":"gpt-4"', b'"model":"sandbox/gpt-4"')
    else:
        assert row.sent == TAKEN_OUT
        expected = json.loads(sent)
        del expected["circuit_breaker"]
        assert json.loads(arrived) == expected


@pytest.mark.parametrize("operation", PATHS)
def test_no_parameter_of_the_sdk_is_left_out(client: openai.OpenAI, operation: str) -> None:
    known = set(inspect.signature(create(client, operation)).parameters) - OF_EVERY_CALL
    tried = {name for row in PARAMETERS if row.operation == operation for name in row.given}
    assert known - tried - set(ALWAYS[operation]) == CLOUD_ONLY[operation] | set(NOT_OFFERED.get(operation, {}))


def test_what_is_not_offered_is_refused_by_name(client: openai.OpenAI, matrix: Matrix) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.responses.create(**ALWAYS["responses"], background=True)
    assert caught.value.param == "background"
    assert matrix.arrived() == []
