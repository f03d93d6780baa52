"""What a picture of a stored workflow or a running case is made of; `core/drawing` makes it. Next: `log.py`."""

from collections.abc import Collection
from dataclasses import dataclass, field

from django.db.models import Q

from workflows.core.drawing import render, render_dot
from workflows.core.net import Net
from workflows.models import Case, PlaceAction, WorkflowVersion
from workflows.selectors.cases import marking_counts, shared_counts
from workflows.selectors.markings import net_of


@dataclass(frozen=True, slots=True)
class Picture:
    """A net with its tokens, and what works at its places."""

    net: Net
    marking: dict[str, int] = field(default_factory=dict)
    notes: dict[str, list[str]] = field(default_factory=dict)
    enabled: frozenset[str] = frozenset()
    """Transitions to point out."""

    def svg(self, refined: bool = False) -> str:
        """Raises TooLargeToDraw."""
        return render(self.net, self.marking, self.notes, self.enabled, refined=refined)

    def dot(self, refined: bool = False) -> str:
        return render_dot(self.net, self.marking, self.notes, refined=refined)


def picture_of_version(version: WorkflowVersion) -> Picture:
    """The definition without tokens."""
    return Picture(net_of(version), notes=_notes(version.workflow_id))


def picture_of_case(case: Case, enabled: Collection[str] = ()) -> Picture:
    """The definition the case runs on, with the tokens it has now; `enabled` are transitions to point out."""
    net = net_of(case.version)
    counts = marking_counts(case) | shared_counts(case.workflow_id, net)
    return Picture(net, counts, _notes(case.workflow_id), frozenset(enabled))


def _notes(workflow_id: str) -> dict[str, list[str]]:
    """For each place, the effects that are asked for when a token arrives there."""
    notes: dict[str, list[str]] = {}
    here = Q(workflow_id=workflow_id) | Q(workflow__isnull=True)
    for action in PlaceAction.objects.filter(here, enabled=True).order_by("pk"):
        notes.setdefault(action.place, []).append(f"{action.kind}: {action.reference}")
    return notes
