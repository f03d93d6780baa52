"""Tables of the agents app. Written by `services` only; JSON columns hold the API's camelCase objects, already checked.

No column holds a provider secret (`core/definition.py` refuses them). An execution belongs to one effect of the
workflow engine's outbox: its unique `effect_id` is what makes a second run of the effect find the first one's result.
"""

import uuid

from django.db import models


def new_id() -> str:
    """A fresh id, as text: ids in this app may also be given, e.g. by seeds."""
    return str(uuid.uuid4())


class Agent(models.Model):
    """A model with its instructions. Used at places through PlaceAgentConfig, or directly."""

    id = models.CharField(primary_key=True, max_length=64, default=new_id, editable=False)
    name = models.CharField(max_length=200)
    description = models.TextField(blank=True, default="")
    llm_provider = models.JSONField(default=dict, help_text='{"providerType", "model"}; keys belong to the provider.')
    llm_config = models.JSONField(
        default=dict,
        blank=True,
        help_text="temperature, maxTokens, topP, frequencyPenalty, presencePenalty, stopSequences; all optional.",
    )
    prompts = models.JSONField(default=dict, blank=True, help_text="system, userTemplate, contextInstructions.")
    capabilities = models.JSONField(default=list, blank=True, help_text="Labels, a list of strings.")
    tools = models.JSONField(default=list, blank=True, help_text="Names of tools, a list of strings.")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ("name", "id")

    def __str__(self) -> str:
        return self.name


class PlaceAgentConfig(models.Model):
    """An agent at work at a place: it runs for each token that arrives there."""

    id = models.CharField(primary_key=True, max_length=64, default=new_id, editable=False)
    workflow_id = models.CharField(
        max_length=128, blank=True, default="", help_text="Empty: any workflow with such a place."
    )
    place_id = models.CharField(max_length=200)
    agent = models.ForeignKey(Agent, on_delete=models.PROTECT, related_name="places")
    llm_config = models.JSONField(default=dict, blank=True, help_text="Overrides the agent's, field by field.")
    input_mapping = models.JSONField(
        default=dict, blank=True, help_text='{"agentKey": "data.field"}; empty: all of the token\'s data.'
    )
    output_mapping = models.JSONField(
        default=dict, blank=True, help_text='{"data.field": "outputKey"}; empty: the token\'s data stays as it is.'
    )
    auto_transition = models.CharField(
        max_length=200, blank=True, default="", help_text="Fired with the token when the agent is done."
    )
    schedule = models.JSONField(
        default=dict, blank=True, help_text="initialDelaySeconds, intervalSeconds, maxExecutions; empty: once, at once."
    )
    retry_config = models.JSONField(
        default=dict, blank=True, help_text="maxAttempts (3), backoffSeconds (2, doubled each time), retryOnErrors."
    )
    trigger_conditions = models.JSONField(
        default=list, blank=True, help_text="Rules that must all hold for the token, or nothing runs."
    )
    enabled = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name = "place agent configuration"
        ordering = ("place_id", "created_at")
        indexes = [models.Index(fields=["place_id"], name="place_agent_by_place")]

    def __str__(self) -> str:
        return f"{self.agent} at {self.place_id}"


class AgentExecution(models.Model):
    """One run of an agent, through all its attempts."""

    class Status(models.TextChoices):
        PENDING = "PENDING", "pending"
        RUNNING = "RUNNING", "running"
        COMPLETED = "COMPLETED", "completed"
        FAILED = "FAILED", "failed"
        TIMEOUT = "TIMEOUT", "timed out"
        CANCELLED = "CANCELLED", "cancelled"

    OPEN = (Status.PENDING, Status.RUNNING)

    id = models.CharField(primary_key=True, max_length=64, default=new_id, editable=False)
    effect_id = models.CharField(max_length=64, unique=True)
    agent = models.ForeignKey(Agent, on_delete=models.PROTECT, related_name="executions")
    config = models.ForeignKey(PlaceAgentConfig, null=True, on_delete=models.SET_NULL, related_name="executions")
    token_id = models.CharField(max_length=64, blank=True, default="")
    workflow_id = models.CharField(max_length=128, blank=True, default="")
    place_id = models.CharField(max_length=200, blank=True, default="")
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.PENDING)
    input_data = models.JSONField(default=dict)
    output_data = models.JSONField(null=True)
    reply_text = models.TextField(blank=True, default="", help_text="The model's answer, word for word.")
    error_message = models.TextField(blank=True, default="")
    attempt = models.PositiveIntegerField(default=0, help_text="The effect's attempt that runs or ran last.")
    retry_count = models.PositiveIntegerField(default=0, help_text="Failed model calls that were followed by a retry.")
    model = models.CharField(max_length=200, blank=True, default="", help_text="The model that answered.")
    finish_reason = models.CharField(max_length=50, blank=True, default="")
    prompt_tokens = models.PositiveBigIntegerField(default=0)
    completion_tokens = models.PositiveBigIntegerField(default=0)
    cost_nano = models.BigIntegerField(null=True, help_text="Nano-dollars, as told by the gateway; the ledger counts.")
    request_ids = models.JSONField(default=list, help_text="X-Request-Id of each model call, in order.")
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True)
    completed_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("-created_at",)
        indexes = [
            models.Index(fields=["token_id", "created_at"], name="execution_by_token"),
            models.Index(fields=["status", "created_at"], name="execution_by_status"),
            models.Index(fields=["agent", "created_at"], name="execution_by_agent"),
            models.Index(fields=["created_at"], name="execution_by_age"),
        ]

    def __str__(self) -> str:
        return f"{self.agent_id} {self.status}"

    @property
    def duration_ms(self) -> int | None:
        """From the first start to the end; None while there is none."""
        if self.started_at is None or self.completed_at is None:
            return None
        return int((self.completed_at - self.started_at).total_seconds() * 1000)


class AgentExecutionEvent(models.Model):
    """How an execution was after a change of its status; they are numbered from 1 and never change."""

    execution = models.ForeignKey(AgentExecution, on_delete=models.CASCADE, related_name="events", db_index=False)
    seq = models.PositiveIntegerField()
    status = models.CharField(max_length=10, choices=AgentExecution.Status.choices)
    attempt = models.PositiveIntegerField()
    retry_count = models.PositiveIntegerField()
    error_message = models.TextField(blank=True, default="")
    at = models.DateTimeField()

    class Meta:
        ordering = ("execution", "seq")
        constraints = [models.UniqueConstraint(fields=["execution", "seq"], name="execution_event_once")]

    def __str__(self) -> str:
        return f"{self.execution_id} {self.seq} {self.status}"
