"""What may fire, and the proof of invariant 6.

`fold_log(case)` rebuilds the marking of a case from the log alone; `stored_marking(case)` is what the token rows say.
They are equal, always. Next: `log.py`.
"""

import logging
import time
import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from django.db.models import Count, F, Min, Q, QuerySet
from django.db.models.functions import Coalesce

from workflows.core.ending import final_places
from workflows.core.errors import BadDefinition, UnknownTransition
from workflows.core.firing import Binding, Reason, available, find_binding, refusals
from workflows.core.marking import Change, Marking, fold
from workflows.core.marking import Token as TokenValue
from workflows.core.net import Net, Transition
from workflows.core.notation import compile_definition, nearest
from workflows.models import Case, Firing, OutboxEffect, Token, TokenChange, WorkflowVersion
from workflows.selectors.rows import existing_token

logger = logging.getLogger(__name__)
_COLUMNS = ("pk", "place", "data", "metadata", "version", "entered_seq", "entered_at", "updated_at")


def net_of(version: WorkflowVersion) -> Net:
    """The compiled definition; `version.definition` itself may be deferred."""
    return _compiled(version.pk, version.created_at)


def final_places_of(version: WorkflowVersion) -> frozenset[str]:
    """Where tokens of this version come to rest (`core/ending.py`)."""
    return _final(version.pk, version.created_at)


def available_transitions(token_id: str) -> list[Transition]:
    """The transitions that may be fired with this token now."""
    found = existing_token(token_id)
    if found.state != Token.LIVE:
        return []
    net = net_of(_version_of(found.case_id))
    places = frozenset().union(*(net.watched_by(transition) for transition in net.leaving.get(found.place, ())))
    marking = load_marking(found.case_id, places, found.pk, shared=shared_cases(found.workflow_id, net))
    value = marking.find(str(found.pk))
    return available(net, marking, value, time.time()) if value else []


def written_transitions(token_id: str) -> tuple[dict[str, dict[str, Any]], Net]:
    """The transitions of the token's case as its definition writes them, by id, and its net."""
    version = Case.objects.select_related("version").get(pk=existing_token(token_id).case_id).version
    return {written["id"]: written for written in version.definition["transitions"]}, net_of(version)


def why_not_enabled(token_id: str, transition_id: str) -> list[Reason]:
    """Every reason why the transition cannot fire with this token now; empty if it can."""
    found = existing_token(token_id)
    net = net_of(_version_of(found.case_id))
    transition = known_transition(net, found.workflow_id, transition_id)
    shared = shared_cases(found.workflow_id, net)
    marking = load_marking(found.case_id, net.watched_by(transition), found.pk, shared=shared)
    value = marking.find(str(found.pk))
    if value is None:
        return [
            {"kind": "token_consumed", "message": f'the token was consumed in "{found.place}"', "place": found.place}
        ]
    binding = find_binding(net, transition, marking, value, time.time())
    return refusals(binding) if isinstance(binding, Binding) else binding


def known_transition(net: Net, workflow_id: str, transition_id: str) -> Transition:
    """The transition, or UnknownTransition with the nearest name."""
    transition = net.transitions.get(transition_id)
    if transition is None:
        raise UnknownTransition(workflow_id, transition_id[:200], nearest(transition_id, net.transitions))
    return transition


def load_marking(
    case_id: uuid.UUID,
    places: Collection[str],
    token_id: uuid.UUID | None = None,
    *,
    shared: Mapping[str, uuid.UUID] = MappingProxyType({}),
) -> Marking:
    """The live tokens of these places of a case, and the named one wherever it is; of shared places, their holders'."""
    here = Q(case_id=case_id, place__in=[place for place in places if place not in shared])
    if token_id is not None:
        here |= Q(case_id=case_id, pk=token_id)
    holders: dict[uuid.UUID, list[str]] = {}
    for place in places:
        if place in shared:
            holders.setdefault(shared[place], []).append(place)
    for holder, held in holders.items():
        here |= Q(case_id=holder, place__in=held)
    rows = Token.objects.filter(here, state=Token.LIVE).values_list(*_COLUMNS)  # a busy place has many: no instances
    return Marking(
        TokenValue(str(pk), place, data, metadata, version, entered_seq, (entered_at or updated_at).timestamp())
        for pk, place, data, metadata, version, entered_seq, entered_at, updated_at in rows
    )


def shared_cases(workflow_id: str, net: Net) -> dict[str, uuid.UUID]:
    """Each shared place of the net with the case that holds its tokens, where there is one yet."""
    places = net.shared_places()
    if not places:
        return {}
    ours = Q(workflow_id=workflow_id, scope="workflow") | Q(scope="account")
    holders = dict(Case.objects.filter(ours).values_list("scope", "pk"))
    return {place.id: holders[place.scope] for place in places if place.scope in holders}


@dataclass(frozen=True, slots=True)
class Waiting:
    """A case that waits for what cases share, and since when its token has lain there: the order they come in."""

    since: datetime
    case_id: uuid.UUID


def cases_waiting_for(holder: Case, limit: int, after: Waiting | None = None) -> list[Waiting]:
    """Open cases with a token before what happens unasked once the holder's places allow it, and now they do.

    Those that have waited longest first, the ones after `after`. Whether a case's own tokens fit is not looked at.
    """
    ours = WorkflowVersion.objects.filter(cases__state=Case.OPEN, cases__scope="").distinct()
    if holder.scope == "workflow":
        ours = ours.filter(workflow_id=holder.workflow_id)
    counts = dict(
        Token.objects.filter(case=holder, state=Token.LIVE).order_by().values_list("place").annotate(Count("pk"))
    )
    found: list[Waiting] = []
    for version in ours.only("id", "created_at"):
        try:
            before = _before_shared(net_of(version), holder.scope, counts)
        except BadDefinition as error:  # by the rules of this release; the cases of other versions are not to wait
            logger.warning("Version %s cannot be read: %s", version.pk, error)
            continue
        if before:
            rows = Token.objects.filter(case__version=version, place__in=before, state=Token.LIVE)
            found += _oldest(rows, Coalesce("entered_at", "updated_at"), limit, after)
    return sorted(found, key=_order)[:limit]


def _before_shared(net: Net, scope: str, counts: Mapping[str, int]) -> set[str]:
    """Places of a case whose tokens may go on by themselves with these tokens in the shared places of that scope."""
    shared = {place.id for place in net.shared_places() if place.scope == scope}
    before: set[str] = set()
    for transition in net.unasked:
        if net.watched_by(transition) & shared and _allowed(net, transition, shared, counts):
            before |= set(transition.source_places) - shared
    return before


def _allowed(net: Net, transition: Transition, shared: Collection[str], counts: Mapping[str, int]) -> bool:
    """Whether the shared places have tokens and room enough for it, whatever resets and own places do."""
    if any(arc.place in shared and counts.get(arc.place, 0) >= arc.weight for arc in transition.inhibitors):
        return False
    needed = [
        all(counts.get(arc.place, 0) >= arc.weight for arc in (*arcs, *transition.reads) if arc.place in shared)
        for arcs in transition.alternatives
    ]
    takes = {arc.place for arcs in transition.alternatives for arc in arcs} | set(transition.resets)
    room = all(
        counts.get(arc.place, 0) + arc.weight <= capacity
        for arc in transition.outputs
        if arc.place in shared and arc.place not in takes and (capacity := net.places[arc.place].capacity) is not None
    )
    return any(needed) and room


def refused_ends(case_id: uuid.UUID) -> QuerySet[OutboxEffect]:
    """Work of a case's steps that is done and whose end was refused: its result is kept."""
    refused = OutboxEffect.objects.filter(case_id=case_id, state=OutboxEffect.FAILED, result__isnull=False)
    return refused.exclude(step="").order_by("created_at", "id")


def cases_before_signal(workflow_id: str, name: str, limit: int, after: Waiting | None = None) -> list[Waiting]:
    """Cases of a workflow with a token before a signal transition of this name, oldest first, from the one after
    `after` on."""
    found: list[Waiting] = []
    for version in WorkflowVersion.objects.filter(workflow_id=workflow_id).only("id", "created_at").order_by("number"):
        heard = [each for each in net_of(version).transitions.values() if each.kind == "signal" and each.work]
        before = {place for each in heard if each.work and each.work.reference == name for place in each.source_places}
        if before:
            rows = Token.objects.filter(case__version=version, case__scope="", place__in=before, state=Token.LIVE)
            found += _oldest(rows, F("created_at"), limit, after)
    return sorted(found, key=_order)[:limit]


def _oldest(rows: QuerySet[Token], time: Any, limit: int, after: Waiting | None) -> list[Waiting]:
    """The cases of these tokens by the time of their first, from the one after `after` on."""
    cases = rows.order_by().values_list("case_id").annotate(since=Min(time))
    if after is not None:
        cases = cases.filter(Q(since__gt=after.since) | Q(since=after.since, case_id__gt=after.case_id))
    return [Waiting(since, case_id) for case_id, since in cases.order_by("since", "case_id")[:limit]]


def _order(waiting: Waiting) -> tuple[datetime, uuid.UUID]:
    return waiting.since, waiting.case_id


def value_of(row: Token) -> TokenValue:
    arrived = (row.entered_at or row.updated_at).timestamp()
    return TokenValue(str(row.pk), row.place, row.data, row.metadata, row.version, row.entered_seq, arrived)


def stored_marking(case_id: uuid.UUID) -> Marking:
    """What the token rows say."""
    return Marking(value_of(row) for row in Token.objects.filter(case_id=case_id, state=Token.LIVE))


def fold_log(case_id: uuid.UUID) -> Marking:
    """What the log says, from its first entry; raises DamagedLog where it does not fit together."""
    entries = Firing.objects.filter(case_id=case_id).order_by("seq").prefetch_related("changes")
    return fold(_change_of(list(entry.changes.all())) for entry in entries.iterator(chunk_size=500))


def _change_of(rows: list[TokenChange]) -> Change:
    consumed = tuple(
        TokenValue(str(row.token_id), row.from_place, version=row.consumed_version)
        for row in rows
        if row.consumed_version is not None
    )
    produced = tuple(
        TokenValue(
            str(row.token_id),
            row.to_place,
            row.data or {},
            row.metadata or {},
            row.produced_version,
            row.entered_seq or 0,
        )
        for row in rows
        if row.produced_version is not None
    )
    return Change(consumed, produced)


def _version_of(case_id: uuid.UUID) -> WorkflowVersion:
    return Case.objects.select_related("version").defer("version__definition").get(pk=case_id).version


@lru_cache(maxsize=256)
def _compiled(version_id: int, _created_at: datetime) -> Net:
    """Versions never change, so a compiled one is kept; the time tells apart equal ids of emptied databases."""
    return compile_definition(WorkflowVersion.objects.get(pk=version_id).definition).net


@lru_cache(maxsize=256)
def _final(version_id: int, created_at: datetime) -> frozenset[str]:
    return final_places(_compiled(version_id, created_at))
