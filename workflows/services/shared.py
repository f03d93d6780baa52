"""The places that cases share: a case of its own holds their tokens and their log, one a workflow and one an account.

A firing that touches a shared place writes to two logs: its case's, and the holder's, each gapless and each folding to
its own tokens. So a token belongs to one holder for life. Locks: the firing's case first, then holders in id order;
whoever holds one of these never asks for a case after it. Next: `journal.py`.
"""

from dataclasses import replace

from django.db import transaction
from django.utils import timezone

from workflows.core.marking import Change
from workflows.core.net import Net, Transition
from workflows.models import Case, Workflow, WorkflowVersion

ACCOUNT = ":account"
"""The id of the workflow that stands for the account's shared places; no written one can have it."""

Holders = dict[str, Case]
"""Each shared place with the locked case that holds its tokens."""


def lock_holders(case: Case, net: Net) -> Holders:
    """The holders of the net's shared places, made if need be, locked in id order. The case is locked already."""
    places = net.shared_places()
    if not places or case.scope:
        return {}
    found = {scope: holder_of(case.workflow, scope).pk for scope in sorted({place.scope for place in places})}
    locked = Case.objects.select_for_update(of=("self",)).filter(pk__in=found.values()).order_by("pk")
    by_scope = {holder.scope: holder for holder in locked.select_related("version").defer("version__definition")}
    return {place.id: by_scope[place.scope] for place in places}


def holder_of(workflow: Workflow, scope: str) -> Case:
    """The case that holds a workflow's or the account's shared tokens; made at the first call."""
    owner = workflow if scope == "workflow" else _account()
    return Case.objects.filter(workflow=owner, scope=scope).first() or make_holder(owner, scope)


def make_holder(owner: Workflow, scope: str) -> Case:
    """The holder, made unless it is there. One maker at a time, whose lock leaves the row's key alone: a firing that
    has the holder's lock asks for the key as it commits, and would wait for a maker that waits for the holder."""
    with transaction.atomic():
        Workflow.objects.select_for_update(no_key=True).get(pk=owner.pk)
        assert owner.current is not None
        found, _ = Case.objects.get_or_create(
            workflow=owner, scope=scope, defaults={"version": owner.current, "created_at": timezone.now()}
        )
    return found


def within_shared(net: Net, transition: Transition, scope: str) -> bool:
    """Whether a transition touches places of this scope only, so that whoever shares them can fire it alone."""
    arcs = (arc for arcs in transition.alternatives for arc in arcs)
    places = {arc.place for arc in (*arcs, *transition.outputs, *transition.reads, *transition.inhibitors)}
    return all(net.places[place].scope == scope for place in places | set(transition.resets))


def enter(change: Change, holders: Holders) -> Change:
    """The change with tokens in shared places numbered by their holder's log, which is the order they are taken in."""
    if not holders:
        return change
    produced = (
        replace(token, entered=holders[token.place].last_seq + 1) if token.place in holders else token
        for token in change.produced
    )
    return replace(change, produced=tuple(produced))


def split(change: Change, holders: Holders) -> tuple[Change, dict[str, tuple[Case, Change]]]:
    """What the case's own log says, and for each holder (by scope) what its log says."""
    owners = {holder.scope: holder for holder in holders.values()}
    scopes = {place: holder.scope for place, holder in holders.items()}
    parts: dict[str, Change] = {}
    for scope in ("", *owners):
        parts[scope] = Change(
            tuple(token for token in change.consumed if scopes.get(token.place, "") == scope),
            tuple(token for token in change.produced if scopes.get(token.place, "") == scope),
            change.requests if not scope else (),
        )
    theirs = {
        scope: (owners[scope], part) for scope, part in parts.items() if scope and (part.consumed or part.produced)
    }
    return parts[""], theirs


def _account() -> Workflow:
    now = timezone.now()
    about = {"name": "Shared by all workflows", "created_at": now, "updated_at": now}
    workflow, made = Workflow.objects.get_or_create(pk=ACCOUNT, defaults=about)
    if made or workflow.current is None:
        definition = {
            "name": "Shared by all workflows",
            "places": ["shared"],
            "initialPlace": "shared",
            "transitions": [],
        }
        version, _ = WorkflowVersion.objects.get_or_create(
            workflow=workflow, number=1, defaults={"definition": definition, "created_at": now}
        )
        workflow.current = version
        workflow.save(update_fields=["current"])
    return workflow
