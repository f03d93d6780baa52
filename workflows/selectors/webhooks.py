"""Finds webhooks, in and out."""

import uuid

from workflows.models import IncomingWebhook, WebhookSubscription


def webhook_subscription(subscription_id: str) -> WebhookSubscription | None:
    try:
        return WebhookSubscription.objects.filter(pk=uuid.UUID(subscription_id)).first()
    except ValueError:
        return None


def webhooks() -> tuple[list[IncomingWebhook], list[WebhookSubscription]]:
    """All of them, in and out, by name."""
    return list(IncomingWebhook.objects.order_by("name")), list(WebhookSubscription.objects.order_by("name"))
