"""Tables of the workflow engine, written by `services` and `outbox` only.

`engine` holds definitions, cases, tokens, the log, the outbox and the archive; `rules` what conditions may name;
`tasks` what waits for people; `webhooks` who calls us and whom we call.
"""

from workflows.models.engine import (
    ArchivedLog,
    ArchivedToken,
    Case,
    CaseArchive,
    Firing,
    OutboxEffect,
    PlaceAction,
    Token,
    TokenChange,
    Workflow,
    WorkflowVersion,
)
from workflows.models.rules import RuleTag, StoredRule
from workflows.models.tasks import HumanTask
from workflows.models.webhooks import IncomingWebhook, WebhookCursor, WebhookReceipt, WebhookSubscription

__all__ = [
    "ArchivedLog",
    "ArchivedToken",
    "Case",
    "CaseArchive",
    "Firing",
    "HumanTask",
    "IncomingWebhook",
    "OutboxEffect",
    "PlaceAction",
    "RuleTag",
    "StoredRule",
    "Token",
    "TokenChange",
    "WebhookCursor",
    "WebhookReceipt",
    "WebhookSubscription",
    "Workflow",
    "WorkflowVersion",
]
