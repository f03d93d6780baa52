"""A workflow's page: its picture with the tokens of all cases, places, transitions, and versions with their changes."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.safestring import SafeString, mark_safe
from unfold.decorators import display

from workflows import selectors
from workflows.admin.looking import LookOnlyAdmin
from workflows.core.comparison import compare
from workflows.core.drawing import TooLargeToDraw
from workflows.core.net import Net, Place, Transition
from workflows.models import Workflow
from workflows.selectors import Picture

VERSIONS_SHOWN = 20


@admin.register(Workflow)
class WorkflowAdmin(LookOnlyAdmin):
    list_display = ("id", "name", "version", "created_at", "updated_at")
    search_fields = ("id", "name", "description")
    list_select_related = ("current",)
    fields = ()
    change_form_template = "workflows/workflow_page.html"

    @display(description="version")  # type: ignore[untyped-decorator]
    def version(self, workflow: Workflow) -> int | None:
        return workflow.current.number if workflow.current else None

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        workflow = selectors.workflow(object_id)
        shown = {} if workflow is None or workflow.current is None else workflow_context(workflow)
        answer: HttpResponse = super().change_view(request, object_id, form_url, {**(extra_context or {}), **shown})
        return answer


def workflow_context(workflow: Workflow) -> dict[str, Any]:
    """What the template shows."""
    assert workflow.current is not None
    net, live = selectors.net_of(workflow.current), selectors.live_counts(workflow.pk)
    picture = selectors.picture_of_version(workflow.current)
    here = {place: count for place, count in live.items() if place in net.places}
    written = {each["id"]: each for each in workflow.current.definition["transitions"]}
    open_cases = selectors.open_cases_by_version(workflow.pk)
    return {
        "workflow": workflow,
        "picture": svg_of(Picture(net, here, picture.notes)),
        "places": [_place(workflow, net, place, live) for place in net.places.values()],
        "strays": {place: count for place, count in live.items() if place not in net.places},
        "transitions": [_transition(net.transitions[key], each, net) for key, each in written.items()],
        "versions": _versions(workflow, open_cases),
        "open_cases": sum(open_cases.values()),
        "live_tokens": sum(live.values()),
        "cases_link": _list("case", workflow__id__exact=workflow.pk, state__exact="open"),
        "tokens_link": _list("token", workflow__id__exact=workflow.pk, state__exact="live"),
    }


def svg_of(picture: Picture) -> SafeString:
    """The picture, or a sentence in its stead; every name in it is escaped by `core/drawing`."""
    try:
        return mark_safe(picture.svg())  # noqa: S308
    except TooLargeToDraw as error:
        return SafeString(f"<p>{error}</p>")


def _place(workflow: Workflow, net: Net, place: Place, live: dict[str, int]) -> dict[str, Any]:
    words = ["start"] if place.id == net.initial_place else []
    if place.scope != "case":
        words.append(f"shared by {place.scope}")
    elif not net.leaving[place.id]:
        words.append("final")
    if place.id in net.running:
        words.append(f"work of {net.running[place.id].id}")
    return {
        "id": place.id,
        "words": ", ".join(words),
        "capacity": place.capacity,
        "live": live.get(place.id, 0),
        "link": _list("token", workflow__id__exact=workflow.pk, state__exact="live", place=place.id),
    }


def _transition(step: Transition, written: dict[str, Any], net: Net) -> dict[str, Any]:
    outputs = step.outputs
    if step.role == "start":
        outputs = net.transitions[net.steps[step.step].outcomes["ok"]].outputs
    takes = " or ".join(" + ".join(_arc(arc.place, arc.weight) for arc in arcs) for arcs in step.alternatives)
    return {
        "id": step.id,
        "name": step.name,
        "kind": step.kind,
        "spontaneous": step.spontaneous,
        "takes": takes,
        "gives": " + ".join(_arc(arc.place, arc.weight) for arc in outputs) or "nothing: the token ends here",
        "conditions": len(written.get("conditions", ())),
        "description": written.get("description", ""),
    }


def _versions(workflow: Workflow, open_cases: dict[int, int]) -> list[dict[str, Any]]:
    found = selectors.versions(workflow.pk, VERSIONS_SHOWN + 1)
    shown = []
    for version, before in zip(found[:VERSIONS_SHOWN], [*found[1:], None], strict=False):
        comparison = compare(before.definition, version.definition) if before else None
        link = _list("case", workflow__id__exact=workflow.pk, version__id__exact=version.pk, state__exact="open")
        shown.append(
            {
                "number": version.number,
                "created_at": version.created_at,
                "current": version.pk == workflow.current_id,
                "open_cases": open_cases.get(version.pk, 0),
                "link": link,
                "comparison": comparison,
                "before": before,
            }
        )
    return shown


def _list(page: str, **filters: Any) -> str:
    return f"{reverse(f'admin:workflows_{page}_changelist')}?{urlencode(filters)}"


def _arc(place: str, weight: int) -> str:
    return place if weight == 1 else f"{weight} {place}"
