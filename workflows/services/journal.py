"""Appends to the log and keeps the token rows equal to it. Every function here wants the case's lock held.

Compare-and-set guards each token on top of the lock: a row count that does not match raises TokenConflict and undoes
the whole transaction. Locking order everywhere: case, then effect. The case's lock is taken before the log's number is
drawn, which `selectors.read_log` relies on.
"""

import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from workflows import outbox, selectors
from workflows.core.errors import CaseArchived, TokenConflict
from workflows.core.marking import Change
from workflows.core.marking import Token as TokenValue
from workflows.core.net import Step
from workflows.core.payload import checked_object
from workflows.models import Case, Firing, OutboxEffect, PlaceAction, Token, TokenChange
from workflows.services.life import life_after
from workflows.services.schedules import first_run
from workflows.services.shared import Holders, split

SUB_WORKFLOW, RETURN, CANCEL = "workflow", "return", "cancel"
"""Kinds of effects: a step opens a case, that case ends the step, and is closed where the step ended without it."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What the log keeps of one firing beside its change."""

    kind: str
    token_id: str
    now: datetime
    transition: str = ""
    data: dict[str, Any] | None = None
    triggered_by: str = ""
    idempotency_key: str | None = None


def lock_case(case_id: uuid.UUID) -> Case:
    """The case, locked until the transaction ends; raises CaseArchived for one that can no longer change.

    Postgres joins a row it had to wait for with the version seen before: one that has moved to another version
    meanwhile is not found, and so looked for again. It moves once for each new version, so this ends.
    """
    locked = Case.objects.select_for_update(of=("self",)).select_related("version").defer("version__definition")
    case = locked.filter(pk=case_id).first()
    while case is None:
        Case.objects.only("pk").get(pk=case_id)  # raises if there is none
        case = locked.filter(pk=case_id).first()
    if case.archived_at is not None:
        raise CaseArchived(str(case_id))
    return case


def append(case: Case, entry: Entry, change: Change, holders: Holders | None = None) -> Firing:
    """Write one log entry, the token rows it changes and the effects it asks for; bumps `case.last_seq`.

    With `holders`, what happens in shared places goes into their holders' logs, as one entry each. The change has
    been through `shared.enter`.
    """
    _check_sizes(change)
    if holders:
        change, theirs = split(change, holders)
        firing = append(case, entry, change)
        for holder, part in theirs.values():
            about = replace(entry, token_id=(*part.consumed, *part.produced)[0].id, idempotency_key=None, data=None)
            append(holder, replace(about, triggered_by=f"case:{case.pk}#{firing.seq}"), part)
        return firing
    seq = case.last_seq + 1
    before = {token.id: token for token in change.consumed}
    after = {token.id: token for token in change.produced}
    for token in change.consumed:
        _take(token, after.get(token.id), entry.now)
    Token.objects.bulk_create([_new_row(case, token, entry.now) for token in change.produced if token.id not in before])
    life = life_after(case, change, entry.now)
    if Case.objects.filter(pk=case.pk, last_seq=seq - 1).update(last_seq=seq, **life) != 1:
        raise TokenConflict(
            f"Case {case.pk} was changed by another firing; read its tokens again.", caseId=str(case.pk)
        )
    case.last_seq = seq
    firing = Firing.objects.create(
        workflow_id=case.workflow_id,
        case=case,
        seq=seq,
        kind=entry.kind,
        transition=entry.transition,
        token_id=entry.token_id,
        from_place=before[entry.token_id].place if entry.token_id in before else "",
        to_place=_destination(entry, change),
        data=entry.data or {},
        triggered_by=entry.triggered_by,
        idempotency_key=entry.idempotency_key,
        at=entry.now,
    )
    ids = dict.fromkeys((*before, *after))
    TokenChange.objects.bulk_create([_change_row(firing, before.get(each), after.get(each)) for each in ids])
    arrived = [token for token in change.produced if token.entered == seq]
    _write_effects(_effects_of_places(case, arrived, entry.now) + _effects_of_steps(case, change, entry.now))
    end_work(case, change.consumed, selectors.net_of(case.version).running, entry.now)
    if case.parent_effect is not None:
        _write_effects(_returns(case, arrived, entry.now))
    outbox.announce_on_commit()
    return firing


def _take(token: TokenValue, successor: TokenValue | None, now: datetime) -> None:
    """Compare-and-set one token row: to its next version, or to consumed."""
    row = Token.objects.filter(pk=token.id, state=Token.LIVE, version=token.version)
    if successor is None:
        matched = row.update(state=Token.CONSUMED, updated_at=now)
    else:
        matched = row.update(
            place=successor.place,
            data=successor.data,
            metadata=successor.metadata,
            version=successor.version,
            entered_seq=successor.entered,
            updated_at=now,
            **({"entered_at": now} if successor.entered != token.entered else {}),
        )
    if matched != 1:
        raise TokenConflict(
            f"Token {token.id} is no longer at version {token.version}: another firing was faster. Read it again.",
            tokenId=token.id,
            expectedVersion=token.version,
        )


def _new_row(case: Case, token: TokenValue, now: datetime) -> Token:
    return Token(
        id=uuid.UUID(token.id),
        workflow_id=case.workflow_id,
        case=case,
        place=token.place,
        data=token.data,
        metadata=token.metadata,
        version=token.version,
        entered_seq=token.entered,
        entered_at=now,
        created_at=now,
        updated_at=now,
    )


def _change_row(firing: Firing, before: TokenValue | None, after: TokenValue | None) -> TokenChange:
    token_id = (after or before).id  # type: ignore[union-attr]  # one of the two is there
    return TokenChange(
        firing=firing,
        token_id=uuid.UUID(token_id),
        consumed_version=before.version if before else None,
        produced_version=after.version if after else None,
        from_place=before.place if before else "",
        to_place=after.place if after else "",
        data=after.data if after else None,
        metadata=after.metadata if after else None,
        entered_seq=after.entered if after else None,
    )


def _destination(entry: Entry, change: Change) -> str:
    """Where the named token went; for one that was consumed, where the first of its successors went."""
    own = [token.place for token in change.produced if token.id == entry.token_id]
    return (own or [token.place for token in change.produced] or [""])[0]


def _effects_of_places(case: Case, arrived: list[TokenValue], now: datetime) -> list[OutboxEffect]:
    if not arrived:
        return []
    places = {token.place for token in arrived}
    wishes = [
        wish
        for wish in PlaceAction.objects.filter(place__in=places, enabled=True).order_by("pk")
        if wish.workflow_id in (None, case.workflow_id)
    ]
    return [
        _effect(
            case,
            token,
            now,
            kind=wish.kind,
            reference=wish.reference,
            max_attempts=wish.max_attempts,
            **first_run(wish, now),
        )
        for token in arrived
        for wish in wishes
        if wish.place == token.place
    ]


def _effects_of_steps(case: Case, change: Change, now: datetime) -> list[OutboxEffect]:
    produced, effects = {token.id: token for token in change.produced}, []
    for request in change.requests:
        step = selectors.net_of(case.version).steps[request.step]
        asked = {"input": dict(request.input), "settings": dict(request.settings)}
        more = {"kind": step.kind, "reference": step.work.reference, "max_attempts": step.retries.attempts}
        effects.append(_effect(case, produced[request.token_id], now, step=step.id, payload=asked, **more))
    return effects


def _returns(case: Case, arrived: list[TokenValue], now: datetime) -> list[OutboxEffect]:
    """The first token of a sub-workflow's case to come to rest ends the step of the case above, in a transaction of its
    own; so does the end of a case none of whose tokens did, with no place."""
    assert case.parent_effect is not None
    parent = OutboxEffect.objects.filter(pk=case.parent_effect, state__in=OutboxEffect.UNDER_WAY).first()
    if parent is None:
        return []
    wanted = parent.payload.get("settings", {}).get("returns") or selectors.final_places_of(case.version)
    token = next((token for token in arrived if token.place in wanted), None)
    if (token is None and case.state == Case.OPEN) or selectors.return_of(case, RETURN) is not None:
        return []
    said: dict[str, Any] = {"place": "", "data": {}, "metadata": {}}
    if token is not None:
        said = {"place": token.place, "data": dict(token.data), "metadata": dict(token.metadata)}
    return [_engine_effect(case, now, RETURN, str(parent.pk), said)]


def end_work(case: Case, left: Collection[TokenValue], running: Mapping[str, Step], now: datetime) -> None:
    """Work that waits for others is over when its token leaves, and the case it may have opened is closed; what runs
    or is about to finds out by itself. `running`: the steps by running place, of the net the tokens were in."""
    for token in left:
        if token.place not in running:
            continue
        work = OutboxEffect.objects.filter(token_id=token.id, entered_seq=token.entered)
        if running[token.place].kind == SUB_WORKFLOW:
            lost = work.filter(kind=SUB_WORKFLOW).exclude(state=OutboxEffect.DONE).values_list("pk", flat=True)
            _write_effects([_engine_effect(case, now, CANCEL, str(pk), {}) for pk in lost])
        why = f"The token left {token.place!r} before the step had ended."
        work.filter(state=OutboxEffect.WAITING).update(state=OutboxEffect.ORPHANED, finished_at=now, error=why)


def _engine_effect(case: Case, now: datetime, kind: str, reference: str, payload: dict[str, Any]) -> OutboxEffect:
    return OutboxEffect(
        kind=kind,
        reference=reference,
        payload=payload,
        case=case,
        max_attempts=100,
        available_at=now,
        dispatched_at=now,
        created_at=now,
    )


def _effect(case: Case, token: TokenValue, now: datetime, **more: Any) -> OutboxEffect:
    usual: dict[str, Any] = {"available_at": now, "dispatched_at": now, "created_at": now}
    return OutboxEffect(
        case=case, token_id=uuid.UUID(token.id), entered_seq=token.entered, place=token.place, **(usual | more)
    )


def _write_effects(effects: list[OutboxEffect]) -> None:
    if effects:
        OutboxEffect.objects.bulk_create(effects)
        outbox.dispatch_on_commit(effects)


def _check_sizes(change: Change) -> None:
    """A token may not grow past the limit by many small merges. Raises BadInput before anything is written."""
    for token in change.produced:
        checked_object(token.data, "data")
        checked_object(token.metadata, "metadata")
