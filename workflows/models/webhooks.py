"""Webhooks: those that others call (in), those that call others (out). Secrets are sealed; services alone open them."""

import uuid

from django.db import models

from workflows.models.engine import Workflow


class IncomingWebhook(models.Model):
    """An address others post to: a message opens a case, fires a transition with the token it names, or is a signal."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=100, unique=True)
    workflow = models.ForeignKey(Workflow, on_delete=models.CASCADE, related_name="incoming_webhooks")
    transition = models.CharField(
        max_length=200,
        blank=True,
        default="",
        help_text="The transition a message fires. Empty, and no signal: it opens a case.",
    )
    signal = models.CharField(
        max_length=200, blank=True, default="", help_text="The signal a message is, for the cases that wait for it."
    )
    token_field = models.CharField(
        max_length=200, default="tokenId", help_text="Where in the body the token's id stands, e.g. order.token."
    )
    sealed = models.TextField(editable=False)
    enabled = models.BooleanField(default=True)
    created_at = models.DateTimeField()

    class Meta:
        verbose_name = "incoming webhook"
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name


class WebhookReceipt(models.Model):
    """A message that was taken, so that it is not taken twice."""

    webhook = models.ForeignKey(IncomingWebhook, on_delete=models.CASCADE, related_name="receipts", db_index=False)
    message_id = models.CharField(max_length=200)
    token_id = models.UUIDField(null=True)
    received_at = models.DateTimeField(db_index=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["webhook", "message_id"], name="webhook_message_once")]


class WebhookSubscription(models.Model):
    """An address that is told of entries of the log."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=100, unique=True)
    url = models.CharField(max_length=500)
    workflow = models.ForeignKey(
        Workflow, null=True, blank=True, on_delete=models.CASCADE, related_name="webhook_subscriptions"
    )
    events = models.JSONField(
        default=list, blank=True, help_text="Kinds of entries, e.g. transition_fired; empty: all."
    )
    sealed = models.TextField(editable=False)
    private_address = models.BooleanField(default=False, help_text="Whether the host may have a private address.")
    enabled = models.BooleanField(default=True)
    after = models.PositiveBigIntegerField(default=0, editable=False, help_text="Only entries after this position.")
    created_at = models.DateTimeField()

    class Meta:
        verbose_name = "outgoing webhook"
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name


class WebhookCursor(models.Model):
    """How far the log was looked through for subscriptions; one row, locked by who does it.

    Everything up to `position` was. Positions are drawn before they are committed, so in a gap before `upto` an entry
    may still turn up until none of `writers`, the transactions that wrote when the gap was seen, runs any more.
    """

    position = models.PositiveBigIntegerField(default=0)
    upto = models.PositiveBigIntegerField(default=0)
    writers = models.JSONField(default=list)
