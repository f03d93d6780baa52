"""`llmChatCompletion`: one chat completion in GraphQL's spelling, answered whole by the gateway on port 3000.

The request is a stream at the gateway, so that `llmStream`, `/ws` and `GET /v1/streams` can follow it by its id while
this mutation waits. Every member of OpenAI's chat can be given: those without a field of their own in `options`, as
OpenAI spells them. Next file: `streams.py`.
"""

import uuid
from collections.abc import Mapping
from typing import Any

import graphene
import msgspec
from asgiref.sync import async_to_sync

from billing.schema.scalars import JSON
from llm.core.errors import InvalidRequest
from llm.core.following import ToolCall
from llm.core.gathering import Answer
from llm.core.stream_wire import ID_RULE, checked_id
from llm.schema.asking import key_of
from llm.services import streams

TAKEN = ("stream", "n")
"""Members that `options` may not have: the answer is one, and whole."""


class LlmToolCall(graphene.ObjectType):
    id = graphene.String(required=True)
    tool = graphene.String(required=True, description="The function's name.")
    arguments = graphene.String(required=True, description="JSON, as the model wrote it.")

    @staticmethod
    def of(call: ToolCall) -> "LlmToolCall":
        return LlmToolCall(id=call.id, tool=call.tool, arguments=call.arguments)


class LlmUsage(graphene.ObjectType):
    prompt_tokens = graphene.Int(required=True)
    completion_tokens = graphene.Int(required=True)
    total_tokens = graphene.Int(required=True)


class LlmChatCompletion(graphene.ObjectType):
    """A whole answer."""

    id = graphene.String(required=True, description="The request's id: `llmStream` follows it.")
    content = graphene.String(required=True)
    model = graphene.String(required=True, description="The model that answered.")
    tool_calls = graphene.List(graphene.NonNull(LlmToolCall), required=True)
    usage = graphene.Field(LlmUsage)
    cost = graphene.Float(description="USD, as booked; null for a model without a price.")
    finish_reason = graphene.String(description="stop, length, tool_calls, content_filter or cancelled.")


class LlmMessageInput(graphene.InputObjectType):
    role = graphene.String(required=True)
    content = JSON(description="A text, or a list of parts as OpenAI spells them.")
    name = graphene.String()
    tool_calls = JSON()
    tool_call_id = graphene.String()


class LlmChatCompletionInput(graphene.InputObjectType):
    model = graphene.String(required=True)
    messages = graphene.List(graphene.NonNull(LlmMessageInput), required=True)
    request_id = graphene.String(description="Give one to follow the stream from its beginning; else one is made.")
    temperature = graphene.Float()
    top_p = graphene.Float()
    max_tokens = graphene.Int()
    max_completion_tokens = graphene.Int()
    frequency_penalty = graphene.Float()
    presence_penalty = graphene.Float()
    seed = graphene.Int()
    stop = graphene.List(graphene.NonNull(graphene.String))
    user = graphene.String()
    tools = JSON()
    tool_choice = JSON()
    response_format = JSON()
    reasoning_effort = graphene.String()
    circuit_breaker = JSON(description="Routing and budgets, as at port 3000.")
    options = JSON(description="Any other member of OpenAI's chat, as OpenAI spells it.")


class CreateChatCompletion(graphene.Mutation):
    """Ask a model, and wait for its whole answer."""

    class Arguments:
        input = LlmChatCompletionInput(required=True)

    Output = LlmChatCompletion

    @staticmethod
    def mutate(root: object, info: graphene.ResolveInfo, input: dict[str, Any]) -> LlmChatCompletion:  # noqa: A002
        given = dict(input)
        asked = given.pop("request_id", None)
        request_id = f"chat-{uuid.uuid4().hex}" if asked is None else checked_id(asked)
        if request_id is None:
            raise InvalidRequest(f"`requestId` must be {ID_RULE}.", "requestId")
        answer = async_to_sync(streams.answer)(_body(given), request_id, key_of(info.context))
        return _shown(request_id, answer)


class ChatMutation(graphene.ObjectType):
    llm_chat_completion = CreateChatCompletion.Field(required=True)


def _body(given: dict[str, Any]) -> bytes:
    """OpenAI's request. Members that were not given, or are null, are left out. Raises InvalidRequest."""
    options = given.pop("options", None) or {}
    if not isinstance(options, Mapping):
        raise InvalidRequest("`options` must be an object.", "options")
    taken = [name for name in options if name in given or name in TAKEN]
    if taken:
        raise InvalidRequest(f"`options` may not have `{taken[0]}`: {_why(taken[0])}.", f"options.{taken[0]}")
    messages = [{name: value for name, value in one.items() if value is not None} for one in given.pop("messages")]
    known = {name: value for name, value in given.items() if value is not None}
    return msgspec.json.encode({**known, "messages": messages, **options, "stream": True})


def _why(name: str) -> str:
    return "the answer is one, and whole" if name in TAKEN else "there is a field for it"


def _shown(request_id: str, answer: Answer) -> LlmChatCompletion:
    end = answer.end
    usage = end.settled.usage if end is not None and end.settled is not None else None
    return LlmChatCompletion(
        id=request_id,
        content=answer.text,
        model=(end.answered_by if end is not None else None) or "",
        tool_calls=[LlmToolCall.of(call) for call in answer.calls],
        usage=None
        if usage is None
        else LlmUsage(
            prompt_tokens=usage.prompt_total,
            completion_tokens=usage.completion_total,
            total_tokens=usage.prompt_total + usage.completion_total,
        ),
        cost=None if end is None else end.cost,
        finish_reason=None if end is None else end.finish_reason,
    )
