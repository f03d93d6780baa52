"""The workflow part of the GraphQL schema, asked as clients ask it."""

from typing import Any

import pytest

from tests.apps.workflows.asking import ask, refused
from workflows import services
from workflows.models import Workflow

pytestmark = pytest.mark.django_db(transaction=True)

CREATE = """
mutation Create($input: WorkflowDefinitionInput!) {
  createWorkflow(input: $input) {
    id name places initialPlace version
    transitions { id name fromPlaces toPlace conditions description inputs { place weight } }
  }
}
"""
WRITTEN = {
    "id": "orders",
    "name": "Orders",
    "places": ["open", "paid", "sent"],
    "initialPlace": "open",
    "transitions": [
        {
            "id": "pay",
            "name": "Pay",
            "fromPlaces": ["open"],
            "toPlace": "paid",
            "conditions": [{"type": "FieldExists", "field": "sum"}],
        },
        {"name": "Send it", "fromPlaces": ["paid", "open"], "toPlace": "sent", "description": "By mail"},
    ],
}


def test_a_workflow_comes_back_as_it_was_written() -> None:
    made = ask(CREATE, input=WRITTEN)["createWorkflow"]
    assert made == {
        "id": "orders",
        "name": "Orders",
        "places": ["open", "paid", "sent"],
        "initialPlace": "open",
        "version": 1,
        "transitions": [
            {
                "id": "pay",
                "name": "Pay",
                "fromPlaces": ["open"],
                "toPlace": "paid",
                "conditions": [{"type": "FieldExists", "field": "sum"}],
                "description": None,
                "inputs": None,
            },
            {
                "id": "send_it",
                "name": "Send it",
                "fromPlaces": ["paid", "open"],
                "toPlace": "sent",
                "conditions": [],
                "description": "By mail",
                "inputs": None,
            },
        ],
    }
    assert ask('{ workflow(id: "orders") { name } none: workflow(id: "x") { name } }') == {
        "workflow": {"name": "Orders"},
        "none": None,
    }
    assert ask("{ workflows { id createdAt updatedAt } }")["workflows"][0]["id"] == "orders"


def test_a_fault_in_a_definition_comes_with_its_path() -> None:
    broken = {**WRITTEN, "transitions": [{"id": "pay", "fromPlaces": ["open"], "toPlace": "payed"}]}
    error = refused(CREATE, input=broken)
    assert error.code == "BAD_DEFINITION"
    assert str(error) == 'transitions[0].toPlace: no place "payed"; did you mean "paid"?'
    assert error.details == {"path": "transitions[0].toPlace"}


def test_a_token_is_made_fired_and_looked_up(papers: Workflow) -> None:
    made = ask(
        """mutation { createToken(input: {workflowId: "papers", data: {title: "A", pages: 12345678901, tags: ["x", {y: null}]}}) {
             id place data metadata version history { transition toPlace } } }"""
    )["createToken"]
    assert made["place"] == "draft"
    assert made["data"] == {"title": "A", "pages": 12345678901, "tags": ["x", {"y": None}]}
    assert made["history"] == [{"transition": None, "toPlace": "draft"}]
    fire = """mutation Fire($id: String!, $score: Int) {
      fireTransition(input: {tokenId: $id, transitionId: "submit", data: {review: {score: $score}}, expectedVersion: 1}) {
        id workflowId place data version createdAt updatedAt
        history { timestamp transition fromPlace toPlace data } historyCount } }"""
    fired = ask(fire, id=made["id"], score=7)["fireTransition"]
    assert (fired["id"], fired["place"], fired["version"], fired["historyCount"]) == (made["id"], "review", 2, 2)
    assert fired["data"]["review"] == {"score": 7}
    last = fired["history"][-1]
    assert (last["transition"], last["fromPlace"], last["toPlace"]) == ("submit", "draft", "review")
    assert last["data"] == {"review": {"score": 7}}
    assert refused(fire, id=made["id"]).code == "TOKEN_CONFLICT"
    looked = ask(
        """query Look($id: String!) {
             token(id: $id) { id } findToken(workflowId: "papers", tokenId: $id) { id }
             other: findToken(workflowId: "document_review", tokenId: $id) { id }
             tokens(workflowId: "papers") { id } tokensInPlace(workflowId: "papers", placeId: "review") { id }
             empty: tokensInPlace(workflowId: "papers", placeId: "draft") { id }
             availableTransitions(tokenId: $id) { id }
             whyNotEnabled(tokenId: $id, transitionId: "submit") { kind message details } }""",
        id=made["id"],
    )
    own = {"id": made["id"]}
    assert looked == {
        "token": own,
        "findToken": own,
        "other": None,
        "tokens": [own],
        "tokensInPlace": [own],
        "empty": [],
        "availableTransitions": [{"id": "approve"}],
        "whyNotEnabled": [
            {
                "kind": "token_elsewhere",
                "message": 'the token is in "review" and must be in "draft"',
                "details": {"place": "review", "needed": ["draft"]},
            }
        ],
    }


def test_a_join_takes_the_partners_that_are_named(papers: Workflow) -> None:
    first = services.create_token("papers", place="review")
    legal = [services.create_token("papers", place="legal", case_id=str(first.case_id)) for _ in range(2)]
    join = """mutation Join($id: String!, $with: [String!]) {
      fireTransition(input: {tokenId: $id, transitionId: "join", partnerTokenIds: $with}) { place } }"""
    wanted = [str(legal[1].pk)]
    assert ask(join, **{"id": str(first.pk), "with": wanted})["fireTransition"] == {"place": "ready"}
    assert ask("query T($id: String!) { token(id: $id) { state } }", id=wanted[0])["token"]["state"] == "consumed"


def test_errors_have_codes() -> None:
    fire = 'mutation { fireTransition(input: {tokenId: "x", transitionId: "y"}) { id } }'
    assert refused(fire).code == "TOKEN_NOT_FOUND"
    assert refused('mutation { createToken(input: {workflowId: "x"}) { id } }').code == "WORKFLOW_NOT_FOUND"
    assert refused("{ tokens(limit: 501) { id } }").code == "BAD_INPUT"
    assert refused("{ tokens(limit: 0) { id } }").code == "BAD_INPUT"


def test_an_instance_starts_in_the_initial_place(papers: Workflow) -> None:
    made = ask(
        """mutation { createWorkflowInstance(input: {workflowId: "papers", initialData: {a: 1}, triggeredBy: "cron"}) {
             place data history { triggeredBy } } }"""
    )
    assert made["createWorkflowInstance"] == {"place": "draft", "data": {"a": 1}, "history": [{"triggeredBy": "cron"}]}


def test_histories_of_many_tokens_cost_one_query(papers: Workflow, django_assert_num_queries: Any) -> None:
    for _ in range(10):
        token = services.create_token("papers")
        services.fire(str(token.pk), "submit")
    with django_assert_num_queries(2):
        listed = ask("{ tokens { id history { transition } } }")["tokens"]
    assert [len(token["history"]) for token in listed] == [2] * 10


def test_firing_one_token_keeps_its_number_of_queries(papers: Workflow, django_assert_max_num_queries: Any) -> None:
    token = services.create_token("papers")
    with django_assert_max_num_queries(14):
        services.fire(str(token.pk), "submit")


def test_the_full_form_is_accepted_and_a_signal_moves_a_token() -> None:
    written = {
        "id": "full",
        "name": "Full",
        "places": ["a", "b", "c", "pool"],
        "placeOptions": [{"id": "pool", "scope": "workflow", "capacity": 3}],
        "initialPlace": "a",
        "rules": {"big": {"type": "Expression", "expression": "data.n > 5"}},
        "transitions": [
            {
                "id": "heard",
                "kind": "signal",
                "inputs": [{"place": "a"}],
                "outputs": [{"place": "b", "set": {"twice": "data.n * 2"}}],
                "work": {"signal": "news", "correlation": {"n": "data.n"}},
            },
            {"id": "big", "kind": "automatic", "fromPlaces": ["b"], "toPlace": "c", "conditions": ["big"]},
            {"id": "small", "kind": "automatic", "fromPlaces": ["b"], "toPlace": "a", "else": True},
        ],
    }
    made = ask(CREATE, input=written)["createWorkflow"]
    assert [each["id"] for each in made["transitions"]] == ["heard", "big", "small"]
    assert services.create_token("full", place="pool").case.scope == "workflow"
    token = services.create_token("full", data={"n": 7})
    sent = ask(
        "mutation ($i: SignalInput!) { sendSignal(input: $i) { tokens { id place data } } }",
        i={"name": "news", "workflowId": "full", "correlation": {"n": 7}},
    )
    moved = {"id": str(token.pk), "place": "c", "data": {"n": 7, "twice": 14}}
    assert sent["sendSignal"]["tokens"] == [moved]
