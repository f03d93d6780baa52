"""Cases: open until all their tokens lie in final places, found by state, asked about as a whole."""

from typing import Any

import pytest

from tests.apps.workflows.asking import ask, refused
from workflows import selectors, services
from workflows.models import Case, Token, Workflow

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_case_finishes_when_its_token_comes_to_rest(papers: Workflow) -> None:
    token = services.create_token("papers")
    assert (token.case.state, token.case.finished_at) == (Case.OPEN, None)
    services.fire(str(token.pk), "submit")
    assert Case.objects.get().state == Case.OPEN
    approved = services.fire(str(token.pk), "approve")
    case = Case.objects.get()
    assert (case.state, case.finished_at) == (Case.FINISHED, approved.updated_at)


def test_a_case_without_tokens_is_finished_and_a_new_token_opens_it_again(papers: Workflow) -> None:
    token = services.create_token("papers")
    services.fire(str(token.pk), "discard")
    assert Case.objects.get().state == Case.FINISHED
    services.create_token("papers", place="ready", case_id=str(token.case_id))
    assert Case.objects.get().state == Case.FINISHED
    services.create_token("papers", case_id=str(token.case_id))
    case = Case.objects.get()
    assert (case.state, case.finished_at) == (Case.OPEN, None)


def test_half_of_a_join_keeps_its_case_open(papers: Workflow) -> None:
    token = services.create_token("papers")
    services.fire(str(token.pk), "split")
    services.fire(str(token.pk), "approve")
    assert selectors.marking_counts(Case.objects.get()) == {"approved": 1, "legal": 1}
    assert Case.objects.get().state == Case.OPEN


def test_an_entry_that_changes_no_token_leaves_the_state(papers: Workflow) -> None:
    services.attach_action("approved", "check", "rules-1")
    token = services.create_token("papers")
    services.fire(str(token.pk), "submit")
    services.fire(str(token.pk), "approve")
    finished_at = Case.objects.get().finished_at
    from workflows import outbox
    from workflows.models import OutboxEffect

    effect = OutboxEffect.objects.get()
    assert outbox.claim(str(effect.pk), effect.available_at) is not None
    services.fail(str(effect.pk), 1, "no", retryable=False)
    case = Case.objects.get()
    assert (case.state, case.finished_at, case.last_seq) == (Case.FINISHED, finished_at, 4)


CASE = """query Case($id: String!, $after: Int) { case(id: $id) {
  id workflowId version state triggeredBy lastSeq createdAt finishedAt archivedAt marking
  tokens { place state history { transition } } live: tokens(state: "live") { place }
  log(after: $after, first: 2) { seq eventType transition tokenId toPlace data }
  transitions { transition { id } tokenIds reasons { kind message } } } }"""


def test_a_case_is_shown_with_its_log_tokens_and_transitions(papers: Workflow) -> None:
    token = services.create_token("papers", data={"title": "A"}, triggered_by="cron")
    services.fire(str(token.pk), "split", {"score": 9})
    case = ask(CASE, id=str(token.case_id), after=0)["case"]
    assert (case["workflowId"], case["version"], case["state"]) == ("papers", 1, "open")
    assert (case["triggeredBy"], case["lastSeq"], case["finishedAt"], case["archivedAt"]) == ("cron", 2, None, None)
    assert case["marking"] == {"legal": 1, "review": 1}
    assert sorted(each["place"] for each in case["live"]) == ["legal", "review"]
    assert case["tokens"][0]["history"] == [{"transition": None}, {"transition": "split"}]
    assert [(entry["seq"], entry["eventType"], entry["transition"]) for entry in case["log"]] == [
        (1, "token_created", None),
        (2, "transition_fired", "split"),
    ]
    assert case["log"][1]["data"] == {"score": 9}
    ways = {way["transition"]["id"]: way for way in case["transitions"]}
    assert len(ways["join"]["tokenIds"]) == 2
    assert ways["approve_good"]["tokenIds"] == [str(token.pk)]
    assert ways["submit"]["tokenIds"] == []
    assert ways["submit"]["reasons"] == [{"kind": "missing_tokens", "message": 'no token lies in "draft"'}]
    assert [entry["seq"] for entry in ask(CASE, id=str(token.case_id), after=1)["case"]["log"]] == [2]
    assert ask(CASE, id="x") == {"case": None}


def test_cases_are_listed_by_workflow_and_state_page_by_page(papers: Workflow) -> None:
    services.create_workflow({**papers.current.definition, "id": "others", "name": "Others"})  # type: ignore[union-attr]
    services.create_token("others")
    tokens = [services.create_token("papers") for _ in range(5)]
    services.fire(str(tokens[0].pk), "discard")
    query = """query List($state: String, $first: Int, $after: String) {
      cases(workflowId: "papers", state: $state, first: $first, after: $after) { id state } }"""
    newest_first = [str(token.case_id) for token in reversed(tokens)]
    seen: list[str] = []
    page: list[dict[str, Any]] = ask(query, first=2)["cases"]
    while page:
        seen += [case["id"] for case in page]
        page = ask(query, first=2, after=seen[-1])["cases"]
    assert seen == newest_first
    assert [case["id"] for case in ask(query, state="finished")["cases"]] == [newest_first[-1]]
    assert [case["id"] for case in ask(query, state="open")["cases"]] == newest_first[:-1]
    assert refused(query, state="done").code == "BAD_INPUT"
    assert refused(query, after="x").code == "BAD_INPUT"
    assert refused(query, first=501).code == "BAD_INPUT"


def test_firing_to_the_end_costs_one_query_more(papers: Workflow, django_assert_max_num_queries: Any) -> None:
    token = services.create_token("papers")
    services.fire(str(token.pk), "submit")
    with django_assert_max_num_queries(15):
        services.fire(str(token.pk), "approve")
    assert Token.objects.get().place == "approved"


PAGE = """query ($id: String!, $first: Int, $after: String) { case(id: $id) {
  transitions(first: $first, after: $after) { transition { id } tokenIds } } }"""


def test_the_transitions_of_a_large_net_come_page_by_page(papers: Workflow) -> None:
    ways = [{"id": f"way{number}", "fromPlaces": ["here"], "toPlace": "there"} for number in range(250)]
    services.create_workflow(
        {"id": "wide", "name": "W", "places": ["here", "there"], "initialPlace": "here", "transitions": ways}
    )
    token = services.create_token("wide")
    usual = ask(PAGE, id=str(token.case_id))["case"]["transitions"]
    assert [each["transition"]["id"] for each in usual] == [f"way{number}" for number in range(100)]
    seen: list[str] = []
    after = None
    while page := ask(PAGE, id=str(token.case_id), first=120, after=after)["case"]["transitions"]:
        assert all(each["tokenIds"] == [str(token.pk)] for each in page)
        seen += [each["transition"]["id"] for each in page]
        after = seen[-1]
    assert seen == [each["id"] for each in ways]
    for wrong in ({"first": 501}, {"first": 0}, {"after": "nothing"}):
        assert refused(PAGE, id=str(token.case_id), **wrong).code == "BAD_INPUT"


def test_of_each_place_the_oldest_tokens_are_tried(papers: Workflow) -> None:
    first = services.create_token("papers")
    tokens = [first, *(services.create_token("papers", case_id=str(first.case_id)) for _ in range(50))]
    found = ask(PAGE, id=str(first.case_id), first=1)["case"]["transitions"]
    assert found == [{"transition": {"id": "submit"}, "tokenIds": [str(each.pk) for each in tokens[:50]]}]
