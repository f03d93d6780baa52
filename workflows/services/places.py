"""Says at which places a token's arrival asks for an effect. What such an effect does, `actions` knows."""

from django.db import transaction

from workflows import selectors
from workflows.core.errors import UnknownPlace
from workflows.core.notation import nearest
from workflows.core.payload import checked_text
from workflows.models import PlaceAction


def attach_action(
    place: str,
    kind: str,
    reference: str,
    *,
    workflow_id: str | None = None,
    enabled: bool = True,
    max_attempts: int = 5,
    delay_seconds: float = 0,
    every_seconds: float | None = None,
    most_runs: int | None = None,
) -> PlaceAction:
    """From now on each token arriving at this place (of one workflow, or of any) gets an effect of this kind.

    After `delay_seconds`, and again `every_seconds` after each end while the token stays, `most_runs` in all. Attaching
    the same again changes these, `enabled` and `max_attempts`. Raises WorkflowNotFound, UnknownPlace, BadInput.
    """
    checked_text(place, "place")
    checked_text(kind, "kind", 50)
    checked_text(reference, "reference")
    with transaction.atomic():
        if workflow_id is not None:
            workflow = selectors.existing_workflow(workflow_id)
            assert workflow.current is not None
            net = selectors.net_of(workflow.current)
            if place not in net.places:
                raise UnknownPlace(workflow_id, place, nearest(place, net.places))
        action, _ = PlaceAction.objects.update_or_create(
            workflow_id=workflow_id,
            place=place,
            kind=kind,
            reference=reference,
            defaults={
                "enabled": enabled,
                "max_attempts": max_attempts,
                "delay_seconds": delay_seconds,
                "every_seconds": every_seconds,
                "most_runs": most_runs,
            },
        )
    return action


def detach_action(kind: str, reference: str, *, place: str | None = None, workflow_id: str | None = None) -> int:
    """Forget the matching wishes, by default those of all places and workflows; returns how many there were."""
    found = PlaceAction.objects.filter(kind=kind, reference=reference)
    if place is not None:
        found = found.filter(place=place)
    if workflow_id is not None:
        found = found.filter(workflow_id=workflow_id)
    return found.delete()[0]
