"""What passes between the outbox and the handler of an effect.

An effect is work outside the database that a firing asked for: an agent run, a call. The handler gets an `EffectRun`
and returns an `EffectResult` or raises `errors.EffectFailed`. It may be run more than once for one effect (a worker
died): `EffectRun.id` is the idempotency key to hand on. Handlers are registered in `workflows/actions.py`.

Two things ask for effects. A place (an agent there): the result is merged, and `fire` may name a transition. A step
of the net (`core/refinement.py`): `EffectRun.step` names it, `input` is what its template made of the token, and the
result's `outcome` fires the step's own transition. An error that may not be tried again is the outcome `failed`. Work
that others will finish (a person, another case) returns `waiting`: the effect then holds no worker and no lease until
`services.complete(effect_id, attempt, result)` ends it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Outcome = Literal["ok", "failed", "timeout", "cancelled", "waiting"]


@dataclass(frozen=True, slots=True)
class TokenView:
    """A token as it stood when the effect was claimed."""

    id: str
    workflow_id: str
    case_id: str
    place: str
    data: Mapping[str, Any]
    metadata: Mapping[str, Any]
    version: int
    """Counts every change of the token, from 1."""
    history_count: int
    """Entries in the token's history so far."""


@dataclass(frozen=True, slots=True)
class EffectRun:
    """One attempt at one effect."""

    id: str
    """The effect's id: the same in every attempt."""
    attempt: int
    """From 1. A result is accepted only from the newest attempt."""
    kind: str
    reference: str
    """What the kind's handler looks up, e.g. the id of an agent configuration."""
    payload: Mapping[str, Any]
    token: TokenView | None
    step: str = ""
    """The id of the net's step this is the work of; empty for a place's."""
    input: Mapping[str, Any] = field(default_factory=dict)
    """What the step's `input` template made of the token; the token's data where it has none."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """The step's other `work` keys as written, durations in seconds, expressions evaluated."""


@dataclass(frozen=True, slots=True)
class EffectResult:
    """What a handler hands back."""

    data: dict[str, Any] = field(default_factory=dict)
    """Merged into the token's data, shallowly: each key here replaces the token's. A step's `output` template, where it
    has one, says instead what is merged (on the outcome ok)."""
    metadata: dict[str, Any] = field(default_factory=dict)
    """Merged into the token's metadata, shallowly."""
    fire: str | None = None
    """The id of a transition to fire on with the token, in the same transaction. Not of a step: its outcome fires."""
    outcome: Outcome = "ok"
    """How a step's work ended; one without a transition of its own goes the way of `failed`."""


Handler = Callable[[EffectRun], EffectResult]
