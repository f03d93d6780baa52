"""A contract that a person signs: the workflow, and its task opened by a worker."""

from typing import Any

from workflows import services, tasks
from workflows.models import Firing, HumanTask, OutboxEffect, Token

FORM: dict[str, Any] = {
    "type": "object",
    "required": ["approved"],
    "properties": {
        "approved": {"type": "boolean", "title": "Approve it?"},
        "note": {"type": "string", "maxLength": 20},
        "until": {"type": "string", "format": "date"},
    },
}


def signing(**work: Any) -> dict[str, Any]:
    """A contract is signed by a person; if nobody does, it expires."""
    work = {"title": "Sign the contract", "form": FORM, "input": {"name": "data.name"}, **work}
    step = {"id": "sign", "kind": "human", "fromPlaces": ["new"], "toPlace": "signed", "work": work}
    step["outcomes"] = {"timeout": ["late"], "cancelled": ["new"]}
    places = ["new", "signed", "late"]
    return {"id": "contract", "name": "Contract", "places": places, "initialPlace": "new", "transitions": [step]}


def opened(**work: Any) -> HumanTask:
    """The task of a token that came to the step."""
    services.create_workflow(signing(**work))
    services.create_token("contract", data={"name": "Ann", "salary": 7})
    assert tasks.run_effect(str(OutboxEffect.objects.get().pk)) == "waiting"
    return HumanTask.objects.get()


def token_of(task: HumanTask) -> Token:
    return Token.objects.get(pk=task.token_id)


def log_of(task: HumanTask) -> list[tuple[str, str]]:
    kinds = Firing.objects.filter(case=task.case_id, kind__startswith="task_").order_by("seq")
    return list(kinds.values_list("kind", "triggered_by"))
