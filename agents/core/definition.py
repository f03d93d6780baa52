"""What an agent and a place configuration consist of: typed, bounded, checked at the door.

The names are those of the API (camelCase in JSON). `parse` turns a JSON object into one of these or raises
BadDefinition with the path of the fault; `plain` gives the JSON to store. Nothing here knows a database.
"""

from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta, Struct

from agents.core.errors import BadDefinition, KeyRefused, NotSupported

Name = Annotated[str, Meta(min_length=1, max_length=200)]
Text = Annotated[str, Meta(max_length=200_000)]
Penalty = Annotated[float, Meta(ge=-2, le=2)]
DAY_SECONDS = 86_400


class Definition(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, rename="camel"):
    """A part of a definition; a field that is not given is not stored."""


class Profile(Definition, frozen=True):
    """What an agent is called and said to be good for."""

    name: Name
    description: Annotated[str, Meta(max_length=10_000)] = ""
    capabilities: Annotated[list[Name], Meta(max_length=100)] = []
    """Labels, for people and for search."""
    tools: Annotated[list[Name], Meta(max_length=100)] = []
    """Names of `tools.TOOLS`."""


class LlmProvider(Definition, frozen=True):
    """Which model answers. `model` may be any name the gateway resolves, virtual ones such as `auto` included."""

    provider_type: Annotated[str, Meta(max_length=100)] = ""
    model: Name = "auto"


class LlmConfig(Definition, frozen=True):
    """Sampling. A field left out is left to the model's provider."""

    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    max_tokens: Annotated[int, Meta(ge=1, le=10_000_000)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    frequency_penalty: Penalty | None = None
    presence_penalty: Penalty | None = None
    stop_sequences: Annotated[list[Name], Meta(max_length=16)] | None = None


class Prompts(Definition, frozen=True):
    """Templates (see `prompt.py`)."""

    system: Text = ""
    user_template: Text = ""
    """Empty: the input as JSON."""
    context_instructions: Text = ""
    """Follows the system prompt."""


class Schedule(Definition, frozen=True):
    """When a place's agent runs, counted from the token's arrival."""

    initial_delay_seconds: Annotated[float, Meta(ge=0, le=365 * DAY_SECONDS)] = 0
    interval_seconds: Annotated[float, Meta(ge=1, le=365 * DAY_SECONDS)] | None = None
    """From the end of a run to the next, while the token stays where it is; none: one run."""
    max_executions: Annotated[int, Meta(ge=1, le=1_000_000)] | None = None
    """Runs of one arrival, also those that the trigger conditions let pass by; more than one needs an interval."""


class RetryConfig(Definition, frozen=True):
    """What happens after a failed model call."""

    max_attempts: Annotated[int, Meta(ge=1, le=20)] = 3
    backoff_seconds: Annotated[float, Meta(ge=0, le=DAY_SECONDS)] = 2
    """Before the second attempt; doubled before each further one, up to an hour."""
    retry_on_errors: Annotated[list[str], Meta(max_length=50)] = []
    """Which retryable errors are retried, by kind (`loop.RETRYABLE_KINDS`) or HTTP status; empty: all of them."""


class Placing(Definition, frozen=True):
    """An agent at a place."""

    place_id: Name
    agent_id: Name
    workflow_id: Annotated[str, Meta(max_length=128)] = ""
    """Empty: any workflow with such a place."""
    llm_config: LlmConfig = LlmConfig()
    """Overrides the agent's, field by field."""
    input_mapping: Annotated[dict[str, str], Meta(max_length=100)] = {}
    output_mapping: Annotated[dict[str, str], Meta(max_length=100)] = {}
    auto_transition: Annotated[str, Meta(max_length=200)] = ""
    schedule: Schedule = Schedule()
    retry_config: RetryConfig = RetryConfig()
    trigger_conditions: Any = None
    """Rules of the workflow engine, which checks them."""
    enabled: bool = True


PartT = TypeVar("PartT", bound=Definition)


def parse(kind: type[PartT], value: Any, path: str) -> PartT:
    """`value` as `kind`; nulls count as left out. Raises BadDefinition with the path, in API names."""
    if value is None:
        value = {}
    try:
        return msgspec.convert(_given(value, 2), kind)
    except msgspec.ValidationError as problem:
        message, _, where = str(problem).partition(" - at `$")
        raise BadDefinition((path + where.rstrip("`")).lstrip("."), f"{message}.") from None


def _given(value: Any, levels: int) -> Any:
    """Without nulls, in objects and the objects directly inside them."""
    if not isinstance(value, dict) or not levels:
        return value
    return {key: _given(item, levels - 1) for key, item in value.items() if item is not None}


def parse_provider(value: Any) -> LlmProvider:
    """The provider part of an agent. Raises KeyRefused for a secret, NotSupported for an address of its own."""
    given = dict(value) if isinstance(value, dict) else value
    if isinstance(given, dict):
        if given.pop("apiKey", None):
            raise KeyRefused("llmProvider.apiKey")
        if given.pop("baseUrl", None):
            raise NotSupported(
                "llmProvider.baseUrl",
                "every model call goes through the gateway, which knows the addresses. Configure the address once for "
                "the provider (mutation configureLlmProvider or the admin page Providers) and leave this field out.",
            )
    return parse(LlmProvider, given, "llmProvider")


def check_schedule(schedule: Schedule) -> None:
    """Raise BadDefinition for a number of runs that nothing would ever reach."""
    if (schedule.max_executions or 1) > 1 and schedule.interval_seconds is None:
        raise BadDefinition(
            "schedule.maxExecutions", "more than one run needs schedule.intervalSeconds, the time between two of them."
        )


def plain(part: Definition) -> dict[str, Any]:
    """The JSON object to store: only what was given."""
    stored: dict[str, Any] = msgspec.to_builtins(part)
    return stored


def overlaid(under: LlmConfig, over: LlmConfig) -> LlmConfig:
    """`under` with every field that `over` gives."""
    return parse(LlmConfig, {**plain(under), **plain(over)}, "llmConfig")
