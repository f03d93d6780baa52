"""`analyzeWorkflow`, and what is heard when a workflow is made."""

from typing import Any

import pytest

from tests.apps.workflows.asking import refused, schema
from workflows.models import Workflow

pytestmark = pytest.mark.django_db(transaction=True)

DEPLOY: dict[str, Any] = {
    "id": "deploy",
    "name": "Deploy",
    "places": ["built", "approved", "live"],
    "initialPlace": "built",
    "transitions": [
        {"id": "approve", "fromPlaces": ["built"], "toPlace": "approved"},
        {"id": "to_production", "fromPlaces": ["approved"], "toPlace": "live"},
    ],
}
HOTFIX: dict[str, Any] = {
    **DEPLOY,
    "transitions": [*DEPLOY["transitions"], {"id": "to_production_now", "fromPlaces": ["built"], "toPlace": "live"}],
}
PILING: dict[str, Any] = {
    "id": "piling",
    "name": "Piling up",
    "places": ["work", "heap", "done"],
    "initialPlace": "work",
    "transitions": [
        {"id": "again", "inputs": [{"place": "work"}], "outputs": [{"place": "work"}, {"place": "heap"}]},
        {"id": "end", "fromPlaces": ["work"], "toPlace": "done"},
    ],
}
STEP: dict[str, Any] = {
    **DEPLOY,
    "transitions": [
        {
            "id": "review",
            "kind": "agent",
            "work": {"agent": "reviewer"},
            "retries": {"maxAttempts": 3},
            "fromPlaces": ["built"],
            "toPlace": "live",
            "outcomes": {"failed": ["approved"]},
        },
        {"id": "retry", "fromPlaces": ["approved"], "toPlace": "live"},
    ],
}

ANALYZE = """
query Analyze($definition: WorkflowDefinitionInput, $id: String, $prices: [PriceInput!], $approvals: [ApprovalInput!],
              $limits: AnalysisLimitsInput, $tokens: [TokensInput!]) {
  analyzeWorkflow(definition: $definition, workflowId: $id, prices: $prices, approvals: $approvals, limits: $limits,
                  tokens: $tokens) {
    sound { answer method trace witness note }
    bounded { answer trace witness }
    bounds { place most }
    deadlockFree { answer trace }
    deadTransitions { answer }
    live { answer }
    placeInvariants { sets complete }
    worstPrice { answer usd trace loop note }
    approvals { action approvals verdict { answer trace } }
    states edges complete abstracted
  }
}
"""
CREATE = """
mutation Create($input: WorkflowDefinitionInput!, $analysis: AnalysisPolicy) {
  createWorkflow(input: $input, analysis: $analysis) { id warnings { kind message proved trace } }
}
"""


def ask(query: str, **variables: Any) -> Any:
    result = schema.execute(query, variables=variables)
    assert result.errors is None, result.errors
    return next(iter(result.data.values()))


def test_a_sound_workflow_is_proved_so() -> None:
    report = ask(ANALYZE, definition=DEPLOY)
    assert report["sound"]["answer"] == "TRUE"
    assert report["sound"]["method"] == "reachability graph"
    assert report["bounds"] == [{"place": place, "most": 1} for place in DEPLOY["places"]]
    assert report["placeInvariants"] == {"sets": [{"built": 1, "approved": 1, "live": 1}], "complete": True}
    assert (report["states"], report["edges"], report["complete"]) == (3, 2, True)


def test_an_approval_is_proved_or_its_way_round_is_shown() -> None:
    asked = [{"action": "to_production", "approvals": ["approve"]}]
    assert ask(ANALYZE, definition=DEPLOY, approvals=asked)["approvals"][0]["verdict"] == {
        "answer": "TRUE",
        "trace": None,
    }
    asked = [{"action": "to_production_now", "approvals": ["approve"]}]
    assert ask(ANALYZE, definition=HOTFIX, approvals=asked)["approvals"][0]["verdict"] == {
        "answer": "FALSE",
        "trace": ["to_production_now"],
    }


def test_the_worst_price_counts_attempts_and_arrivals() -> None:
    prices = [{"transition": "review", "usd": "0.02"}, {"place": "live", "usd": "0.001"}]
    worst = ask(ANALYZE, definition=STEP, prices=prices)["worstPrice"]
    assert worst["answer"] == "TRUE"
    assert worst["usd"] == "0.061000000", "three attempts at 0.02, and one arrival"


def test_a_price_without_end_names_the_loop() -> None:
    worst = ask(ANALYZE, definition=PILING, prices=[{"transition": "again", "usd": "1"}])["worstPrice"]
    assert (worst["answer"], worst["usd"], worst["loop"]) == ("FALSE", None, ["again"])


def test_the_marking_to_begin_with_can_be_given(papers: Workflow) -> None:
    report = ask(ANALYZE, id=papers.pk, tokens=[{"place": "review", "count": 1}, {"place": "legal", "count": 1}])
    assert report["deadlockFree"]["answer"] == "FALSE"
    assert report["deadlockFree"]["trace"] == ["approve"]
    assert report["abstracted"] == ["guards count as free choice: approve_good"]


def test_past_its_limits_it_says_unknown() -> None:
    branches = range(20)
    wide = {
        "name": "Wide",
        "places": ["start", *(f"{kind}{n}" for n in branches for kind in "pq"), "done"],
        "initialPlace": "start",
        "transitions": [
            {"id": "open", "inputs": [{"place": "start"}], "outputs": [{"place": f"p{n}"} for n in branches]},
            *({"id": f"t{n}", "fromPlaces": [f"p{n}"], "toPlace": f"q{n}"} for n in branches),
            {"id": "close", "inputs": [{"place": f"q{n}"} for n in branches], "outputs": [{"place": "done"}]},
        ],
    }
    report = ask(ANALYZE, definition=wide, limits={"states": 500, "seconds": 5.0})
    assert report["sound"]["answer"] == "UNKNOWN"
    assert "500 markings" in report["sound"]["note"]
    assert report["deadTransitions"]["answer"] == "UNKNOWN"
    assert not report["complete"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({}, "either a definition or a workflowId"),
        ({"definition": DEPLOY, "limits": {"states": 0}}, "limits.states"),
        ({"definition": DEPLOY, "limits": {"seconds": 1e9}}, "limits.seconds"),
        ({"definition": DEPLOY, "prices": [{"place": "live", "usd": "cheap"}]}, "prices[0].usd"),
        ({"definition": DEPLOY, "prices": [{"usd": "1"}]}, "either a transition or a place"),
        ({"definition": DEPLOY, "prices": [{"place": "lve", "usd": "1"}]}, "no place 'lve'; did you mean \"live\"?"),
        ({"definition": DEPLOY, "approvals": [{"action": "x", "approvals": []}]}, "no transition 'x'"),
        ({"definition": DEPLOY, "tokens": [{"place": "live", "count": -1}]}, "tokens[0].count"),
        ({"id": "nothing"}, "no workflow 'nothing'"),
    ],
)
def test_bad_arguments_are_told_with_their_place(arguments: Any, said: str) -> None:
    assert said in str(refused(ANALYZE, **arguments))


def test_creating_tells_what_was_found() -> None:
    made = ask(CREATE, input=PILING)
    assert [each["kind"] for each in made["warnings"]] == ["unbounded", "not_sound", "deadlock"]
    assert all(each["proved"] for each in made["warnings"])
    assert made["warnings"][0]["trace"] == ["again"]
    assert ask(CREATE, input=DEPLOY)["warnings"] == []


def test_creating_is_refused_if_asked_and_nothing_is_made() -> None:
    error = refused(CREATE, input=PILING, analysis="REFUSE")
    assert error.code == "NOT_SOUND"
    assert error.details["findings"][0]["kind"] == "unbounded"
    assert not Workflow.objects.filter(pk="piling").exists()
    assert ask(CREATE, input=DEPLOY, analysis="REFUSE")["id"] == "deploy"
    assert ask(CREATE, input=PILING, analysis="OFF") == {"id": "piling", "warnings": []}


UPDATE = """
mutation ($input: WorkflowDefinitionInput!, $analysis: AnalysisPolicy) {
  updateWorkflow(input: $input, analysis: $analysis) { version warnings { kind proved trace } }
}
"""


def test_changing_tells_what_was_found_or_is_refused_as_making_is() -> None:
    ask(CREATE, input=DEPLOY)
    worse = {**PILING, "id": "deploy"}
    error = refused(UPDATE, input=worse, analysis="REFUSE")
    assert (error.code, error.details["findings"][0]["kind"]) == ("NOT_SOUND", "unbounded")
    assert Workflow.objects.get(pk="deploy").versions.count() == 1
    assert ask(UPDATE, input=worse, analysis="OFF") == {"version": 2, "warnings": []}
    assert ask(UPDATE, input=HOTFIX | {"id": "deploy"}) == {"version": 3, "warnings": []}
    changed = ask(UPDATE, input=worse)
    assert (changed["version"], [each["kind"] for each in changed["warnings"]]) == (
        4,
        ["unbounded", "not_sound", "deadlock"],
    )
    assert refused(UPDATE, input={**worse, "id": "nothing"}, analysis="REFUSE").code == "WORKFLOW_NOT_FOUND"
