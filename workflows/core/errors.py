"""Every error the workflow engine raises, in one tree.

    WorkflowError
    ├── BadDefinition          BAD_DEFINITION          the net as written is faulty; `details.path` says where
    ├── BadInput               BAD_INPUT               an argument is malformed, unknown or too large
    ├── WorkflowNotFound       WORKFLOW_NOT_FOUND
    ├── TokenNotFound          TOKEN_NOT_FOUND
    ├── CaseNotFound           CASE_NOT_FOUND
    ├── CaseArchived           CASE_ARCHIVED           the case is finished and archived: nothing moves in it any more
    ├── EffectNotFound         EFFECT_NOT_FOUND
    ├── UnknownPlace           UNKNOWN_PLACE
    ├── UnknownTransition      UNKNOWN_TRANSITION
    ├── WorkflowExists         WORKFLOW_EXISTS         the id is taken by another definition
    ├── VersionConflict        VERSION_CONFLICT        the workflow has another version than the caller expected
    ├── RuleNotFound           RULE_NOT_FOUND
    ├── RuleExists             RULE_EXISTS             the id is taken by another stored rule
    ├── RuleConflict           RULE_CONFLICT           the stored rule has another version than the caller expected
    ├── NotSound               NOT_SOUND               the analysis proved something wrong; `details.findings`
    ├── NotEnabled             NOT_ENABLED             `details.reasons` says why, each with a kind
    ├── TokenConflict          TOKEN_CONFLICT          another firing was faster, or the expected version is gone
    ├── SubscriberTooSlow      SUBSCRIBER_TOO_SLOW     `details.after` is where to go on
    ├── IdempotencyMismatch    IDEMPOTENCY_MISMATCH    the key was used before for something else
    ├── TaskNotFound           TASK_NOT_FOUND
    ├── TaskConflict           TASK_CONFLICT           another person was faster, or the task is over
    ├── TaskNotYours           TASK_NOT_YOURS          it is for somebody else
    ├── FormInvalid            FORM_INVALID            `details.violations`: what of the answer does not fit, with paths
    └── EffectFailed           EFFECT_FAILED           raised by effect handlers; says whether to try again

`code` and `details` are shown to API clients as they are, so both hold plain JSON values and no secrets.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar


class WorkflowError(Exception):
    """Root of the tree."""

    code: ClassVar[str] = "WORKFLOW_ERROR"

    def __init__(self, message: str, **details: Any) -> None:
        super().__init__(message)
        self.details: dict[str, Any] = details


class BadDefinition(WorkflowError):
    """A definition that cannot be compiled to a net; `path` leads to the fault, e.g. `transitions[2].toPlace`."""

    code = "BAD_DEFINITION"

    def __init__(self, path: str, message: str) -> None:
        super().__init__(f"{path}: {message}" if path else message, path=path)
        self.path = path


class BadInput(WorkflowError):
    """An argument that is malformed, unknown or too large; `argument` names it."""

    code = "BAD_INPUT"

    def __init__(self, argument: str, message: str) -> None:
        super().__init__(f"{argument}: {message}", argument=argument)


class WorkflowNotFound(WorkflowError):
    code = "WORKFLOW_NOT_FOUND"

    def __init__(self, workflow_id: str) -> None:
        super().__init__(f"There is no workflow {workflow_id!r}; query `workflows` lists them.", workflowId=workflow_id)


class TokenNotFound(WorkflowError):
    code = "TOKEN_NOT_FOUND"

    def __init__(self, token_id: str) -> None:
        super().__init__(f"There is no token {token_id!r}.", tokenId=token_id)


class CaseNotFound(WorkflowError):
    code = "CASE_NOT_FOUND"

    def __init__(self, case_id: str) -> None:
        super().__init__(f"There is no case {case_id!r}; query `cases` lists them.", caseId=case_id)


class CaseArchived(WorkflowError):
    code = "CASE_ARCHIVED"

    def __init__(self, case_id: str) -> None:
        super().__init__(
            f"Case {case_id} is finished and archived: it can be read, but no token moves in it. Open a new case, or "
            "have this one brought back by `manage.py restore_cases`.",
            caseId=case_id,
        )


class EffectNotFound(WorkflowError):
    code = "EFFECT_NOT_FOUND"

    def __init__(self, effect_id: str) -> None:
        super().__init__(f"There is no effect {effect_id!r}.", effectId=effect_id)


class UnknownPlace(WorkflowError):
    code = "UNKNOWN_PLACE"

    def __init__(self, workflow_id: str, place: str, hint: str = "") -> None:
        super().__init__(f"Workflow {workflow_id!r} has no place {place!r}{hint}.", workflowId=workflow_id, place=place)


class UnknownTransition(WorkflowError):
    code = "UNKNOWN_TRANSITION"

    def __init__(self, workflow_id: str, transition: str, hint: str = "") -> None:
        super().__init__(
            f"Workflow {workflow_id!r} has no transition {transition!r}{hint}.",
            workflowId=workflow_id,
            transitionId=transition,
        )


class WorkflowExists(WorkflowError):
    code = "WORKFLOW_EXISTS"

    def __init__(self, workflow_id: str) -> None:
        super().__init__(
            f"A workflow with the id {workflow_id!r} exists already; choose another id.", workflowId=workflow_id
        )


class VersionConflict(WorkflowError):
    code = "VERSION_CONFLICT"

    def __init__(self, workflow_id: str, expected: int, current: int) -> None:
        super().__init__(
            f"Workflow {workflow_id!r} is at version {current}, not {expected}; read it again before you change it.",
            workflowId=workflow_id,
            expectedVersion=expected,
            version=current,
        )


class RuleNotFound(WorkflowError):
    code = "RULE_NOT_FOUND"

    def __init__(self, rule_id: str) -> None:
        super().__init__(f"There is no stored rule {rule_id[:200]!r}; query `rules` lists them.", ruleId=rule_id[:200])


class RuleExists(WorkflowError):
    code = "RULE_EXISTS"

    def __init__(self, rule_id: str) -> None:
        super().__init__(f"There is a stored rule {rule_id!r} already; `updateRule` changes it.", ruleId=rule_id)


class RuleConflict(WorkflowError):
    code = "RULE_CONFLICT"

    def __init__(self, rule_id: str, expected: int, current: int) -> None:
        super().__init__(
            f"Stored rule {rule_id!r} is at version {current}, not {expected}; read it again before you change it.",
            ruleId=rule_id,
            expectedVersion=expected,
            version=current,
        )


class NotSound(WorkflowError):
    """A definition to be taken only if nothing is proved wrong with it. `findings`: kind, message and trace."""

    code = "NOT_SOUND"

    def __init__(self, findings: Sequence[Mapping[str, Any]]) -> None:
        said = "; ".join(str(each["message"]) for each in findings)
        super().__init__(f"The definition was not taken: {said}.", findings=[dict(each) for each in findings])


class NotEnabled(WorkflowError):
    """The transition cannot fire with this token now. `reasons`: JSON objects with `kind` and `message`."""

    code = "NOT_ENABLED"

    def __init__(self, transition: str, reasons: Sequence[Mapping[str, Any]], **details: Any) -> None:
        said = "; ".join(str(reason["message"]) for reason in reasons)
        super().__init__(
            f"Transition {transition!r} is not enabled: {said}.",
            transitionId=transition,
            reasons=[dict(reason) for reason in reasons],
            **details,
        )


class TokenConflict(WorkflowError):
    """Another firing was faster, or the version the caller expected is gone. Read the token again, then decide."""

    code = "TOKEN_CONFLICT"


class IdempotencyMismatch(WorkflowError):
    """The idempotency key was used before with another request. Use a new key for a new request."""

    code = "IDEMPOTENCY_MISMATCH"


class SubscriberTooSlow(WorkflowError):
    """A live view whose queue ran full. Everything up to `after` was delivered: subscribe again from there."""

    code = "SUBSCRIBER_TOO_SLOW"

    def __init__(self, after: int) -> None:
        super().__init__(
            f"Events came faster than they were taken; subscribe again with after: {str(after)!r}.", after=str(after)
        )


class TaskNotFound(WorkflowError):
    code = "TASK_NOT_FOUND"

    def __init__(self, task_id: str) -> None:
        super().__init__(f"There is no task {task_id!r}; query `tasks` lists them.", taskId=task_id)


class TaskConflict(WorkflowError):
    """Another person was faster, or the task is over. Read it again."""

    code = "TASK_CONFLICT"


class TaskNotYours(WorkflowError):
    """The task is for another person, or for a group the person is not in."""

    code = "TASK_NOT_YOURS"


class FormInvalid(WorkflowError):
    """An answer that does not fit the task's form. `violations`: (path, message) pairs."""

    code = "FORM_INVALID"

    def __init__(self, task_id: str, violations: Sequence[tuple[str, str]]) -> None:
        said = "; ".join(f"{path or 'the answer'} {message}" for path, message in violations)
        super().__init__(
            f"The answer does not fit the task's form: {said}.",
            taskId=task_id,
            violations=[{"path": path, "message": message} for path, message in violations],
        )


class EffectFailed(WorkflowError):
    """Raised by a handler when its effect did not succeed.

    `retryable` allows another attempt; `retry_after` is the least number of seconds to wait before it.
    """

    code = "EFFECT_FAILED"

    def __init__(self, message: str, retryable: bool = False, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retryable = retryable
        self.retry_after = retry_after
