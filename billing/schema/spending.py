"""`costUpdates`: every call as it is booked, from now on or after a position; each once, in the order of booking."""

from collections.abc import AsyncIterator
from typing import Any

import graphene
from channels.db import database_sync_to_async
from graphene.types.scalars import BigInt

from billing import selectors
from billing.core.errors import BadInput
from billing.core.pricing import usd
from billing.models import Call
from billing.schema.pulse import Pulse

PAGE = 200

ledger = Pulse(selectors.ledger_end)


class CostUpdate(graphene.ObjectType):
    """One call, or one failed attempt before its last, as the ledger has it."""

    position = graphene.String(required=True, description="In the ledger: give it as `after` to go on behind it.")
    user_id = graphene.String()
    project_id = graphene.String()
    request_id = graphene.String(required=True)
    provider = graphene.String(required=True)
    model = graphene.String(required=True)
    cost = graphene.Float(required=True, description="USD.")
    input_tokens = BigInt(required=True, description="Tokens read, from the provider's cache or not.")
    output_tokens = BigInt(required=True, description="Tokens written, hidden thinking included.")
    estimated = graphene.Boolean(required=True, description="The provider told no usage: the tokens are our count.")
    unpriced = graphene.Boolean(required=True, description="The model has no price; the cost is 0 for that.")
    status = graphene.Int(required=True, description="HTTP status of the answer.")
    timestamp = graphene.DateTime(required=True, description="When the call finished; UTC.")

    @staticmethod
    def of(call: Call) -> "CostUpdate":
        return CostUpdate(
            position=str(call.position),
            user_id=call.user or None,
            project_id=call.project or None,
            request_id=call.request_id,
            provider=call.provider,
            model=call.model,
            cost=float(usd(call.cost_nano)),
            input_tokens=selectors.tokens_read(call),
            output_tokens=selectors.tokens_written(call),
            estimated=call.estimated,
            unpriced=call.unpriced,
            status=call.status,
            timestamp=call.finished_at,
        )


class Subscription(graphene.ObjectType):
    cost_updates = graphene.Field(
        CostUpdate,
        required=True,
        user_id=graphene.String(description="Only calls of this user."),
        after=graphene.String(description="Position of the last update received. Without it: from now on."),
    )

    @staticmethod
    async def subscribe_cost_updates(
        root: object, info: graphene.ResolveInfo, user_id: str | None = None, after: str | None = None
    ) -> AsyncIterator[Call]:
        start = await database_sync_to_async(selectors.ledger_end)() if after is None else _position(after)
        return _calls(user_id, start)

    @staticmethod
    def resolve_cost_updates(call: Call, info: graphene.ResolveInfo, **arguments: Any) -> CostUpdate:
        return CostUpdate.of(call)


async def _calls(user: str | None, after: int) -> AsyncIterator[Call]:
    async with ledger.watched() as watch:
        while True:
            end = watch.end
            page = await database_sync_to_async(selectors.calls_after)(user, after, PAGE)
            for call in page:
                yield call
                after = int(call.position or after)
            if len(page) < PAGE:
                after = max(after, end)  # what other users' calls took up
                await watch.beyond(after)


def _position(after: str) -> int:
    if not after.isascii() or not after.isdecimal() or len(after) > 18:
        raise BadInput("after must be the position of an update received before.", {"field": "after"})
    return int(after)
