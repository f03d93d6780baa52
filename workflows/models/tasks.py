"""What waits for a person: one row for each human step that a token has come to.

A task names its token and its effect without pointing at them: those of finished cases move to the archive, tasks stay.
Next: `services/human_tasks.py`.
"""

import uuid

from django.db import models

from workflows.models.engine import Case, Workflow


class HumanTask(models.Model):
    """A task, from the token's arrival until a person, the clock or the token's leaving ends it."""

    OPEN, CLAIMED, COMPLETED, CANCELLED, EXPIRED = "open", "claimed", "completed", "cancelled", "expired"
    WAITING = (OPEN, CLAIMED)

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    workflow = models.ForeignKey(Workflow, on_delete=models.PROTECT, related_name="tasks")
    case = models.ForeignKey(Case, on_delete=models.PROTECT, related_name="tasks", db_index=False)
    token_id = models.UUIDField()
    entered_seq = models.PositiveBigIntegerField(help_text="The token's visit this task belongs to.")
    effect_id = models.UUIDField(unique=True)
    attempt = models.PositiveIntegerField(help_text="The effect's attempt that waits for the answer.")
    transition = models.CharField(max_length=200, help_text="The step of the workflow.")
    title = models.CharField(max_length=200)
    assignee = models.CharField(max_length=150, blank=True, default="", help_text="The only person who may do it.")
    group = models.CharField(max_length=150, blank=True, default="", help_text="Whose members may do it.")
    form = models.JSONField(default=dict, help_text="JSON schema of the answer; empty: no answer but that it is done.")
    data = models.JSONField(default=dict, help_text="What the person is shown.")
    state = models.CharField(
        max_length=10,
        choices=[(state, state) for state in (OPEN, CLAIMED, COMPLETED, CANCELLED, EXPIRED)],
        default=OPEN,
    )
    claimed_by = models.CharField(max_length=150, blank=True, default="")
    completed_by = models.CharField(max_length=150, blank=True, default="")
    result = models.JSONField(null=True)
    deadline = models.DateTimeField(null=True, help_text="Then the step's outcome is timeout.")
    escalate_at = models.DateTimeField(null=True, help_text="Then it goes to those named in `escalation`.")
    escalation = models.JSONField(default=dict, help_text="assignee and group from then on.")
    created_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = "task"
        ordering = ("-created_at", "id")
        indexes = [
            models.Index(fields=["state", "created_at"], name="task_by_state"),
            models.Index(fields=["assignee", "state"], name="task_by_assignee"),
            models.Index(fields=["group", "state"], name="task_by_group"),
            models.Index(fields=["case", "state"], name="task_by_case"),
            models.Index(fields=["deadline"], name="task_deadline", condition=models.Q(state__in=["open", "claimed"])),
            models.Index(
                fields=["escalate_at"], name="task_escalation", condition=models.Q(state__in=["open", "claimed"])
            ),
        ]

    def __str__(self) -> str:
        return self.title or self.transition
