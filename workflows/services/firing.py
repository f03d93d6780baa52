"""Makes tokens and moves them. One transaction each: lock the case, bind, compare-and-set, append, effects, commit.

Of several firings of one token at the same time exactly one finds it as the others saw it. The others raise
TokenConflict if the token moved under them, NotEnabled if it had moved before they looked; both say where it is now.
"""

import uuid
from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.utils import timezone

from workflows import selectors
from workflows.core.errors import (
    BadInput,
    IdempotencyMismatch,
    NotEnabled,
    TokenConflict,
    UnknownPlace,
)
from workflows.core.firing import Reason, find_binding
from workflows.core.firing import fire as fire_binding
from workflows.core.marking import Change
from workflows.core.marking import Token as TokenValue
from workflows.core.net import Transition
from workflows.core.notation import nearest
from workflows.core.payload import checked_object, checked_text
from workflows.models import Case, Firing, Token
from workflows.services.journal import Entry, append, lock_case

EFFECT_KEY = "effect:"
"""Prefix of the engine's own idempotency keys; callers' keys may not begin so."""


def create_token(
    workflow_id: str,
    *,
    place: str | None = None,
    data: Mapping[str, Any] | None = None,
    metadata: Mapping[str, Any] | None = None,
    triggered_by: str = "",
    case_id: str | None = None,
) -> Token:
    """Put a new token into a place (the workflow's initial one by default), in a new case or a given one.

    Raises WorkflowNotFound, UnknownPlace, BadInput, NotEnabled (the place is full).
    """
    given, about = checked_object(data, "data"), checked_object(metadata, "metadata")
    now = timezone.now()
    with transaction.atomic():
        case = _open_case(workflow_id, triggered_by) if case_id is None else _given_case(case_id, workflow_id)
        net = selectors.net_of(case.version)
        place = net.initial_place if place is None else place
        if place not in net.places:
            raise UnknownPlace(workflow_id, place[:200], nearest(place, net.places))
        capacity = net.places[place].capacity
        if capacity is not None:
            present = Token.objects.filter(case=case, place=place, state=Token.LIVE).count()
            if present >= capacity:
                message = f'"{place}" has {present} tokens and has room for {capacity}'
                raise NotEnabled("createToken", [{"kind": "full", "message": message, "place": place}])
        token = TokenValue(str(uuid.uuid4()), place, given, about, entered=case.last_seq + 1)
        append(case, Entry(Firing.CREATED, token.id, now, data=given, triggered_by=triggered_by), Change((), (token,)))
        return Token.objects.get(pk=token.id)


def fire(
    token_id: str,
    transition_id: str,
    data: Mapping[str, Any] | None = None,
    *,
    metadata: Mapping[str, Any] | None = None,
    idempotency_key: str | None = None,
    expected_version: int | None = None,
    triggered_by: str = "",
) -> Token:
    """Fire a transition with this token; returns the token as it is afterwards.

    The same idempotency key once more, for the same token and transition, fires nothing and returns the token.
    Raises TokenNotFound, UnknownTransition, NotEnabled with reasons, TokenConflict, IdempotencyMismatch, BadInput.
    """
    given, about = checked_object(data, "data"), checked_object(metadata, "metadata")
    if idempotency_key is not None:
        checked_text(idempotency_key, "idempotencyKey")
        if idempotency_key.startswith(EFFECT_KEY):
            raise BadInput("idempotencyKey", f"may not begin with {EFFECT_KEY!r}")
    with transaction.atomic():
        seen = selectors.existing_token(token_id)
        case = lock_case(seen.case_id)
        if idempotency_key is not None and _fired_before(case, idempotency_key, seen, transition_id, given):
            return Token.objects.get(pk=seen.pk)
        entry = Entry(
            kind=Firing.FIRED,
            token_id=str(seen.pk),
            now=timezone.now(),
            transition=transition_id,
            data=given,
            triggered_by=triggered_by,
            idempotency_key=idempotency_key,
        )
        fire_locked(case, entry, about, seen_version=seen.version, expected_version=expected_version)
        return Token.objects.get(pk=seen.pk)


def fire_locked(
    case: Case,
    entry: Entry,
    metadata: Mapping[str, Any],
    *,
    seen_version: int | None = None,
    expected_version: int | None = None,
) -> Firing:
    """Fire `entry.transition` with `entry.token_id`. The caller holds the case's lock, in a transaction.

    UnknownTransition, NotEnabled, TokenConflict and BadInput are raised before anything is written.
    """
    net = selectors.net_of(case.version)
    transition = selectors.known_transition(net, case.workflow_id, entry.transition)
    marking = selectors.load_marking(case.pk, net.watched_by(transition), uuid.UUID(entry.token_id))
    token = marking.find(entry.token_id)
    if expected_version is not None and (token is None or token.version != expected_version):
        raise _conflict(entry.token_id, token, f"it was expected at version {expected_version}", [])
    if token is None:
        raise _gone(entry, transition, seen_version)
    binding = find_binding(net, transition, marking, token)
    if isinstance(binding, list):
        if seen_version is not None and token.version != seen_version:
            raise _conflict(entry.token_id, token, "another firing was faster", binding)
        raise NotEnabled(transition.id, binding, tokenId=token.id, place=token.place, version=token.version)
    change = fire_binding(binding, entry.data or {}, metadata, case.last_seq + 1, lambda: str(uuid.uuid4()))
    return append(case, entry, change)


def _open_case(workflow_id: str, triggered_by: str) -> Case:
    workflow = selectors.existing_workflow(workflow_id)
    assert workflow.current is not None
    return Case.objects.create(
        workflow=workflow, version=workflow.current, triggered_by=triggered_by, created_at=timezone.now()
    )


def _given_case(case_id: str, workflow_id: str) -> Case:
    try:
        case = lock_case(uuid.UUID(case_id))
    except (ValueError, Case.DoesNotExist):
        raise BadInput("caseId", f"there is no case {case_id[:200]!r}") from None
    if case.workflow_id != workflow_id:
        raise BadInput("caseId", f"case {case_id} belongs to workflow {case.workflow_id!r}, not {workflow_id!r}")
    return case


def _fired_before(case: Case, key: str, token: Token, transition_id: str, data: dict[str, Any]) -> bool:
    earlier = Firing.objects.filter(case=case, idempotency_key=key).first()
    if earlier is None:
        return False
    if (earlier.token_id, earlier.transition, earlier.data) != (token.pk, transition_id, data):
        raise IdempotencyMismatch(
            f"The idempotency key {key!r} was used for firing {earlier.transition!r} with token {earlier.token_id} and "
            "other arguments; use a new key.",
            firedTransitionId=earlier.transition,
            firedTokenId=str(earlier.token_id),
        )
    return True


def _conflict(token_id: str, token: TokenValue | None, why: str, reasons: list[Reason]) -> TokenConflict:
    now = f'in "{token.place}" at version {token.version}' if token else "consumed"
    return TokenConflict(
        f"Token {token_id} is {now}; {why}. Read it again before you decide.",
        tokenId=token_id,
        place=token.place if token else None,
        version=token.version if token else None,
        reasons=reasons,
    )


def _gone(entry: Entry, transition: Transition, seen_version: int | None) -> NotEnabled | TokenConflict:
    row = Token.objects.get(pk=entry.token_id)
    if seen_version is not None and row.history_count > seen_version + 1:
        return _conflict(entry.token_id, None, "another firing was faster", [])
    reason = {"kind": "token_consumed", "message": f'the token was consumed in "{row.place}"', "place": row.place}
    return NotEnabled(transition.id, [reason], tokenId=entry.token_id)
