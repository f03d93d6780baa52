"""Subscriptions: views of the log (`live.py`). `after` is the position of the last event received, to go on there."""

from collections.abc import AsyncIterator
from typing import Any

import graphene

from workflows.core.errors import SubscriberTooSlow
from workflows.schema import live, types

_AFTER = "Position of the last event received: go on after it. Without it: from now on."


class Subscription(graphene.ObjectType):
    token_updates = graphene.Field(
        types.TokenEvent,
        required=True,
        token_id=graphene.String(required=True),
        after=graphene.String(description=_AFTER),
    )
    workflow_events = graphene.Field(
        types.WorkflowEvent,
        required=True,
        workflow_id=graphene.String(required=True),
        after=graphene.String(description=_AFTER),
    )

    @staticmethod
    async def subscribe_token_updates(
        root: Any, info: Any, token_id: str, after: str | None = None
    ) -> AsyncIterator[live.Event]:
        return await live.follow_token(token_id, after)

    @staticmethod
    async def subscribe_workflow_events(
        root: Any, info: Any, workflow_id: str, after: str | None = None
    ) -> AsyncIterator[live.Event]:
        return await live.follow_workflow(workflow_id, after)

    @staticmethod
    def resolve_token_updates(event: live.Event, info: Any, token_id: str, after: str | None = None) -> dict[str, Any]:
        if isinstance(event, SubscriberTooSlow):
            raise event
        return types.show_token_event(event, token_id)

    @staticmethod
    def resolve_workflow_events(
        event: live.Event, info: Any, workflow_id: str, after: str | None = None
    ) -> dict[str, Any]:
        if isinstance(event, SubscriberTooSlow):
            raise event
        return types.show_workflow_event(event)
