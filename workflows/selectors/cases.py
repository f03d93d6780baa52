"""Finds cases, and answers for a whole case what `markings` answers for one token. Next: `archive.py` for old cases."""

import time
import uuid
from collections.abc import Collection
from dataclasses import dataclass, field

from django.db.models import Count, Q

from workflows.core.errors import BadInput, CaseNotFound
from workflows.core.firing import Binding, Reason, find_binding, refusals
from workflows.core.marking import Marking
from workflows.core.net import Net, Transition
from workflows.models import Case, OutboxEffect, Token, WorkflowVersion
from workflows.selectors.archive import archived_effects, archived_tokens
from workflows.selectors.markings import load_marking, net_of, shared_cases
from workflows.selectors.rows import PAGE_MAXIMUM, page_size

TOKENS_TRIED = 50
"""Tokens of a place, oldest first, that are tried for one transition when a whole case is asked about."""


@dataclass(frozen=True, slots=True)
class CaseTransition:
    """One transition of a case's net: the live tokens it can be fired with, or why there is none."""

    transition: Transition
    token_ids: tuple[str, ...]
    reasons: tuple[Reason, ...] = field(default=())


def case(case_id: str) -> Case | None:
    try:
        wanted = uuid.UUID(case_id)
    except ValueError:
        return None
    return Case.objects.select_related("version", "workflow").filter(pk=wanted).first()


def existing_case(case_id: str) -> Case:
    """The case, or CaseNotFound (also for what is no UUID)."""
    found = case(case_id)
    if found is None:
        raise CaseNotFound(case_id[:200])
    return found


def cases(workflow_id: str | None, state: str | None, limit: int, after: str | None = None) -> list[Case]:
    """Newest first, from the one after the case with the id `after` on. Raises BadInput."""
    if state not in (None, Case.OPEN, Case.FINISHED):
        raise BadInput("state", f"must be {Case.OPEN} or {Case.FINISHED}, not {state[:50]!r}")
    found = Case.objects.select_related("version", "workflow").filter(scope="").order_by("-created_at", "-id")
    if workflow_id is not None:
        found = found.filter(workflow_id=workflow_id)
    if state is not None:
        found = found.filter(state=state)
    if after is not None:
        last = case(after)
        if last is None:
            raise BadInput("after", "must be the id of a case listed before")
        found = found.filter(
            Q(created_at__lt=last.created_at) | Q(created_at=last.created_at, id__lt=last.pk),
            created_at__lte=last.created_at,  # the part an index can use
        )
    return list(found[: page_size(limit)])


def tokens_of_case(case: Case, state: str | None, limit: int) -> list[Token]:
    """Oldest first; the live or the consumed ones only, if asked for. Archived or not."""
    if state not in (None, Token.LIVE, Token.CONSUMED):
        raise BadInput("state", f"must be {Token.LIVE} or {Token.CONSUMED}, not {state[:50]!r}")
    if case.archived_at is not None:
        kept = [token for token in archived_tokens(case.pk) if state in (None, token.state)]
        return kept[: page_size(limit)]
    found = Token.objects.filter(case_id=case.pk).order_by("created_at", "id")
    if state is not None:
        found = found.filter(state=state)
    return list(found[: page_size(limit)])


def effects_of_case(case: Case) -> list[OutboxEffect]:
    """Newest first, PAGE_MAXIMUM at most; archived or not."""
    if case.archived_at is not None:
        return list(reversed(archived_effects(case.pk)))[:PAGE_MAXIMUM]
    return list(OutboxEffect.objects.filter(case_id=case.pk).order_by("-created_at", "-id")[:PAGE_MAXIMUM])


def return_of(case: Case, kind: str) -> OutboxEffect | None:
    """The effect with which a sub-workflow's case has ended the step it works for, or is about to; archived or not."""
    if case.archived_at is not None:
        return next((effect for effect in archived_effects(case.pk) if effect.kind == kind), None)
    return OutboxEffect.objects.filter(case_id=case.pk, kind=kind).first()


def marking_counts(case: Case) -> dict[str, int]:
    """How many live tokens lie in each place that has any, by place."""
    if case.archived_at is not None:
        live = [token.place for token in archived_tokens(case.pk) if token.state == Token.LIVE]
        return {place: live.count(place) for place in sorted(set(live))}
    counted = Token.objects.filter(case_id=case.pk, state=Token.LIVE).values_list("place").annotate(Count("pk"))
    return dict(counted.order_by("place"))


def transitions_of_case(case: Case, limit: int | None = None, after: str | None = None) -> list[CaseTransition]:
    """Transitions of the case's net, in order of definition, each with what it can be fired with now.

    Left out are the ends of steps that work outside: nobody fires those by name. `limit`: so many, from the one after
    the transition `after` on; None: all. Of each place the TOKENS_TRIED oldest tokens are tried. Raises BadInput.
    """
    net = net_of(case.version)
    known = [each for each in net.transitions.values() if each.kind != "outcome"]
    if after is not None:
        found = next((index for index, each in enumerate(known) if each.id == after), None)
        if found is None:
            raise BadInput("after", "must be the id of a transition listed before")
        known = known[found + 1 :]
    known = known if limit is None else known[: page_size(limit)]
    if case.archived_at is not None:
        archived = {"kind": "case_archived", "message": "the case is finished and archived"}
        return [CaseTransition(each, (), (archived,)) for each in known]
    shared = shared_cases(case.workflow_id, net)
    watched = frozenset().union(*(net.watched_by(each) for each in known))
    marking, now = load_marking(case.pk, watched, shared=shared), time.time()
    return [_judge(net, marking, transition, shared, now) for transition in known]


def versions(workflow_id: str, limit: int | None = None) -> list[WorkflowVersion]:
    """The versions of a workflow, newest first: all, or as many."""
    return list(WorkflowVersion.objects.filter(workflow_id=workflow_id).order_by("-number")[:limit])


def open_cases_by_version(workflow_id: str) -> dict[int, int]:
    """How many open cases each version has, by the version's primary key; versions without any are left out."""
    counted = Case.objects.filter(workflow_id=workflow_id, state=Case.OPEN, scope="").values_list("version")
    return dict(counted.annotate(Count("pk")).order_by("version"))


def live_counts(workflow_id: str) -> dict[str, int]:
    """How many live tokens lie in each place of a workflow, over all cases."""
    live = Token.objects.filter(workflow_id=workflow_id, state=Token.LIVE).values_list("place").annotate(Count("pk"))
    return dict(live.order_by("place"))


def shared_counts(workflow_id: str, net: Net) -> dict[str, int]:
    """How many tokens lie in each place that cases share, for places that have any."""
    counts: dict[str, int] = {}
    for place, holder in shared_cases(workflow_id, net).items():
        count = Token.objects.filter(case_id=holder, place=place, state=Token.LIVE).count()
        counts |= {place: count} if count else {}
    return counts


def _judge(net: Net, marking: Marking, transition: Transition, shared: Collection[str], now: float) -> CaseTransition:
    token_ids: list[str] = []
    reasons: list[Reason] = []
    for place in transition.source_places:
        for token in () if place in shared else marking.at(place)[:TOKENS_TRIED]:
            found = find_binding(net, transition, marking, token, now)
            refused = refusals(found) if isinstance(found, Binding) else found
            if not refused:
                token_ids.append(token.id)
            elif not reasons:
                reasons = refused
    if not token_ids and not reasons:
        where = " or ".join(f'"{place}"' for place in transition.source_places)
        reasons = [{"kind": "missing_tokens", "message": f"no token lies in {where}", "present": 0}]
    return CaseTransition(transition, tuple(token_ids), () if token_ids else tuple(reasons))
