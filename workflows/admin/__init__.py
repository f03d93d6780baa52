"""The admin pages of workflows. All rows are the log, its projection, or pinned by running cases: none is edited.

`workflow_page` and `case_page` are made for people who run workflows, with pictures, and let them fire transitions;
`human_tasks` lets people do theirs; `webhooks` makes and shows webhooks, `rules` stored rules; `rows` holds the lists
of what lies behind; `looking` what all of them share.
Definitions come by `createWorkflow` and `updateWorkflow`.
"""

from workflows.admin.case_page import CaseAdmin
from workflows.admin.human_tasks import HumanTaskAdmin
from workflows.admin.rows import FiringAdmin, OutboxEffectAdmin, PlaceActionAdmin, TokenAdmin
from workflows.admin.rules import StoredRuleAdmin
from workflows.admin.webhooks import IncomingWebhookAdmin, WebhookSubscriptionAdmin
from workflows.admin.workflow_page import WorkflowAdmin

__all__ = [
    "CaseAdmin",
    "FiringAdmin",
    "HumanTaskAdmin",
    "IncomingWebhookAdmin",
    "OutboxEffectAdmin",
    "PlaceActionAdmin",
    "StoredRuleAdmin",
    "TokenAdmin",
    "WebhookSubscriptionAdmin",
    "WorkflowAdmin",
]
