"""The `circuit_breaker` member of a request: what a client may ask of the routing, checked to the last field.

A field or value we do not know is refused when the request is read, naming it; so is a hard constraint this version
cannot keep (`refuse_unkept`), because ignoring it would break a promise about money. Preferences (`max_latency_ms`,
most strategies, `task_type`) are accepted and used as far as routing can. Next file: `routing.py`, which applies them.
"""

from typing import Annotated, Literal

import msgspec

from llm.core.errors import InvalidRequest

Strategy = Literal[
    "cost_optimized", "performance_first", "balanced", "reliability_first", "task_specific", "load_balanced"
]
TaskType = Literal[
    "general", "chat", "coding", "analysis", "creative", "reasoning", "summarization", "translation", "extraction"
]
Amount = Annotated[float, msgspec.Meta(ge=0)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=512)]
Names = Annotated[list[Name], msgspec.Meta(max_length=32)]
Label = Annotated[str, msgspec.Meta(max_length=256)]


class BudgetTracking(msgspec.Struct, forbid_unknown_fields=True):
    """Whom the call is booked to."""

    user_id: Label | None = None
    project_id: Label | None = None


class BudgetConstraint(msgspec.Struct, forbid_unknown_fields=True):
    """US dollars."""

    daily_limit: Amount | None = None
    monthly_limit: Amount | None = None
    per_request_limit: Amount | None = None


class Options(msgspec.Struct, forbid_unknown_fields=True):
    """All fields; None means not given."""

    routing_strategy: Strategy | None = None
    max_cost_per_1k_tokens: Amount | None = None
    """US dollars: neither 1,000 input nor 1,000 output tokens may cost more. A model without a price does not fit."""
    max_latency_ms: Amount | None = None
    """A wish, not a limit."""
    fallback_models: Names | None = None
    """Tried in this order after the requested model. Names nobody offers are passed over."""
    task_type: TaskType | None = None
    require_streaming: bool | None = None
    prefer_models: Names | None = None
    preferred_providers: Names | None = None
    prefer_large_context: bool | None = None
    budget_tracking: BudgetTracking | None = None
    budget_constraint: BudgetConstraint | None = None


def refuse_unkept(options: Options) -> None:
    """Raises InvalidRequest for a hard constraint that nothing enforces yet."""
    if options.budget_constraint is not None:
        raise InvalidRequest(
            "`circuit_breaker.budget_constraint` cannot be enforced by this version, so it is refused, not ignored. "
            "Leave it out, or limit the price with `max_cost_per_1k_tokens`.",
            "circuit_breaker.budget_constraint",
        )
