"""The ledger, its rollups, budgets, and the API keys of clients. Only `billing.services` writes them.

Call holds one row per finished call, and one for each failed attempt before its last; rows never change. DailyUsage is
the ledger folded by day, provider, model, user and project, kept so that analytics do not slow down as the ledger
grows. Money is integer nano-dollars. Clock times are UTC, kept to the microsecond. Of an ApiKey only the hash is
stored. Next file: `services/`.
"""

import uuid
from datetime import datetime

from django.db import models

from billing.core.budget import PERIODS

NAME = 256
"""Names longer than this are cut when booked: an odd name must not cost a record."""


class Call(models.Model):
    """One metered call, or one attempt before its last, as its gateway recorded it (`billing/core/usage.py`)."""

    id = models.UUIDField(primary_key=True)
    gateway = models.CharField(max_length=NAME)
    number = models.BigIntegerField(help_text="The gateway's own count.")
    request_id = models.CharField(max_length=NAME)
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField()
    asked_at = models.DateTimeField(
        null=True, help_text="When the last attempt began, where others came before it; else it is `started_at`."
    )
    first_byte_at = models.DateTimeField(null=True)
    provider = models.CharField(max_length=NAME)
    provider_key = models.CharField(max_length=NAME, blank=True)
    api_key = models.CharField(max_length=NAME, blank=True, help_text="Id of the client's key.")
    model = models.CharField(max_length=NAME)
    requested_model = models.CharField(max_length=NAME)
    operation = models.CharField(
        max_length=NAME, blank=True, help_text="What was asked for; empty: it was not kept then."
    )
    status = models.IntegerField()
    outcome = models.CharField(max_length=20)
    error_code = models.CharField(max_length=NAME, blank=True)
    input_tokens = models.BigIntegerField(default=0)
    cached_input_tokens = models.BigIntegerField(default=0)
    cache_write_tokens = models.BigIntegerField(default=0)
    cache_write_1h_tokens = models.BigIntegerField(default=0)
    output_tokens = models.BigIntegerField(default=0)
    reasoning_tokens = models.BigIntegerField(default=0)
    audio_input_tokens = models.BigIntegerField(default=0)
    audio_output_tokens = models.BigIntegerField(default=0)
    web_searches = models.BigIntegerField(default=0)
    cost_nano = models.BigIntegerField()
    price = models.JSONField(null=True, help_text="Nano-dollars per million tokens, as applied.")
    unpriced = models.BooleanField(default=False)
    estimated = models.BooleanField(default=False)
    streamed = models.BooleanField(default=False)
    user = models.CharField(max_length=NAME, blank=True)
    project = models.CharField(max_length=NAME, blank=True)
    origin = models.CharField(max_length=NAME, blank=True)
    attempts = models.IntegerField("attempt", default=1, help_text="In the call's own row: so many were made.")
    call = models.UUIDField(null=True, help_text="Of an attempt that another one followed: the call it belongs to.")
    overhead_us = models.BigIntegerField(default=0)
    position = models.BigIntegerField(
        null=True,
        editable=False,
        help_text="In the order of booking, without gaps; empty: booked before they were drawn.",
    )

    class Meta:
        ordering = ["-finished_at"]
        indexes = [
            models.Index(fields=["-finished_at"], name="billing_call_finished"),
            models.Index(fields=["provider", "-finished_at"], name="billing_call_provider"),
            models.Index(fields=["model", "-finished_at"], name="billing_call_model"),
            models.Index(fields=["user", "-finished_at"], name="billing_call_user"),
            models.Index(fields=["project", "-finished_at"], name="billing_call_project"),
            models.Index(fields=["user", "position"], name="billing_call_user_position"),
            models.Index(fields=["request_id"], name="billing_call_request"),
            models.Index(fields=["origin"], name="billing_call_origin", condition=~models.Q(origin="")),
            models.Index(fields=["call"], name="billing_call_attempts", condition=models.Q(call__isnull=False)),
        ]
        constraints = [models.UniqueConstraint(fields=["position"], name="billing_call_position_once")]

    def __str__(self) -> str:
        return f"{self.model} {self.id}"


class LedgerEnd(models.Model):
    """One row: the position of the last call booked. Whoever books holds its lock, so positions are drawn and become
    visible in the same order."""

    position = models.BigIntegerField(default=0)


class DailyUsage(models.Model):
    """The calls that finished on one UTC day, by provider, model, user and project (empty: none given)."""

    day = models.DateField()
    provider = models.CharField(max_length=NAME)
    model = models.CharField(max_length=NAME)
    user = models.CharField(max_length=NAME, blank=True)
    project = models.CharField(max_length=NAME, blank=True)
    requests = models.BigIntegerField(default=0)
    attempts = models.BigIntegerField(
        default=0, help_text="Made here, also those that failed before another one answered, maybe elsewhere."
    )
    failures = models.BigIntegerField(default=0)
    unpriced = models.BigIntegerField(default=0)
    input_tokens = models.BigIntegerField(default=0)
    cached_input_tokens = models.BigIntegerField(default=0)
    cache_write_tokens = models.BigIntegerField(default=0)
    cache_write_1h_tokens = models.BigIntegerField(default=0)
    output_tokens = models.BigIntegerField(default=0)
    reasoning_tokens = models.BigIntegerField(default=0)
    audio_input_tokens = models.BigIntegerField(default=0)
    audio_output_tokens = models.BigIntegerField(default=0)
    web_searches = models.BigIntegerField(default=0)
    cost_nano = models.BigIntegerField(default=0)

    class Meta:
        ordering = ["-day", "provider", "model"]
        verbose_name_plural = "daily usage"
        constraints = [
            models.UniqueConstraint(
                fields=["day", "provider", "model", "user", "project"], name="billing_daily_usage_once"
            )
        ]
        indexes = [
            models.Index(fields=["user", "day"], name="billing_daily_user"),
            models.Index(fields=["project", "day"], name="billing_daily_project"),
        ]

    def __str__(self) -> str:
        return f"{self.day} {self.provider} {self.model}"


class Budget(models.Model):
    """What a user, a project, a user in a project or (both empty) everybody may spend in each period of UTC."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.CharField(max_length=NAME, blank=True)
    project = models.CharField(max_length=NAME, blank=True)
    period = models.CharField(max_length=10, choices=[(period, period) for period in PERIODS])
    limit_nano = models.BigIntegerField(help_text="Nano-dollars.")
    thresholds = models.JSONField(default=list, help_text="Percent of the limit, ascending.")
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        ordering = ["user", "project", "period"]
        constraints = [models.UniqueConstraint(fields=["user", "project", "period"], name="billing_budget_once")]

    def __str__(self) -> str:
        return f"{self.period} {self.user} {self.project}".strip()


class ApiKey(models.Model):
    """A client's key. Its rights and limits travel to the gateways, which never ask here."""

    name = models.CharField(max_length=100, help_text="For people: who uses it, for what.")
    digest = models.CharField(max_length=64, unique=True, editable=False)
    hint = models.CharField("key", max_length=20, editable=False)
    user = models.CharField(max_length=NAME, blank=True, help_text="Calls are booked on this user.")
    project = models.CharField(max_length=NAME, blank=True, help_text="Calls are booked on this project.")
    scopes = models.JSONField(default=list)
    allowed_models = models.JSONField(default=list, blank=True)
    requests_per_minute = models.PositiveIntegerField(null=True, blank=True, help_text="Empty: no limit.")
    tokens_per_minute = models.PositiveIntegerField(null=True, blank=True)
    burst = models.PositiveIntegerField(null=True, blank=True, help_text="At once; empty: a minute's worth.")
    concurrent_requests = models.PositiveIntegerField(null=True, blank=True)
    show_cost = models.BooleanField(
        "show cost",
        default=False,
        help_text="The usage of each reply says what it cost, as if each request asked.",
    )
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True, editable=False)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False, help_text="As of the last booked call.")

    class Meta:
        ordering = ["-created_at", "-pk"]
        verbose_name = "API key"

    def __str__(self) -> str:
        return f"{self.name} ({self.hint})"

    def expired(self, now: datetime) -> bool:
        return self.expires_at is not None and self.expires_at <= now


class KeyVersion(models.Model):
    """One row: grows with every change of a key, so that a gateway's copy is known to be old."""

    number = models.BigIntegerField(default=0)
