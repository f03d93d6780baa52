"""Tokens under the names that clients of a NATS event store use, answered from the log, whatever stores it.

`natsSequence` is an entry's position in the log of all workflows, as `position` of an event is; `natsSubject` says
which stream of the log it belongs to. Nothing here needs or talks to a NATS server. Next: `../selectors/rows.py`.
"""

from typing import Any

import graphene
from graphene.types.scalars import BigInt

from workflows import models, selectors, services
from workflows.schema import types
from workflows.schema.scalars import JSON


class TransitionRecord(graphene.ObjectType):
    """One change of the token, as the log has it."""

    from_place = graphene.String(description="Null where the token was made.")
    to_place = graphene.String(description="Null where it was consumed.")
    transition_id = graphene.String(description="Null for what is no firing, such as the creation.")
    timestamp = graphene.DateTime(required=True)
    triggered_by = graphene.String()
    nats_sequence = BigInt(required=True, description="Position in the log of all workflows.")
    metadata = JSON(description="The token's metadata afterwards; null if it was consumed.")


class NATSToken(types.Token):
    """A token with its place in the log. The last change gives sequence and time."""

    class Meta:
        name = "NATSToken"

    nats_sequence = BigInt(required=True, description="Position in the log of the token's last change.")
    nats_timestamp = graphene.DateTime(required=True, description="When that was.")
    nats_subject = graphene.String(required=True, description="workflows.<workflow>.places.<place>.tokens.<token>")
    transition_history = graphene.List(
        graphene.NonNull(TransitionRecord),
        required=True,
        description=f"Oldest first; the newest {selectors.HISTORY_MAXIMUM} at most.",
    )


class TransitionTokenWithNATSInput(graphene.InputObjectType):
    token_id = graphene.String(required=True)
    transition_id = graphene.String(required=True)
    new_place = graphene.String(description="Where the transition must take the token; refused if it would not.")
    triggered_by = graphene.String()
    data = JSON(description="Merged shallowly into the token's data.")


class NatsTokenRow(types.TokenRow):
    """A token on its way out with its changes, which are read once."""

    def __init__(self, row: models.Token) -> None:
        super().__init__(row, [row])
        self._changes = selectors.changes_of_token(row)

    @property
    def nats_sequence(self) -> int:
        return self._changes[-1].firing_id

    @property
    def nats_timestamp(self) -> Any:
        return self._changes[-1].firing.at

    @property
    def nats_subject(self) -> str:
        return f"workflows.{self.workflow_id}.places.{self.place}.tokens.{self.id}"

    @property
    def transition_history(self) -> list[dict[str, Any]]:
        return [_record(change) for change in self._changes]


class TransitionTokenWithNats(graphene.Mutation):
    """`fireTransition` that says who fires it, and where the token must come out."""

    class Arguments:
        input = TransitionTokenWithNATSInput(required=True)

    Output = NATSToken

    @staticmethod
    def mutate(root: Any, info: Any, input: TransitionTokenWithNATSInput) -> NatsTokenRow:  # noqa: A002
        token = services.fire_to(
            input.token_id,
            input.transition_id,
            input.get("new_place"),
            input.get("data"),
            triggered_by=input.get("triggered_by") or "",
        )
        return NatsTokenRow(token)


class NatsQuery(graphene.ObjectType):
    nats_token = graphene.Field(
        NATSToken, workflow_id=graphene.String(required=True), token_id=graphene.String(required=True)
    )

    @staticmethod
    def resolve_nats_token(root: Any, info: Any, workflow_id: str, token_id: str) -> NatsTokenRow | None:
        row = selectors.token(token_id)
        return NatsTokenRow(row) if row is not None and row.workflow_id == workflow_id else None


class NatsMutation(graphene.ObjectType):
    transition_token_with_nats = TransitionTokenWithNats.Field(required=True)


def _record(change: models.TokenChange) -> dict[str, Any]:
    firing = change.firing
    return {
        "from_place": change.from_place or None,
        "to_place": change.to_place or None,
        "transition_id": firing.transition or None,
        "timestamp": firing.at,
        "triggered_by": firing.triggered_by or None,
        "nats_sequence": firing.pk,
        "metadata": change.metadata,
    }
