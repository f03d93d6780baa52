"""Tables of the workflow engine, written by `services` and `outbox` only.

`engine` holds definitions, cases, tokens, the log, the outbox and the archive; `tasks` what waits for people.
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
from workflows.models.tasks import HumanTask

__all__ = [
    "ArchivedLog",
    "ArchivedToken",
    "Case",
    "CaseArchive",
    "Firing",
    "HumanTask",
    "OutboxEffect",
    "PlaceAction",
    "Token",
    "TokenChange",
    "Workflow",
    "WorkflowVersion",
]
