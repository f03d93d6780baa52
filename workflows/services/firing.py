"""Makes tokens and moves them. One transaction each: lock the case, bind, compare-and-set, append, effects, commit.

Of several firings of one token at the same time exactly one finds it as the others saw it. The others raise
TokenConflict if the token moved under them, NotEnabled if it had moved before they looked; both say where it is now.
"""

import uuid
from collections.abc import Collection, Mapping
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
from workflows.core.net import Net, Transition
from workflows.core.notation import nearest
from workflows.core.payload import checked_object, checked_text
from workflows.models import Case, Firing, Token
from workflows.services.cascade import follow, settle, wake_sharers
from workflows.services.journal import Entry, append, lock_case
from workflows.services.shared import enter, holder_of, lock_holders, within_shared

EFFECT_KEY, SIGNAL_KEY = "effect:", "signal:"
"""Prefixes of the engine's own idempotency keys; callers' keys may not begin so."""


def create_token(
    workflow_id: str,
    *,
    place: str | None = None,
    data: Mapping[str, Any] | None = None,
    metadata: Mapping[str, Any] | None = None,
    triggered_by: str = "",
    case_id: str | None = None,
    parent_effect: str | None = None,
) -> Token:
    """Put a new token into a place (the workflow's initial one by default), in a new case or a given one.

    A token for a shared place goes to those who share it and opens no case. What the token sets going by itself fires
    in the same transaction. Raises WorkflowNotFound, UnknownPlace, BadInput, NotEnabled (the place is full).
    """
    given, about = checked_object(data, "data"), checked_object(metadata, "metadata")
    checked_source(triggered_by)
    with transaction.atomic():
        case, net, place = _case_and_place(workflow_id, place, triggered_by, case_id, parent_effect)
        now = timezone.now()
        holders = lock_holders(case, net)
        capacity = net.places[place].capacity
        if capacity is not None:
            present = Token.objects.filter(case=case, place=place, state=Token.LIVE).count()
            if present >= capacity:
                message = f'"{place}" has {present} tokens and has room for {capacity}'
                raise NotEnabled("createToken", [{"kind": "full", "message": message, "place": place}])
        id_ = str(uuid.uuid4())
        token = TokenValue(id_, place, given, about, entered=case.last_seq + 1, arrived=now.timestamp())
        append(case, Entry(Firing.CREATED, token.id, now, data=given, triggered_by=triggered_by), Change((), (token,)))
        if case.scope:
            wake_sharers([case], net, now)
        else:
            settle(case, net, holders, now)
        return Token.objects.get(pk=token.id)


def fire(
    token_id: str,
    transition_id: str,
    data: Mapping[str, Any] | None = None,
    *,
    metadata: Mapping[str, Any] | None = None,
    idempotency_key: str | None = None,
    expected_version: int | None = None,
    partner_token_ids: Collection[str] | None = None,
    triggered_by: str = "",
) -> Token:
    """Fire a transition with this token; returns the token as it is afterwards.

    Its partners in a join are found, first in first out, unless `partner_token_ids` names exactly those to take.
    The same idempotency key once more, for the same token and transition, fires nothing and returns the token.
    Raises TokenNotFound, UnknownTransition, NotEnabled with reasons, TokenConflict, IdempotencyMismatch, BadInput.
    """
    given, about = checked_object(data, "data"), checked_object(metadata, "metadata")
    if idempotency_key is not None:
        checked_text(idempotency_key, "idempotencyKey")
        if idempotency_key.startswith((EFFECT_KEY, SIGNAL_KEY)):
            raise BadInput("idempotencyKey", f"may not begin with {EFFECT_KEY!r} or {SIGNAL_KEY!r}")
    checked_source(triggered_by)
    partners = None if partner_token_ids is None else [_token_id(each) for each in partner_token_ids]
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
        transition_named = selectors.net_of(case.version).transitions.get(transition_id)
        if transition_named is not None and transition_named.kind == "outcome":
            message = f'it is how the step "{transition_named.step}" ends, which its work outside says'
            raise NotEnabled(transition_id, [{"kind": "outcome", "message": message}], tokenId=token_id)
        fire_locked(
            case,
            entry,
            about,
            seen_version=seen.version,
            expected_version=expected_version,
            partners=partners,
        )
        return Token.objects.get(pk=seen.pk)


def fire_locked(
    case: Case,
    entry: Entry,
    metadata: Mapping[str, Any],
    *,
    seen_version: int | None = None,
    expected_version: int | None = None,
    at_any_time: bool = False,
    partners: Collection[str] | None = None,
) -> Firing:
    """Fire `entry.transition` with `entry.token_id`, and what follows by itself. The caller holds the case's lock.

    `at_any_time`: also before its interval, as when work outside says by itself that its time is over.
    UnknownTransition, NotEnabled, TokenConflict and BadInput are raised before anything is written.
    """
    net = selectors.net_of(case.version)
    transition = selectors.known_transition(net, case.workflow_id, entry.transition)
    if case.scope and not within_shared(net, transition, case.scope):
        message = (
            "the token lies in a place that cases share, and the transition goes through a case: name a token of it"
        )
        raise NotEnabled(transition.id, [{"kind": "shared", "message": message}], tokenId=entry.token_id)
    holders = lock_holders(case, net)
    shared = {place: holder.pk for place, holder in holders.items()}
    marking = selectors.load_marking(case.pk, net.watched_by(transition), uuid.UUID(entry.token_id), shared=shared)
    token = marking.find(entry.token_id)
    if expected_version is not None and (token is None or token.version != expected_version):
        raise _conflict(entry.token_id, token, f"it was expected at version {expected_version}", [])
    if token is None:
        raise _gone(entry, transition, seen_version)
    clock = entry.now.timestamp()
    binding = find_binding(net, transition, marking, token, None if at_any_time else clock, partners)
    if isinstance(binding, list):
        if seen_version is not None and token.version != seen_version:
            raise _conflict(entry.token_id, token, "another firing was faster", binding)
        raise NotEnabled(transition.id, binding, tokenId=token.id, place=token.place, version=token.version)
    change = fire_binding(binding, entry.data or {}, metadata, case.last_seq + 1, lambda: str(uuid.uuid4()), clock)
    change = enter(change, holders)
    firing = append(case, entry, change, holders)
    follow(case, net, holders, transition, change, entry)
    if not case.scope:  # what cases share moves by itself with a case
        settle(case, net, holders, entry.now)
    return firing


def checked_source(triggered_by: str) -> str:
    """`triggered_by` as the log can keep it, possibly empty; raises BadInput."""
    return checked_text(triggered_by, "triggeredBy") if triggered_by else ""


def _case_and_place(
    workflow_id: str, place: str | None, triggered_by: str, case_id: str | None, parent_effect: str | None
) -> tuple[Case, Net, str]:
    """Whose the new token is, locked, and where it goes: the given case, a new one, or a shared place's holder."""
    case = _given_case(case_id, workflow_id) if case_id is not None else None
    workflow = selectors.existing_workflow(workflow_id) if case is None else case.workflow
    version = workflow.current if case is None else case.version
    assert version is not None
    net = selectors.net_of(version)
    place = net.initial_place if place is None else place
    if place not in net.places:
        raise UnknownPlace(workflow_id, place[:200], nearest(place, net.places))
    if place in net.running:
        raise BadInput("place", f"{place!r} holds the tokens of a step that is under way; start the step instead")
    if net.places[place].scope != "case":
        return lock_case(holder_of(workflow, net.places[place].scope).pk), net, place
    if case is None:
        now = timezone.now()
        case = Case.objects.create(
            workflow=workflow,
            version=version,
            triggered_by=triggered_by,
            created_at=now,
            parent_effect=parent_effect,
        )
    return case, net, place


def _token_id(text: str) -> str:
    try:
        return str(uuid.UUID(text))
    except ValueError:
        raise BadInput("partnerTokenIds", f"{text[:200]!r} is no token id") from None


def _given_case(case_id: str, workflow_id: str) -> Case:
    try:
        case = lock_case(uuid.UUID(case_id))
    except (ValueError, Case.DoesNotExist):
        raise BadInput("caseId", f"there is no case {case_id[:200]!r}") from None
    if case.scope:
        raise BadInput(
            "caseId", f"{case_id} holds what cases share; leave the caseId out for a token of a shared place"
        )
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
