"""Webhooks in GraphQL: make, list, switch on and off. `secret` is told by the mutation that makes one only.

Whether an outgoing one may go to a private address is not said here but by `manage.py webhook` or in the admin: who
reaches GraphQL must not thereby reach what else listens where the workers run.
"""

from typing import Any

import graphene

from workflows import models, selectors, services
from workflows.services.webhooks import TOKEN_FIELD

DEFAULT_LIMIT = 100


class IncomingWebhook(graphene.ObjectType):
    """An address of ours: a signed message opens a case, fires a transition, or is a signal."""

    id = graphene.String(required=True)
    name = graphene.String(required=True)
    path = graphene.String(required=True, description="Where messages are posted to on the control plane.")
    workflow_id = graphene.String(required=True)
    transition = graphene.String(description="What a message fires; null, and no signal: it opens a case.")
    signal = graphene.String(description="The signal that a message is.")
    token_field = graphene.String(required=True, description="Where in the body the id of the token to fire with is.")
    enabled = graphene.Boolean(required=True)
    created_at = graphene.DateTime(required=True)


class OutgoingWebhook(graphene.ObjectType):
    """An address of others, which is told of entries of the log."""

    id = graphene.String(required=True)
    name = graphene.String(required=True)
    url = graphene.String(required=True)
    workflow_id = graphene.String(description="Only of this workflow; null: of all.")
    events = graphene.List(
        graphene.NonNull(graphene.String), required=True, description="Kinds of entries it is told of; empty: all."
    )
    private_address = graphene.Boolean(required=True, description="Whether its host may have a private address.")
    enabled = graphene.Boolean(required=True)
    created_at = graphene.DateTime(required=True)


class IncomingWebhookInput(graphene.InputObjectType):
    name = graphene.String(required=True)
    workflow_id = graphene.String(required=True)
    transition = graphene.String(description="The one a message fires; with neither this nor signal it opens a case.")
    signal = graphene.String(description="The signal a message is, for the cases that wait for it.")
    token_field = graphene.String(description=f"Where in the body the token's id is; {TOKEN_FIELD} by default.")
    secret = graphene.String(description="whsec_…, if the sender has one already; else one is made.")


class OutgoingWebhookInput(graphene.InputObjectType):
    name = graphene.String(required=True)
    url = graphene.String(required=True, description="http(s), at a public address.")
    workflow_id = graphene.String(description="Tell of this workflow only.")
    events = graphene.List(graphene.NonNull(graphene.String), description="Tell of these kinds of entries only.")
    secret = graphene.String(description="whsec_…, if the receiver has one already; else one is made.")


class WebhookQuery(graphene.ObjectType):
    incoming_webhooks = graphene.List(
        graphene.NonNull(IncomingWebhook),
        required=True,
        limit=graphene.Int(default_value=DEFAULT_LIMIT, description=f"At most {selectors.PAGE_MAXIMUM}."),
        description="By name.",
    )
    outgoing_webhooks = graphene.List(
        graphene.NonNull(OutgoingWebhook),
        required=True,
        limit=graphene.Int(default_value=DEFAULT_LIMIT, description=f"At most {selectors.PAGE_MAXIMUM}."),
        description="By name.",
    )

    @staticmethod
    def resolve_incoming_webhooks(root: Any, info: Any, limit: int) -> list[dict[str, Any]]:
        return [_show_incoming(row) for row in selectors.incoming_webhooks(limit)]

    @staticmethod
    def resolve_outgoing_webhooks(root: Any, info: Any, limit: int) -> list[dict[str, Any]]:
        return [_show_outgoing(row) for row in selectors.webhook_subscriptions(limit)]


class CreateIncomingWebhook(graphene.Mutation):
    class Arguments:
        input = IncomingWebhookInput(required=True)

    webhook = graphene.Field(IncomingWebhook, required=True)
    secret = graphene.String(required=True, description="Shown here and never again.")

    @staticmethod
    def mutate(root: Any, info: Any, input: dict[str, Any]) -> "CreateIncomingWebhook":  # noqa: A002
        row, secret = services.add_incoming_webhook(
            input["name"],
            input["workflow_id"],
            transition=input.get("transition") or "",
            signal=input.get("signal") or "",
            token_field=input.get("token_field") or TOKEN_FIELD,
            secret=input.get("secret"),
        )
        return CreateIncomingWebhook(webhook=_show_incoming(row), secret=secret)


class CreateOutgoingWebhook(graphene.Mutation):
    class Arguments:
        input = OutgoingWebhookInput(required=True)

    webhook = graphene.Field(OutgoingWebhook, required=True)
    secret = graphene.String(required=True, description="Shown here and never again.")

    @staticmethod
    def mutate(root: Any, info: Any, input: dict[str, Any]) -> "CreateOutgoingWebhook":  # noqa: A002
        row, secret = services.add_webhook_subscription(
            input["name"],
            input["url"],
            workflow_id=input.get("workflow_id"),
            events=input.get("events") or (),
            secret=input.get("secret"),
        )
        return CreateOutgoingWebhook(webhook=_show_outgoing(row), secret=secret)


class EnableWebhook(graphene.Mutation):
    class Arguments:
        id = graphene.String(required=True)
        enabled = graphene.Boolean(required=True)

    id = graphene.String(required=True)
    enabled = graphene.Boolean(required=True)

    @staticmethod
    def mutate(root: Any, info: Any, id: str, enabled: bool) -> "EnableWebhook":  # noqa: A002
        services.enable_webhook(id, enabled)
        return EnableWebhook(id=id, enabled=enabled)


class WebhookMutation(graphene.ObjectType):
    create_incoming_webhook = CreateIncomingWebhook.Field(
        required=True, description="Make an address that takes signed messages."
    )
    create_outgoing_webhook = CreateOutgoingWebhook.Field(
        required=True, description="Tell an address, from now on, of what happens."
    )
    enable_webhook = EnableWebhook.Field(
        required=True,
        description="Switch a webhook, in or out, on or off. What happens meanwhile, one that is off is never told of.",
    )


def _show_incoming(row: models.IncomingWebhook) -> dict[str, Any]:
    shown = {name: getattr(row, name) for name in ("name", "workflow_id", "token_field", "enabled", "created_at")}
    more = {"transition": row.transition or None, "signal": row.signal or None}
    return {"id": str(row.pk), "path": f"/hooks/{row.pk}", **shown, **more}


def _show_outgoing(row: models.WebhookSubscription) -> dict[str, Any]:
    names = ("name", "url", "workflow_id", "events", "private_address", "enabled", "created_at")
    return {"id": str(row.pk), **{name: getattr(row, name) for name in names}}
