"""Functions at places and at steps of a workflow: how they end is what the token does."""

from dataclasses import replace
from typing import Any

import pytest

from tests.apps.workflows.allowing import Allow
from workflows import services, tasks
from workflows.actions import functions
from workflows.core.effects import EffectResult, EffectRun
from workflows.core.errors import EffectFailed
from workflows.models import Firing, OutboxEffect, Token, Workflow


@pytest.mark.django_db(transaction=True)
def test_a_token_that_arrives_runs_the_function_and_goes_on(allow: Allow, papers: Workflow) -> None:
    program = "import json, sys; given = json.load(sys.stdin); print(json.dumps({'seen': given}))"
    allow(count={"python": program, "take": ["title"], "result": "count", "fire": "approve"})
    services.attach_action("review", "function", "count", workflow_id="papers")
    token = services.fire(str(services.create_token("papers", data={"title": "A", "text": "long"}).pk), "submit")
    effect = OutboxEffect.objects.get()
    assert tasks.run_effect(str(effect.pk)) == "completed"
    token = Token.objects.get(pk=token.pk)
    assert token.place == "approved"
    assert token.data == {"title": "A", "text": "long", "count": {"seen": {"title": "A"}}}


@pytest.mark.django_db(transaction=True)
def test_a_function_that_fails_is_told_in_the_log_and_moves_nothing(allow: Allow, papers: Workflow) -> None:
    allow(broken={"python": "import sys; sys.exit('no luck')"}, number={"python": "print(1)"})
    services.attach_action("draft", "function", "broken", workflow_id="papers")
    token = services.create_token("papers")
    assert tasks.run_effect(str(OutboxEffect.objects.get().pk)) == "failed"
    entry = Firing.objects.get(kind=Firing.EFFECT_FAILED)
    assert entry.data == {"error": "broken ended with exit code 1. It said: no luck", "kind": "function"}
    assert Token.objects.get(pk=token.pk).place == "draft"
    with pytest.raises(EffectFailed, match="the output is no JSON object"):
        functions.run(EffectRun("e", 1, "function", "number", {}, None))


def test_a_step_hands_in_its_input_and_its_time_limit_is_the_outcome_timeout(allow: Allow) -> None:
    echo = "import json, sys; print(json.dumps({'seen': json.load(sys.stdin)}))"
    hang = "import time; time.sleep(60)"
    allow(echo={"python": echo, "take": ["other"], "fire": "never"}, hang={"python": hang, "limits": {"seconds": 0.3}})
    run = EffectRun("e", 1, "function", "echo", {}, None, step="resize", input={"width": 3})
    assert functions.run(run) == EffectResult(data={"seen": {"width": 3}})
    ended = functions.run(replace(run, reference="hang"))
    error = {"step": "resize", "message": "hang was stopped after 0.3 s.", "attempts": 1}
    assert (ended.outcome, ended.metadata) == ("timeout", {"error": error})


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("program", "place", "data", "error"),
    [
        (
            "import json, sys; print(json.dumps({'half': json.load(sys.stdin)['n'] / 2}))",
            "done",
            {"n": 8, "half": 4},
            None,
        ),
        ("import sys; sys.exit('no luck')", "broken", {"n": 8}, "shrink ended with exit code 1. It said: no luck"),
        ("import time; time.sleep(60)", "late", {"n": 8}, "shrink was stopped after 0.5 s."),
    ],
)
def test_a_function_is_a_step_with_an_outcome(
    allow: Allow, program: str, place: str, data: dict[str, Any], error: str | None
) -> None:
    allow(shrink={"python": program, "limits": {"seconds": 0.5}})
    step = {"id": "go", "kind": "function", "fromPlaces": ["new"], "toPlace": "done", "timeout": 30}
    step |= {"work": {"function": "shrink", "input": {"n": "data.n"}}}
    step |= {"outcomes": {"failed": ["broken"], "timeout": ["late"]}}
    places = ["new", "done", "broken", "late"]
    services.create_workflow({"id": "w", "name": "W", "places": places, "initialPlace": "new", "transitions": [step]})
    token = services.create_token("w", data={"n": 8})
    tasks.run_effect(str(OutboxEffect.objects.get(kind="function").pk))
    token.refresh_from_db()
    assert (token.place, token.data) == (place, data)
    assert token.metadata.get("error", {}).get("message") == error
