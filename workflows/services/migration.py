"""Moves running cases to another version of their workflow, one transaction each.

The case's lock is held, so its marking is the one that was judged (`core/migration.py`). Tokens whose place keeps its
name stay as they are, with visit and effects. Tokens of a mapped place arrive at the new one: effects of the old visit
that have not begun are orphaned, results of those that run are kept and move nothing, and the new place asks for its
own effects. Cases that work for steps the tokens are taken from are closed, and results that a step's end refused are
handed in anew. The log gets one entry, `case_migrated`, so that folding it still gives the marking. What then fires by
itself by the new version fires in the same transaction.
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from django.db import Error, transaction
from django.utils import timezone

from workflows import selectors
from workflows.core.errors import BadInput, CaseArchived, WorkflowError
from workflows.core.marking import Change, Marking
from workflows.core.migration import Judgement, judge, map_counts
from workflows.core.net import Net
from workflows.core.notation import nearest
from workflows.models import Case, Firing, OutboxEffect, WorkflowVersion
from workflows.services.cascade import deliver_refused, settle
from workflows.services.journal import Entry, append, end_work, lock_case
from workflows.services.life import life_now
from workflows.services.shared import lock_holders
from workflows.services.task_log import cancel_left

MAXIMUM_MAPPING = 1_000
Outcome = Literal["migrated", "would_migrate", "refused", "failed", "unchanged"]


@dataclass(frozen=True, slots=True)
class CaseMigration:
    """What became of one case. `failed` is a defect or a database away, `refused` a rule; neither changed anything."""

    case_id: str
    from_version: int
    outcome: Outcome
    reason: str = ""
    trace: tuple[str, ...] = ()
    before: tuple[str, ...] = ()
    warning: str = ""
    marking: dict[str, int] = field(default_factory=dict)
    """As it is, or would be, afterwards."""


@dataclass(frozen=True, slots=True)
class MigrationPage:
    """The cases of one call, in order of id, and whether there are more."""

    cases: tuple[CaseMigration, ...]
    end_cursor: str | None
    has_more: bool


@dataclass(frozen=True, slots=True)
class _Plan:
    to: WorkflowVersion
    net: Net
    mapping: dict[str, str]
    dry_run: bool
    force: bool
    triggered_by: str
    judged: dict[Any, Judgement] = field(default_factory=dict)
    """By old version and marking: many cases stand at the same place."""


def migrate_cases(
    workflow_id: str,
    to_version: int,
    mapping: Mapping[str, Any] | None = None,
    *,
    case_ids: Sequence[str] | None = None,
    dry_run: bool = False,
    force: bool = False,
    first: int = 100,
    after: str | None = None,
    triggered_by: str = "",
) -> MigrationPage:
    """Move open cases of a workflow to one of its versions, the first ones after the case id `after`.

    `mapping` says for places of the old version where their tokens go; others keep their place. `force` lets a case
    through of which nothing could be proved, never one that was proved to be stuck. Cases of the version are left out.
    Raises WorkflowNotFound, BadInput.
    """
    workflow = selectors.existing_workflow(workflow_id)
    version = WorkflowVersion.objects.filter(workflow=workflow, number=to_version).first()
    if version is None:
        raise BadInput("toVersion", f"workflow {workflow_id!r} has no version {to_version}")
    net = selectors.net_of(version)
    plan = _Plan(version, net, _checked(workflow_id, net, mapping or {}), dry_run, force, triggered_by)
    found = Case.objects.filter(workflow=workflow, state=Case.OPEN, scope="").exclude(version=version).order_by("id")
    if case_ids is not None:
        found = found.filter(pk__in=[_case_id(each, "caseIds") for each in case_ids])
    if after is not None:
        found = found.filter(pk__gt=_case_id(after, "after"))
    size = selectors.page_size(first)
    ids = list(found.values_list("pk", flat=True)[: size + 1])
    done = tuple(_migrate(case_id, plan) for case_id in ids[:size])
    return MigrationPage(done, str(ids[len(done) - 1]) if done else None, len(ids) > size)


def _migrate(case_id: uuid.UUID, plan: _Plan) -> CaseMigration:
    known = CaseMigration(str(case_id), 0, "failed")
    try:
        with transaction.atomic():
            case = lock_case(case_id)
            known = replace(known, from_version=case.version.number)
            if case.state != Case.OPEN or case.version_id == plan.to.pk:
                return replace(known, outcome="unchanged", reason="another was faster, or the case has finished")
            return _move(case, plan, known)
    except CaseArchived as error:
        return replace(known, outcome="unchanged", reason=str(error))
    except (WorkflowError, Error) as error:  # of one case; the others are not to wait for it
        return replace(known, outcome="failed", reason=f"{type(error).__name__}: {error}")


def _move(case: Case, plan: _Plan, known: CaseMigration) -> CaseMigration:
    marking = selectors.stored_marking(case.pk)
    counts = marking.counts()
    mapped = map_counts(counts, plan.mapping)
    key = (case.version_id, frozenset(counts.items()))
    judgement = plan.judged.get(key)
    if judgement is None:
        old = selectors.net_of(case.version)
        shared = selectors.shared_counts(case.workflow_id, old), selectors.shared_counts(case.workflow_id, plan.net)
        judgement = judge(old, counts, plan.net, mapped, shared=shared)
        plan.judged[key] = judgement
    told = replace(known, trace=judgement.trace, before=judgement.before, warning=judgement.warning, marking=mapped)
    if not judgement.allowed and (judgement.certain or not plan.force):
        return replace(told, outcome="refused", reason=judgement.reason, marking=counts)
    if not judgement.allowed:
        told = replace(told, warning=f"{judgement.reason}; it was forced")
    if plan.dry_run:
        return replace(told, outcome="would_migrate")
    _write(case, plan, marking)
    return replace(told, outcome="migrated", marking=selectors.marking_counts(case))


def _write(case: Case, plan: _Plan, marking: Marking) -> None:
    now, seq, from_version = timezone.now(), case.last_seq + 1, case.version.number
    moved = [token for token in marking.tokens() if plan.mapping.get(token.place, token.place) != token.place]
    arrived = [
        replace(
            token,
            place=plan.mapping[token.place],
            version=token.version + 1,
            entered=seq,
            arrived=now.timestamp(),
        )
        for token in moved
    ]
    data = {"fromVersion": from_version, "toVersion": plan.to.number, "mapping": plan.mapping}
    named = (*moved, *marking.tokens())[0]
    running = selectors.net_of(case.version).running
    entry = Entry(Firing.MIGRATED, named.id, now, data=data, triggered_by=plan.triggered_by)
    case.version = plan.to
    append(case, entry, Change(tuple(moved), tuple(arrived)))
    Case.objects.filter(pk=case.pk).update(version=plan.to, **life_now(case, now))
    ids = [token.id for token in moved]
    states = (OutboxEffect.PENDING, OutboxEffect.WAITING)
    waiting = OutboxEffect.objects.filter(case=case, token_id__in=ids, state__in=states)
    waiting.filter(entered_seq__lt=seq).update(
        state=OutboxEffect.ORPHANED,
        finished_at=now,
        error=f"The case went to version {plan.to.number} before the work was done, and its token to another place.",
    )
    end_work(case, [token for token in moved if token.place not in plan.net.running], running, now)
    cancel_left(case, now)
    settle(case, plan.net, lock_holders(case, plan.net), now)
    deliver_refused(case, now)


def _checked(workflow_id: str, net: Net, mapping: Mapping[str, Any]) -> dict[str, str]:
    if not isinstance(mapping, Mapping) or len(mapping) > MAXIMUM_MAPPING:
        raise BadInput("mapping", f"must be an object of at most {MAXIMUM_MAPPING} places")
    known = {place for version in selectors.versions(workflow_id) for place in selectors.net_of(version).places}
    for place, target in mapping.items():
        if place not in known:
            raise BadInput("mapping", f"no version has a place {place[:200]!r}{nearest(place, known)}")
        if not isinstance(target, str) or target not in net.places:
            shown = str(target)[:200]
            raise BadInput(f"mapping.{place}", f"the new version has no place {shown!r}{nearest(shown, net.places)}")
        if target in net.running and target != place:
            raise BadInput(f"mapping.{place}", f"{target!r} holds tokens of a step under way; map it to one before it")
    return dict(mapping)


def _case_id(text: str, argument: str) -> uuid.UUID:
    try:
        return uuid.UUID(text)
    except ValueError:
        raise BadInput(argument, f"{text[:200]!r} is no case id") from None
