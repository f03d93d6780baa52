"""Writes of the workflow engine: each public function is one transaction (or a savepoint of the caller's).

`definitions` makes workflows and versions, `rules` what their conditions may name, `migration` moves running cases to
another version, `firing` makes and moves tokens, `destination` only to a named place, `cascade` what then fires by
itself, `shared` the places that cases share, `signals` tells of what happened outside, `effects` ends and asks for
work outside, `subworkflows` lets a case be a step of another, `places` says which places ask for work, `human_tasks`
lets people do theirs, `webhooks` takes messages and `webhook_events` sends them, `seeds` holds the two workflows that
exist from the start, `journal` appends to the log, `life` says when a case is finished, `archive` moves finished cases
out of the way and `restore` brings them back, `rebuild` makes the token rows anew from the log.
"""

from workflows.services.archive import Archived, archive_case, archive_finished
from workflows.services.definitions import create_workflow, update_workflow
from workflows.services.destination import fire_to
from workflows.services.effects import COMPLETED, DUPLICATE, FENCED, ORPHANED, complete, enqueue, fail, retry_now
from workflows.services.firing import create_token, fire
from workflows.services.human_tasks import (
    cancel_lost_tasks,
    claim_task,
    complete_task,
    escalate_task,
    open_task,
    release_task,
    settle_tasks,
)
from workflows.services.migration import CaseMigration, MigrationPage, migrate_cases
from workflows.services.places import attach_action, detach_action
from workflows.services.rebuild import CaseCheck, rebuild_case
from workflows.services.restore import restore_case
from workflows.services.rules import check_rule, create_rule, delete_rule, update_rule
from workflows.services.seeds import seed_workflows
from workflows.services.signals import Moved, signal
from workflows.services.webhook_events import forget_effects, tell_subscribers
from workflows.services.webhooks import (
    Taken,
    WebhookNotFound,
    add_incoming_webhook,
    add_webhook_subscription,
    check_incoming_webhook,
    check_webhook_subscription,
    enable_webhook,
    forget_receipts,
    open_secret,
    remove_webhook,
    take_message,
)

__all__ = [
    "COMPLETED",
    "DUPLICATE",
    "FENCED",
    "ORPHANED",
    "Archived",
    "CaseCheck",
    "CaseMigration",
    "MigrationPage",
    "Moved",
    "Taken",
    "WebhookNotFound",
    "add_incoming_webhook",
    "add_webhook_subscription",
    "archive_case",
    "archive_finished",
    "attach_action",
    "cancel_lost_tasks",
    "check_incoming_webhook",
    "check_rule",
    "check_webhook_subscription",
    "claim_task",
    "complete",
    "complete_task",
    "create_rule",
    "create_token",
    "create_workflow",
    "delete_rule",
    "detach_action",
    "enable_webhook",
    "enqueue",
    "escalate_task",
    "fail",
    "fire",
    "fire_to",
    "forget_effects",
    "forget_receipts",
    "migrate_cases",
    "open_secret",
    "open_task",
    "rebuild_case",
    "release_task",
    "remove_webhook",
    "restore_case",
    "retry_now",
    "seed_workflows",
    "settle_tasks",
    "signal",
    "take_message",
    "tell_subscribers",
    "update_rule",
    "update_workflow",
]
