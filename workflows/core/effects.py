"""What passes between the outbox and the handler of an effect.

An effect is work outside the database that a firing asked for: an agent run, a call. The handler gets an `EffectRun`
and returns an `EffectResult` or raises `errors.EffectFailed`. It may be run more than once for one effect (a worker
died): `EffectRun.id` is the idempotency key to hand on. Handlers are registered in `workflows/actions.py`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


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


@dataclass(frozen=True, slots=True)
class EffectResult:
    """What a handler hands back."""

    data: dict[str, Any] = field(default_factory=dict)
    """Merged into the token's data, shallowly: each key here replaces the token's."""
    metadata: dict[str, Any] = field(default_factory=dict)
    """Merged into the token's metadata, shallowly."""
    fire: str | None = None
    """The id of a transition to fire on with the token, in the same transaction."""


Handler = Callable[[EffectRun], EffectResult]
