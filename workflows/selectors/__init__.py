"""Reads. Nothing here writes or locks; callers that need a steady view hold the case's lock (`services`).

`rows` finds workflows and tokens, `markings` answers what may fire and proves that the log and the token rows agree,
`log` reads the log for live views.
"""

from workflows.selectors.log import (
    LogEntry,
    TokenState,
    log_end,
    log_of_token,
    log_of_workflow,
    read_log,
    take_fence,
)
from workflows.selectors.markings import (
    available_transitions,
    fold_log,
    known_transition,
    load_marking,
    net_of,
    stored_marking,
    value_of,
    why_not_enabled,
    written_transitions,
)
from workflows.selectors.rows import (
    HISTORY_MAXIMUM,
    PAGE_MAXIMUM,
    existing_token,
    existing_workflow,
    load_histories,
    token,
    tokens,
    workflow,
    workflows,
)

__all__ = [
    "HISTORY_MAXIMUM",
    "PAGE_MAXIMUM",
    "LogEntry",
    "TokenState",
    "available_transitions",
    "existing_token",
    "existing_workflow",
    "fold_log",
    "known_transition",
    "load_histories",
    "load_marking",
    "log_end",
    "log_of_token",
    "log_of_workflow",
    "net_of",
    "read_log",
    "stored_marking",
    "take_fence",
    "token",
    "tokens",
    "value_of",
    "why_not_enabled",
    "workflow",
    "workflows",
    "written_transitions",
]
