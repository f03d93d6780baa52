"""Every error of the agents app, in one tree.

    AgentError
    ├── BadDefinition        AGENT_BAD_DEFINITION    a malformed agent or configuration; `details.path` says where
    ├── KeyRefused           AGENT_KEY_REFUSED       a provider secret was sent where none is kept
    ├── NotSupported         AGENT_NOT_SUPPORTED     a field is understood but this release cannot honour it
    ├── UnknownVariable      PROMPT_VARIABLE_UNKNOWN a prompt names a variable that does not exist
    ├── PromptTooLong        PROMPT_TOO_LONG
    ├── MappingFailed        MAPPING_FAILED          a mapping is malformed or its path leads nowhere
    ├── AgentNotFound        AGENT_NOT_FOUND
    ├── ConfigNotFound       PLACE_AGENT_CONFIG_NOT_FOUND
    ├── ExecutionNotFound    AGENT_EXECUTION_NOT_FOUND
    ├── AgentInUse           AGENT_IN_USE
    └── ModelCallFailed      MODEL_CALL_FAILED       the gateway or the model did not answer; says whether to try again

`code` and `details` are shown to API clients as they are, so both hold plain JSON values and no secrets.
"""

from collections.abc import Iterable
from typing import Any, ClassVar


class AgentError(Exception):
    """Root of the tree."""

    code: ClassVar[str] = "AGENT_ERROR"

    def __init__(self, message: str, **details: Any) -> None:
        super().__init__(message)
        self.details: dict[str, Any] = details


class BadDefinition(AgentError):
    """A value that cannot be part of a definition; `path` leads to it, e.g. `llmConfig.temperature`."""

    code = "AGENT_BAD_DEFINITION"

    def __init__(self, path: str, message: str) -> None:
        super().__init__(f"{path}: {message}" if path else message, path=path)


class KeyRefused(AgentError):
    code = "AGENT_KEY_REFUSED"

    def __init__(self, path: str) -> None:
        super().__init__(
            f"{path}: an agent keeps no provider secret, so nothing was stored. Configure the key once, for the "
            "provider (mutation configureLlmProvider, the admin page Provider keys, or the environment), and leave "
            "this field out.",
            path=path,
        )


class NotSupported(AgentError):
    """Said instead of silently ignoring a field."""

    code = "AGENT_NOT_SUPPORTED"

    def __init__(self, path: str, message: str) -> None:
        super().__init__(f"{path}: {message}", path=path)


class UnknownVariable(AgentError):
    code = "PROMPT_VARIABLE_UNKNOWN"

    def __init__(self, template: str, variable: str, known: Iterable[str]) -> None:
        names = sorted(known)
        super().__init__(
            f"{template}: there is no variable {{{variable}}} here; there are: "
            f"{', '.join(f'{{{name}}}' for name in names) or 'none'}. Write {{{{{variable}}}}} for the literal text.",
            template=template,
            variable=variable,
            known=names,
        )


class PromptTooLong(AgentError):
    code = "PROMPT_TOO_LONG"

    def __init__(self, template: str, limit: int) -> None:
        super().__init__(
            f"{template}: the prompt with its data exceeds {limit:,} characters; map fewer or smaller fields.",
            template=template,
            limit=limit,
        )


class MappingFailed(AgentError):
    """`path` is the dotted path at fault, `mapping` is `inputMapping` or `outputMapping`."""

    code = "MAPPING_FAILED"

    def __init__(self, mapping: str, path: str, message: str) -> None:
        super().__init__(f"{mapping}: {path!r}: {message}", mapping=mapping, path=path)


class AgentNotFound(AgentError):
    code = "AGENT_NOT_FOUND"

    def __init__(self, agent_id: str) -> None:
        super().__init__(f"There is no agent {agent_id!r}; query `agents` lists them.", agentId=agent_id)


class ExecutionNotFound(AgentError):
    code = "AGENT_EXECUTION_NOT_FOUND"

    def __init__(self, execution_id: str) -> None:
        super().__init__(f"There is no agent execution {execution_id[:200]!r}.", executionId=execution_id[:200])


class ConfigNotFound(AgentError):
    code = "PLACE_AGENT_CONFIG_NOT_FOUND"

    def __init__(self, config_id: str) -> None:
        super().__init__(
            f"There is no agent configuration {config_id!r}; query `placeAgentConfigs` lists those of a place.",
            configId=config_id,
        )


class AgentInUse(AgentError):
    code = "AGENT_IN_USE"

    def __init__(self, agent_id: str) -> None:
        super().__init__(
            f"Agent {agent_id!r} has place configurations or executions and cannot be deleted; disable its place "
            "configurations instead, so that its history stays.",
            agentId=agent_id,
        )


class ModelCallFailed(AgentError):
    """A model call without an answer. `kind` is one of `loop.RETRYABLE_KINDS`, or `refused` or `malformed`."""

    code = "MODEL_CALL_FAILED"

    def __init__(
        self, message: str, kind: str, *, status: int | None = None, retry_after_seconds: float | None = None
    ) -> None:
        super().__init__(message, kind=kind, status=status)
        self.kind = kind
        self.status = status
        self.retry_after_seconds = retry_after_seconds
