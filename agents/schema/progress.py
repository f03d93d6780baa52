"""`agentExecutionStream`: what becomes of one execution, each change once and in order, until it is over."""

from collections.abc import AsyncIterator
from typing import Any

import graphene
from channels.db import database_sync_to_async

from agents import models, selectors
from agents.schema.types import AgentExecution
from billing.schema.pulse import Pulse
from workflows.schema.scalars import JSON

REREAD_SECONDS = 1.0
"""The end of a table of many writers may hide a row that commits late: views look again this often at the latest."""

notes = Pulse(selectors.execution_events_end)


class AgentExecutionEvent(graphene.ObjectType):
    """A change of an execution's status."""

    execution_id = graphene.String(required=True)
    seq = graphene.Int(required=True, description="Of this execution, from 1: give it as `after` to go on behind it.")
    status = graphene.String(required=True, description="PENDING RUNNING COMPLETED FAILED TIMEOUT CANCELLED")
    attempt = graphene.Int(required=True)
    retry_count = graphene.Int(required=True)
    error_message = graphene.String()
    output_data = graphene.Field(JSON, description="What the agent answered, once it is COMPLETED.")
    timestamp = graphene.DateTime(required=True)
    execution = graphene.Field(AgentExecution, required=True, description="As it is now.")
    done = graphene.Boolean(required=True, description="The execution is over; the stream ends.")

    @staticmethod
    def of(event: models.AgentExecutionEvent) -> "AgentExecutionEvent":
        done = event.status not in models.AgentExecution.OPEN
        completed = event.status == models.AgentExecution.Status.COMPLETED
        return AgentExecutionEvent(
            execution_id=event.execution_id,
            seq=event.seq,
            status=event.status,
            attempt=event.attempt,
            retry_count=event.retry_count,
            error_message=event.error_message or None,
            output_data=event.execution.output_data if completed else None,
            timestamp=event.at,
            execution=event.execution,
            done=done,
        )


class Subscription(graphene.ObjectType):
    agent_execution_stream = graphene.Field(
        AgentExecutionEvent,
        required=True,
        execution_id=graphene.String(required=True),
        after=graphene.Int(description="`seq` of the last event received. Without it: from the beginning."),
    )

    @staticmethod
    async def subscribe_agent_execution_stream(
        root: object, info: graphene.ResolveInfo, execution_id: str, after: int | None = None
    ) -> AsyncIterator[models.AgentExecutionEvent]:
        await database_sync_to_async(selectors.require_execution)(execution_id)
        return _events(execution_id, after or 0)

    @staticmethod
    def resolve_agent_execution_stream(
        event: models.AgentExecutionEvent, info: graphene.ResolveInfo, **arguments: Any
    ) -> AgentExecutionEvent:
        return AgentExecutionEvent.of(event)


async def _events(execution_id: str, after: int) -> AsyncIterator[models.AgentExecutionEvent]:
    async with notes.watched() as watch:
        while True:
            end = watch.end
            page, over = await database_sync_to_async(selectors.execution_events)(execution_id, after)
            for event in page:
                yield event
                after = event.seq
            if over:
                return
            await watch.beyond(end, REREAD_SECONDS)
