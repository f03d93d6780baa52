"""Signals: something outside happened, and the tokens that wait for it go on. One transaction for each case.

A signal reaches every token before a transition of kind `signal` with its name whose correlation fields equal those
sent; a field the transition does not name is not compared. Nobody waiting is no error: the answer is empty, and the
signal is not kept. A signal that must not be lost is a token in a shared place. With an idempotency key, sending again
moves nothing again. Next: `firing.py`.
"""

import logging
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.utils import timezone

from workflows import selectors
from workflows.core.binding import Binding, find_binding
from workflows.core.errors import BadInput, NotEnabled
from workflows.core.expressions import ExpressionFailed, View, evaluate_expression
from workflows.core.marking import Token as TokenValue
from workflows.core.net import Transition
from workflows.core.payload import checked_object, checked_text
from workflows.models import Case, Firing
from workflows.services.firing import SIGNAL_KEY, fire_locked
from workflows.services.journal import Entry, lock_case

CASES_AT_ONCE = 1_000
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Moved:
    """One token that a signal moved."""

    case_id: str
    token_id: str
    transition: str


def signal(
    name: str,
    *,
    case_id: str | None = None,
    workflow_id: str | None = None,
    correlation: Mapping[str, Any] | None = None,
    data: Mapping[str, Any] | None = None,
    idempotency_key: str | None = None,
    triggered_by: str = "",
) -> list[Moved]:
    """Send a signal to one case, or to all open cases of a workflow; returns what it moved, possibly nothing.

    Raises BadInput, WorkflowNotFound, CaseArchived.
    """
    checked_text(name, "name")
    wanted, given = checked_object(correlation, "correlation"), checked_object(data, "data")
    if (case_id is None) == (workflow_id is None):
        raise BadInput("caseId", "name either a case or a workflow")
    if idempotency_key is not None:
        checked_text(idempotency_key, "idempotencyKey", 120)
    if workflow_id is not None:
        selectors.existing_workflow(workflow_id)
        cases = _waiting(workflow_id, name)
    else:
        cases = iter([_uuid(str(case_id))])
    moved: list[Moved] = []
    for each in cases:
        about = Entry(Firing.FIRED, "", timezone.now(), data=given, triggered_by=triggered_by or f"signal:{name}"[:200])
        moved += _send(each, name, wanted, about, idempotency_key)
    return moved


def _waiting(workflow_id: str, name: str) -> Iterator[uuid.UUID]:
    """All cases with a token before the signal, in pages: there may be very many, and each is a transaction."""
    after: selectors.Waiting | None = None
    while page := selectors.cases_before_signal(workflow_id, name, CASES_AT_ONCE, after):
        yield from (waiting.case_id for waiting in page)
        after = page[-1]


def _send(case_id: uuid.UUID, name: str, wanted: dict[str, Any], about: Entry, key: str | None) -> list[Moved]:
    moved: list[Moved] = []
    with transaction.atomic():
        case = lock_case(case_id)
        net = selectors.net_of(case.version)
        waiting = [each for each in net.transitions.values() if each.kind == "signal" and each.work is not None]
        heard = [each for each in waiting if each.work is not None and each.work.reference == name]
        for transition in heard:
            marking = selectors.load_marking(case.pk, net.watched_by(transition))
            for token in [token for place in transition.source_places for token in marking.at(place)]:
                if _matches(transition, token, wanted) and _fire(case, transition, token.id, about, key):
                    moved.append(Moved(str(case.pk), token.id, transition.id))
    return moved


def _fire(case: Case, transition: Transition, token_id: str, about: Entry, key: str | None) -> bool:
    """Fire with this token if it still can: an earlier one of the same signal may have taken it."""
    unique = None if key is None else f"{SIGNAL_KEY}{key}:{token_id}"
    if unique is not None and Firing.objects.filter(case=case, idempotency_key=unique).exists():
        return False
    net, now = selectors.net_of(case.version), timezone.now()
    shared = selectors.shared_cases(case.workflow_id, net)
    marking = selectors.load_marking(case.pk, net.watched_by(transition), uuid.UUID(token_id), shared=shared)
    token = marking.find(token_id)
    if token is None or not isinstance(find_binding(net, transition, marking, token, now.timestamp()), Binding):
        return False
    entry = Entry(about.kind, token_id, now, transition.id, about.data, about.triggered_by, unique)
    try:
        fire_locked(case, entry, {})
    except (NotEnabled, BadInput) as error:  # its outputs do not fit what the signal carries; the others' may
        logger.warning("Token %s did not take the signal to %s: %s", token_id, transition.id, error)
        return False
    return True


def _matches(transition: Transition, token: TokenValue, wanted: Mapping[str, Any]) -> bool:
    assert transition.work is not None
    for field, expression in transition.work.correlation:
        if field not in wanted:
            return False
        try:
            if evaluate_expression(expression, View(token.data, token.metadata)) != wanted[field]:
                return False
        except ExpressionFailed:
            return False
    return True


def _uuid(case_id: str) -> uuid.UUID:
    try:
        found = uuid.UUID(case_id)
    except ValueError:
        raise BadInput("caseId", f"there is no case {case_id[:200]!r}") from None
    if not Case.objects.filter(pk=found).exists():
        raise BadInput("caseId", f"there is no case {case_id!r}")
    return found
