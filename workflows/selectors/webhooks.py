"""Finds webhooks, in and out."""

import uuid

from django.db.models import QuerySet

from workflows.models import IncomingWebhook, WebhookSubscription
from workflows.selectors.rows import page_size


def webhook_subscription(subscription_id: str) -> WebhookSubscription | None:
    try:
        return WebhookSubscription.objects.filter(pk=uuid.UUID(subscription_id)).first()
    except ValueError:
        return None


def webhooks() -> tuple[list[IncomingWebhook], list[WebhookSubscription]]:
    """All of them, in and out, by name."""
    return list(IncomingWebhook.objects.order_by("name")), list(WebhookSubscription.objects.order_by("name"))


def incoming_webhooks(limit: int) -> QuerySet[IncomingWebhook]:
    """By name, at most `limit`. Raises BadInput."""
    return IncomingWebhook.objects.order_by("name")[: page_size(limit)]


def webhook_subscriptions(limit: int) -> QuerySet[WebhookSubscription]:
    """By name, at most `limit`. Raises BadInput."""
    return WebhookSubscription.objects.order_by("name")[: page_size(limit)]
