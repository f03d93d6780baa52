"""What follows a firing in the same transaction: compensation, ended tasks, what fires by itself, when to look again.

`settle` fires automatic transitions, steps' starts and due timers until the case is quiet, at most BURST in one
transaction; the rest goes on by an effect of kind `wake`. The next timer is a `wake` effect too, at its time. A wake is
a hint only: what is due is told by the tokens' arrivals, so one that comes late, twice or for a token that has moved
on fires nothing it should not. A case that fires ENDLESS times without a word from outside is stopped. The caller holds
the case's lock and that of the holders (`shared.py`). The in-memory twin is `core/run.py`.
"""

import logging
import uuid
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from workflows import outbox, selectors
from workflows.core.binding import Binding
from workflows.core.errors import BadInput, EffectFailed, NotEnabled, WorkflowError
from workflows.core.firing import choose, find_binding, next_due
from workflows.core.firing import fire as fire_binding
from workflows.core.marking import Change
from workflows.core.net import Net, Transition
from workflows.core.reasons import Reason
from workflows.models import Case, Firing, OutboxEffect
from workflows.selectors import Waiting
from workflows.services.journal import Entry, append, lock_case
from workflows.services.shared import Holders, enter, lock_holders
from workflows.services.task_log import cancel_left

WAKE = "wake"
BURST = 50
ENDLESS = 10_000
SHARERS, SHARERS_AT_ONCE = 200, 20
"""Cases that one wake looks at when a shared place changed, those that have waited longest first, and after how many it
asks again whether there is anything to take. The rest is left to another wake, so that none is passed over."""
BESIDE: Mapping[str, Any] = {"beside": True}
"""Of a wake that no timer asked for."""
ITSELF, COMPENSATION = "engine", "compensation:"
"""`triggeredBy` of what fires by itself, and how that of what undoes a step begins."""
logger = logging.getLogger(__name__)


def settle(case: Case, net: Net, holders: Holders, now: datetime, *, fired: int = 0) -> int:
    """Fire what fires by itself; returns how many did. `fired`: how many did before, without a word from outside."""
    if not net.spontaneous:
        return 0
    places = frozenset().union(*(net.watched_by(each) for each in net.spontaneous))
    shared = {place: holder.pk for place, holder in holders.items()}
    load = partial(selectors.load_marking, case.pk, places, shared=shared)
    marking = load()
    failed: frozenset[str] = frozenset()
    count = 0
    while (binding := choose(net, marking, now.timestamp(), skip=failed)) is not None:
        if count >= BURST:
            _wake_at(case, now, now, fired + count)
            return count
        if fired + count >= ENDLESS:
            raise EffectFailed(
                f"Case {case.pk} fired {ENDLESS} times by itself: its automatic transitions form a loop."
            )
        try:
            change, undone = _fire(case, net, holders, binding, now)
        except (NotEnabled, BadInput):  # an output's expression, or too much data: said by whyNotEnabled, not here
            failed |= {binding.transition.id}
            continue
        marking, count = load() if undone else marking.apply(change), count + 1
    due = next_due(net, marking, now.timestamp())
    if due is not None:
        _wake_at(case, datetime.fromtimestamp(due, UTC), now, 0)
    return count


def follow(case: Case, net: Net, holders: Holders, transition: Transition, change: Change, entry: Entry) -> bool:
    """What one firing obliges to: undo a step that went wrong, end the tasks of tokens that left, let a step end that
    waits for room, tell those who share a place that it changed. Returns whether that fired something.
    """
    touched = {token.place for token in (*change.consumed, *change.produced)}
    shared = {holders[place].pk: holders[place] for place in touched & holders.keys()}
    wake_sharers([case] if case.scope else list(shared.values()), net, entry.now)
    if any(net.running[token.place].kind == "human" for token in change.consumed if token.place in net.running):
        cancel_left(case, entry.now)
    if any(token.place in net.rooms for token in change.consumed):
        deliver_refused(case, entry.now)
    return _compensate(case, net, holders, transition, change, entry)


def deliver_refused(case: Case, now: datetime) -> None:
    """Have the results handed in again whose steps could not end: what stood in their way may be gone."""
    if selectors.refused_ends(case.pk).exists():
        _write_wake(case, now, now, BESIDE)


def wake_sharers(changed: list[Case], net: Net, now: datetime) -> None:
    """Have the other cases looked at that may wait for what changed in shared places.

    One wake that nobody has begun is enough for many changes: it looks after whoever holds the holder's lock now.
    """
    shared = {place.id for place in net.shared_places()}
    if not changed or not any(net.watched_by(each) & shared for each in net.unasked):
        return
    for holder in changed:
        if not _told(holder, {}).filter(available_at__lte=now).exists():
            _write_wake(holder, now, now, {})


def wake(case_id: str, asked: Mapping[str, Any], now: datetime) -> list[uuid.UUID]:
    """What a `wake` effect with this payload does; returns the cases looked at. For a holder of shared places: settle
    those that may wait for them."""
    case = Case.objects.filter(pk=uuid.UUID(case_id)).first()
    if case is None or case.archived_at is not None:
        return []
    if case.scope:
        since = asked.get("since")
        return _wake_waiting(case, now, since and Waiting(datetime.fromisoformat(since), uuid.UUID(asked["case"])))
    _settle_case(case.pk, int(asked.get("fired", 0)), now, timer=not asked.get("beside"))
    return [case.pk]


def _wake_waiting(holder: Case, now: datetime, after: Waiting | None) -> list[uuid.UUID]:
    with transaction.atomic():
        lock_case(holder.pk)  # what was changed before this wake was told is to be seen below
    looked: list[uuid.UUID] = []
    while len(looked) < SHARERS:
        page = selectors.cases_waiting_for(holder, SHARERS_AT_ONCE, after)
        if not page:
            return looked
        for waiting in page:
            try:
                _settle_case(waiting.case_id, 0, now, timer=False)
            except (
                WorkflowError,
                IntegrityError,
            ) as error:  # of one case, which shows it; the others are not to wait for it
                logger.warning("Case %s was not settled for what it shares: %s", waiting.case_id, error)
                if not _told(waiting.case_id, BESIDE).exists():
                    _write_wake(Case.objects.get(pk=waiting.case_id), now, now, BESIDE)
            looked.append(waiting.case_id)
        after = page[-1]
    assert after is not None
    _write_wake(holder, now, now, {"since": after.since.isoformat(), "case": str(after.case_id)})
    return looked


def _settle_case(case_id: uuid.UUID, fired: int, now: datetime, *, timer: bool) -> None:
    """`timer`: this wake is the one that `wake_at` tells of; beside another, the timer keeps its own."""
    with transaction.atomic():
        case = lock_case(case_id)
        if timer:
            case.wake_at = None  # this wake is over, also if it came too early
        net = selectors.net_of(case.version)
        settle(case, net, lock_holders(case, net), now, fired=fired)


def _compensate(case: Case, net: Net, holders: Holders, transition: Transition, change: Change, entry: Entry) -> bool:
    """After a step ended otherwise than ok: fire its undoing transition with the token, or ask for its effect.

    Returns whether it fired. A transition that is not enabled then stays unfired, which an entry of the log says with
    the reasons; like any other it may fire later.
    """
    if not transition.step or transition.role in ("start", "ok"):
        return False
    undo = net.steps[transition.step].compensation
    if undo is None:
        return False
    about = {"step": transition.step, "outcome": transition.role, "token": entry.token_id}
    if undo.kind:
        data = dict(change.produced[0].data) if change.produced else {}
        effect = OutboxEffect(
            kind=undo.kind,
            reference=undo.reference,
            payload={**undo.payload, **about, "data": data},
            case=case,
            available_at=entry.now,
            dispatched_at=entry.now,
            created_at=entry.now,
        )
        effect.save(force_insert=True)
        outbox.dispatch_on_commit([effect])
        return False
    undoing = net.transitions[undo.transition]
    shared = {place: holder.pk for place, holder in holders.items()}
    marking = selectors.load_marking(case.pk, net.watched_by(undoing), uuid.UUID(entry.token_id), shared=shared)
    token = marking.find(entry.token_id)
    gone: list[Reason] = [{"kind": "token_consumed", "message": "the step's token is gone"}]
    found = find_binding(net, undoing, marking, token, entry.now.timestamp()) if token else gone
    if isinstance(found, Binding):
        try:
            _fire(case, net, holders, found, entry.now, by=f"{COMPENSATION}{transition.step}")
            return True
        except NotEnabled as error:  # an output's expression; said before anything is written, as is the next
            found = list(error.details["reasons"])
        except BadInput as error:
            found = [{"kind": "too_large", "message": str(error)}]
    said = {"step": transition.step, "outcome": transition.role, "reasons": found}
    skipped = replace(entry, kind=Firing.COMPENSATION_SKIPPED, transition=undoing.id, data=said, idempotency_key=None)
    append(case, replace(skipped, triggered_by=f"{COMPENSATION}{transition.step}"), Change((), ()))
    return False


def _fire(
    case: Case, net: Net, holders: Holders, binding: Binding, now: datetime, by: str = ITSELF
) -> tuple[Change, bool]:
    """One firing: what it changed, and whether something else fired because of it."""
    transition, named = binding.transition, binding.named
    change = fire_binding(binding, {}, {}, case.last_seq + 1, lambda: str(uuid.uuid4()), now.timestamp())
    change = enter(change, holders)
    token_id = named.id if named.place not in holders else _own_token(change, holders, named.id)
    entry = Entry("transition_fired", token_id, now, transition.id, triggered_by=by)
    append(case, entry, change, holders)
    return change, follow(case, net, holders, transition, change, entry)


def _own_token(change: Change, holders: Holders, otherwise: str) -> str:
    """A token of the case's own for its log to name."""
    own = (token.id for token in (*change.produced, *change.consumed) if token.place not in holders)
    return next(own, otherwise)


def _wake_at(case: Case, due: datetime, now: datetime, fired: int) -> None:
    """Have the case looked at again then, unless it will be by that time anyway."""
    if case.wake_at is not None and now < case.wake_at <= due:
        return
    due = max(due, now)
    case.wake_at = due
    Case.objects.filter(pk=case.pk).update(wake_at=due)
    _write_wake(case, due, now, {"fired": fired} if fired else {})


def _told(case: Case | uuid.UUID, payload: Mapping[str, Any]) -> QuerySet[OutboxEffect]:
    """Wakes of a case with this payload that nobody has begun."""
    return OutboxEffect.objects.filter(case=case, kind=WAKE, state=OutboxEffect.PENDING, payload=dict(payload))


def _write_wake(case: Case, due: datetime, now: datetime, payload: Mapping[str, Any]) -> None:
    effect = OutboxEffect(
        kind=WAKE,
        reference=str(case.pk),
        payload=dict(payload),
        case=case,
        max_attempts=20,
        available_at=due,
        dispatched_at=due if due - now <= outbox.FAR_OFF else outbox.UNTOLD,
        created_at=now,
    )
    effect.save(force_insert=True)
    outbox.dispatch_on_commit([effect])
