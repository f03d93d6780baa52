"""Tables of the workflow engine, written by `services` and `outbox` only. The log (Firing, TokenChange) is the truth.

`Token` rows and `Case.state` are the projection of the log and are compared with it in tests. A definition
(`WorkflowVersion`) never changes; a case is pinned to its version. Log rows are never updated; those of a finished case
move, whole and at once, to the archive. Indexes that a firing uses hold live tokens only, or end in the case.
"""

import uuid

from django.db import models


class Workflow(models.Model):
    """A definition's name through all its versions."""

    id = models.CharField(primary_key=True, max_length=128)
    name = models.CharField(max_length=200)
    description = models.TextField(blank=True, default="")
    current = models.ForeignKey("WorkflowVersion", null=True, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        ordering = ("id",)

    def __str__(self) -> str:
        return self.name


class WorkflowVersion(models.Model):
    """One immutable definition, as written and checked (`core/notation.py`)."""

    workflow = models.ForeignKey(Workflow, on_delete=models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    definition = models.JSONField()
    created_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["workflow", "number"], name="workflow_version_once")]

    def __str__(self) -> str:
        return f"{self.workflow_id} v{self.number}"


class Case(models.Model):
    """One run of a workflow. Its row is the lock of everything that happens in it."""

    OPEN, FINISHED = "open", "finished"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    workflow = models.ForeignKey(Workflow, on_delete=models.PROTECT, related_name="cases", db_index=False)
    version = models.ForeignKey(WorkflowVersion, on_delete=models.PROTECT, related_name="cases")
    last_seq = models.PositiveBigIntegerField(default=0, help_text="Number of entries in the case's log.")
    triggered_by = models.CharField(max_length=200, blank=True, default="")
    state = models.CharField(max_length=10, choices=[(OPEN, "open"), (FINISHED, "finished")], default=OPEN)
    scope = models.CharField(
        max_length=10, blank=True, default="", help_text="workflow or account: it holds the places that cases share."
    )
    parent_effect = models.UUIDField(null=True, unique=True, help_text="The step of another case that it works for.")
    wake_at = models.DateTimeField(null=True, help_text="When its next timer is due, as far as was told.")
    created_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, help_text="When its last token came to rest in a final place.")
    archived_at = models.DateTimeField(null=True, help_text="When its log and tokens moved to the archive.")
    restored_at = models.DateTimeField(null=True, help_text="When they came back from there.")

    class Meta:
        indexes = [
            models.Index(fields=["workflow", "created_at"], name="case_by_workflow"),
            models.Index(fields=["workflow", "state", "created_at"], name="case_by_state"),
            models.Index(
                fields=["finished_at"],
                name="case_to_archive",
                condition=models.Q(state="finished", archived_at__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return str(self.id)


class Token(models.Model):
    """Where a token lies now, or where it lay when it was consumed."""

    LIVE, CONSUMED = "live", "consumed"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    workflow = models.ForeignKey(Workflow, on_delete=models.PROTECT, related_name="tokens", db_index=False)
    case = models.ForeignKey(Case, on_delete=models.PROTECT, related_name="tokens")
    place = models.CharField(max_length=200)
    data = models.JSONField(default=dict)
    metadata = models.JSONField(default=dict)
    version = models.PositiveBigIntegerField(default=1)
    entered_seq = models.PositiveBigIntegerField(help_text="The case's log entry with which it came to its place.")
    entered_at = models.DateTimeField(null=True, help_text="When that was; intervals count from it.")
    state = models.CharField(max_length=10, choices=[(LIVE, "live"), (CONSUMED, "consumed")], default=LIVE)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        indexes = [
            models.Index(fields=["case", "place"], name="token_live_by_case", condition=models.Q(state="live")),
            models.Index(fields=["workflow", "place"], name="token_live_by_place", condition=models.Q(state="live")),
            models.Index(fields=["workflow", "created_at"], name="token_by_workflow"),
            models.Index(fields=["created_at"], name="token_by_age"),
        ]

    def __str__(self) -> str:
        return str(self.id)

    @property
    def history_count(self) -> int:
        """Entries in the history: each change makes a version, and being consumed is one more entry."""
        return self.version + (self.state == Token.CONSUMED)


class Firing(models.Model):
    """One entry of the log. `id` orders all entries (it has gaps); `seq` orders those of a case and has none."""

    CREATED, FIRED = "token_created", "transition_fired"
    EFFECT_COMPLETED, EFFECT_FAILED = "effect_completed", "effect_failed"
    MIGRATED, CANCELLED = "case_migrated", "case_cancelled"
    COMPENSATION_SKIPPED = "compensation_skipped"
    TASK_CREATED, TASK_CLAIMED, TASK_RELEASED = "task_created", "task_claimed", "task_released"
    TASK_ESCALATED, TASK_COMPLETED = "task_escalated", "task_completed"
    TASK_EXPIRED, TASK_CANCELLED = "task_expired", "task_cancelled"
    KINDS = (
        *(CREATED, FIRED, EFFECT_COMPLETED, EFFECT_FAILED, MIGRATED, CANCELLED, COMPENSATION_SKIPPED),
        *(TASK_CREATED, TASK_CLAIMED, TASK_RELEASED, TASK_ESCALATED, TASK_COMPLETED, TASK_EXPIRED, TASK_CANCELLED),
    )

    id = models.BigAutoField(primary_key=True)
    workflow = models.ForeignKey(Workflow, on_delete=models.PROTECT, related_name="firings", db_index=False)
    case = models.ForeignKey(Case, on_delete=models.PROTECT, related_name="firings", db_index=False)
    seq = models.PositiveBigIntegerField()
    kind = models.CharField(max_length=20, choices=[(kind, kind) for kind in KINDS])
    transition = models.CharField(max_length=200, blank=True, default="")
    token = models.ForeignKey(
        Token, on_delete=models.PROTECT, related_name="firings", db_index=False, help_text="The named token."
    )
    from_place = models.CharField(max_length=200, blank=True, default="")
    to_place = models.CharField(max_length=200, blank=True, default="")
    data = models.JSONField(default=dict, help_text="What the caller handed in.")
    triggered_by = models.CharField(max_length=200, blank=True, default="")
    idempotency_key = models.CharField(max_length=200, null=True)
    at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["case", "seq"], name="firing_seq_once"),
            models.UniqueConstraint(
                fields=["case", "idempotency_key"],
                name="firing_key_once",
                condition=models.Q(idempotency_key__isnull=False),
            ),
        ]
        indexes = [
            models.Index(fields=["workflow", "id"], name="firing_by_workflow"),
            models.Index(fields=["token", "id"], name="firing_by_token"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.transition}".strip()


class TokenChange(models.Model):
    """What one firing did to one token. The constraints let each version be produced once and consumed at most once."""

    firing = models.ForeignKey(Firing, on_delete=models.PROTECT, related_name="changes")
    token = models.ForeignKey(Token, on_delete=models.PROTECT, related_name="changes", db_index=False)
    consumed_version = models.PositiveBigIntegerField(null=True)
    produced_version = models.PositiveBigIntegerField(null=True)
    from_place = models.CharField(max_length=200, blank=True, default="")
    to_place = models.CharField(max_length=200, blank=True, default="")
    data = models.JSONField(null=True, help_text="The token's whole data afterwards; null if it was consumed.")
    metadata = models.JSONField(null=True)
    entered_seq = models.PositiveBigIntegerField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["token", "consumed_version"], name="token_version_consumed_once"),
            models.UniqueConstraint(fields=["token", "produced_version"], name="token_version_produced_once"),
        ]
        indexes = [models.Index(fields=["token", "firing"], name="change_by_token")]


class PlaceAction(models.Model):
    """A wish: for every token that arrives at this place, write an effect of this kind."""

    workflow = models.ForeignKey(
        Workflow, null=True, blank=True, on_delete=models.CASCADE, help_text="Empty: any workflow with such a place."
    )
    place = models.CharField(max_length=200)
    kind = models.CharField(max_length=50)
    reference = models.CharField(max_length=200, help_text="What the kind's handler looks up, e.g. an agent's id.")
    enabled = models.BooleanField(default=True)
    max_attempts = models.PositiveSmallIntegerField(default=5)
    delay_seconds = models.FloatField(default=0, help_text="From the arrival to the first run.")
    every_seconds = models.FloatField(
        null=True, blank=True, help_text="From the end of a run to the next, while the token stays; empty: one run."
    )
    most_runs = models.PositiveIntegerField(null=True, blank=True, help_text="For one arrival; empty: no bound.")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["workflow", "place", "kind", "reference"], name="place_action_once"),
            models.UniqueConstraint(
                fields=["place", "kind", "reference"],
                name="place_action_once_anywhere",
                condition=models.Q(workflow__isnull=True),
            ),
        ]
        indexes = [models.Index(fields=["place", "enabled"], name="action_by_place")]

    def __str__(self) -> str:
        return f"{self.kind} at {self.place}"


class OutboxEffect(models.Model):
    """Work outside the database that a transaction asked for. Its state is the truth; Celery messages are hints."""

    PENDING, RUNNING, WAITING = "pending", "running", "waiting"
    DONE, FAILED, ORPHANED = "done", "failed", "orphaned"
    UNDER_WAY = (PENDING, RUNNING, WAITING)

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(max_length=50)
    reference = models.CharField(max_length=200)
    payload = models.JSONField(default=dict)
    case = models.ForeignKey(Case, null=True, on_delete=models.PROTECT, related_name="effects")
    token = models.ForeignKey(Token, null=True, on_delete=models.PROTECT, related_name="effects", db_index=False)
    entered_seq = models.PositiveBigIntegerField(null=True, help_text="The token's visit this effect belongs to.")
    place = models.CharField(max_length=200, blank=True, default="")
    step = models.CharField(max_length=200, blank=True, default="", help_text="The step of the net it is the work of.")
    state = models.CharField(
        max_length=10,
        choices=[(state, state) for state in (PENDING, RUNNING, WAITING, DONE, FAILED, ORPHANED)],
        default=PENDING,
    )
    attempt = models.PositiveIntegerField(default=0)
    max_attempts = models.PositiveSmallIntegerField(default=5)
    available_at = models.DateTimeField(help_text="Not before this.")
    dispatched_at = models.DateTimeField(help_text="When a worker was last told.")
    lease_until = models.DateTimeField(null=True, help_text="While running: another may take over after this.")
    result = models.JSONField(null=True)
    late_results = models.JSONField(default=list, help_text="Results that came after their attempt was taken over.")
    error = models.TextField(blank=True, default="")
    created_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(
                fields=["state", "available_at"],
                name="effect_due",
                condition=models.Q(state__in=["pending", "running"]),
            ),
            models.Index(fields=["token", "created_at"], name="effect_by_token"),
            models.Index(fields=["created_at"], name="effect_by_age"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.reference}"


class CaseArchive(models.Model):
    """What is left of a finished case when its rows have gone: compressed JSON, read back by `selectors/archive.py`."""

    case = models.OneToOneField(Case, primary_key=True, on_delete=models.PROTECT, related_name="archive")
    tokens = models.BinaryField()
    effects = models.BinaryField()
    at = models.DateTimeField()

    def __str__(self) -> str:
        return f"archive of {self.case_id}"


class ArchivedLog(models.Model):
    """A stretch of an archived case's log, both ends included."""

    case = models.ForeignKey(Case, on_delete=models.PROTECT, related_name="archived_log", db_index=False)
    first_seq = models.PositiveBigIntegerField()
    last_seq = models.PositiveBigIntegerField()
    entries = models.BinaryField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["case", "first_seq"], name="archived_log_once")]


class ArchivedToken(models.Model):
    """Where an archived token is to be found."""

    id = models.UUIDField(primary_key=True)
    case = models.ForeignKey(Case, on_delete=models.PROTECT, related_name="archived_tokens")
