"""`llmStream`: any streamed request followed by its id, whoever started it and on whichever gateway worker it runs.

Each event says what one event of the stream says, with its number as `seq`; events that say nothing to a reader (parts
of a tool call's arguments, pings) are left out. The last one, `done`, says what the stream came to, as booked. `after`
goes on behind an event; a stream that has not begun is waited for. What cannot be had, and a stream that fails, ends
the subscription with an error and its code. Next file: `../services/streams.py`.
"""

from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any

import graphene

from billing.core.pricing import Usage
from llm.core.following import End, Said
from llm.core.gathering import Answer
from llm.schema.asking import key_of
from llm.schema.chat import LlmToolCall
from llm.services import streams


class LLMStreamEvent(graphene.ObjectType):
    """What one event of a stream says."""

    id = graphene.String(required=True, description="The request's id.")
    seq = graphene.Int(required=True, description="Number of the event: give the last one as `after` to go on.")
    content = graphene.String(required=True, description="What the answer gained; empty where nothing.")
    tokens = graphene.Int(
        required=True,
        description="Tokens of the answer so far by our count; when done, all tokens of the request as booked.",
    )
    cost = graphene.Float(description="USD, when done; null before, and for a model without a price.")
    timestamp = graphene.DateTime(required=True, description="When it was read; UTC.")
    thinking = graphene.String(description="What the model thought; empty where it thinks and does not show it.")
    tool_calls = graphene.List(graphene.NonNull(LlmToolCall), required=True, description="Whole calls.")
    finish_reason = graphene.String(description="stop, length, tool_calls, content_filter or cancelled.")
    model = graphene.String(description="The model that answers.")
    done = graphene.Boolean(required=True, description="The last event.")


class Subscription(graphene.ObjectType):
    llm_stream = graphene.Field(
        LLMStreamEvent,
        required=True,
        request_id=graphene.String(required=True),
        after=graphene.Int(description="Number of the last event received. Without it: from the beginning."),
    )

    @staticmethod
    async def subscribe_llm_stream(
        root: object, info: graphene.ResolveInfo, request_id: str, after: int | None = None
    ) -> AsyncIterator[LLMStreamEvent]:
        return _events(request_id, key_of(info.context), after or 0)

    @staticmethod
    def resolve_llm_stream(event: LLMStreamEvent, info: graphene.ResolveInfo, **arguments: Any) -> LLMStreamEvent:
        return event


async def _events(request_id: str, key: dict[str, str], after: int) -> AsyncIterator[LLMStreamEvent]:
    """The first choice of the stream. Raises LlmError."""
    answer = Answer()
    async with aclosing(streams.follow(request_id, key, max(after, 0))) as steps:
        async for step in steps:
            answer.add(step)
            if isinstance(step, End):
                yield _done(request_id, step)
            elif step.error is None:
                yield _told(request_id, step)


def _told(request_id: str, step: Said) -> LLMStreamEvent:
    return LLMStreamEvent(
        id=request_id,
        seq=step.number,
        content="".join(text for choice, text in step.texts if choice == 0),
        tokens=step.tokens,
        timestamp=datetime.now(UTC),
        thinking=step.thinking,
        tool_calls=[LlmToolCall.of(call) for call in step.calls if call.choice == 0],
        finish_reason=next((finish for choice, finish in step.finish if choice == 0), None),
        model=step.model or None,
        done=False,
    )


def _done(request_id: str, end: End) -> LLMStreamEvent:
    usage = Usage() if end.settled is None else end.settled.usage
    return LLMStreamEvent(
        id=request_id,
        seq=end.number,
        content="",
        tokens=usage.prompt_total + usage.completion_total,
        cost=end.cost,
        timestamp=datetime.now(UTC),
        tool_calls=[],
        finish_reason=end.finish_reason,
        model=end.answered_by,
        done=True,
    )
