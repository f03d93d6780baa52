"""Tokens under NATS names: every figure is the log's own."""

from typing import Any

import pytest
from django.utils import timezone

from tests.apps.workflows.asking import ask, refused
from tests.apps.workflows.finished import finished_case
from workflows import services
from workflows.models import Firing, Token, Workflow

pytestmark = pytest.mark.django_db(transaction=True)

TOKEN = """
query Nats($workflow: String!, $token: String!) {
  natsToken(workflowId: $workflow, tokenId: $token) {
    id workflowId place data metadata natsSequence natsTimestamp natsSubject
    history { transition toPlace }
    transitionHistory { fromPlace toPlace transitionId timestamp triggeredBy natsSequence metadata }
  }
}
"""
MOVE = """
mutation Move($input: TransitionTokenWithNATSInput!) {
  transitionTokenWithNats(input: $input) {
    id place data natsSequence transitionHistory { transitionId triggeredBy natsSequence }
  }
}
"""


def nats_token(token: Token, workflow: str = "papers") -> Any:
    return ask(TOKEN, workflow=workflow, token=str(token.pk))["natsToken"]


def test_a_token_shows_its_place_in_the_log(papers: Workflow) -> None:
    token = services.create_token("papers", data={"title": "A"}, metadata={"by": "x"}, triggered_by="cron")
    services.create_token("papers")  # an entry of another case in between
    services.fire(str(token.pk), "submit", {"n": 1}, metadata={"step": 2}, triggered_by="ann")
    made, submitted = Firing.objects.filter(token=token).order_by("id")
    assert submitted.pk > made.pk + 1
    assert nats_token(token) == {
        "id": str(token.pk),
        "workflowId": "papers",
        "place": "review",
        "data": {"title": "A", "n": 1},
        "metadata": {"by": "x", "step": 2},
        "natsSequence": submitted.pk,
        "natsTimestamp": submitted.at.isoformat(),
        "natsSubject": f"workflows.papers.places.review.tokens.{token.pk}",
        "history": [{"transition": None, "toPlace": "draft"}, {"transition": "submit", "toPlace": "review"}],
        "transitionHistory": [
            {
                "fromPlace": None,
                "toPlace": "draft",
                "transitionId": None,
                "timestamp": made.at.isoformat(),
                "triggeredBy": "cron",
                "natsSequence": made.pk,
                "metadata": {"by": "x"},
            },
            {
                "fromPlace": "draft",
                "toPlace": "review",
                "transitionId": "submit",
                "timestamp": submitted.at.isoformat(),
                "triggeredBy": "ann",
                "natsSequence": submitted.pk,
                "metadata": {"by": "x", "step": 2},
            },
        ],
    }


def test_a_token_of_another_workflow_or_none_is_null(papers: Workflow) -> None:
    token = services.create_token("papers")
    assert nats_token(token, "other") is None
    assert ask(TOKEN, workflow="papers", token="no-uuid")["natsToken"] is None


def test_an_archived_token_shows_the_same_as_before(papers: Workflow) -> None:
    token = finished_case()
    before = nats_token(token)
    services.archive_case(token.case_id, timezone.now())
    assert not Token.objects.filter(pk=token.pk).exists()
    assert nats_token(token) == before


def test_a_consumed_token_ends_with_the_entry_that_consumed_it(papers: Workflow) -> None:
    token = services.create_token("papers")
    services.fire(str(token.pk), "discard")
    last = nats_token(token)["transitionHistory"][-1]
    assert (last["transitionId"], last["toPlace"], last["metadata"]) == ("discard", None, None)
    assert nats_token(token)["natsSequence"] == last["natsSequence"]


def test_a_transition_tells_who_fired_it_and_moves_to_the_place_named(papers: Workflow) -> None:
    token = services.create_token("papers")
    given = {"tokenId": str(token.pk), "transitionId": "submit", "newPlace": "review", "triggeredBy": "ann"}
    moved = ask(MOVE, input={**given, "data": {"n": 1}})["transitionTokenWithNats"]
    assert (moved["id"], moved["place"], moved["data"]) == (str(token.pk), "review", {"n": 1})
    firing = Firing.objects.get(token=token, transition="submit")
    assert moved["natsSequence"] == firing.pk
    assert moved["transitionHistory"][-1] == {
        "transitionId": "submit",
        "triggeredBy": "ann",
        "natsSequence": firing.pk,
    }


def test_a_transition_that_leads_elsewhere_is_refused_and_nothing_moves(papers: Workflow) -> None:
    token = services.create_token("papers")
    error = refused(MOVE, input={"tokenId": str(token.pk), "transitionId": "submit", "newPlace": "approved"})
    assert error.code == "BAD_INPUT"
    assert str(error) == "newPlace: is 'approved', but transition 'submit' takes it to 'review'"
    error = refused(MOVE, input={"tokenId": str(token.pk), "transitionId": "discard", "newPlace": "draft"})
    assert str(error) == "newPlace: is 'draft', but transition 'discard' ends it there"
    assert nats_token(token)["place"] == "draft"


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"transitionId": "sumbit", "newPlace": "review"}, "UNKNOWN_TRANSITION"),
        ({"transitionId": "approve", "newPlace": "approved"}, "NOT_ENABLED"),
        ({"transitionId": "submit", "triggeredBy": "x" * 201}, "BAD_INPUT"),
        ({"transitionId": "submit", "tokenId": "none", "newPlace": "review"}, "TOKEN_NOT_FOUND"),
    ],
)
def test_what_cannot_fire_is_refused_with_its_code(papers: Workflow, given: dict[str, str], code: str) -> None:
    token = services.create_token("papers")
    assert refused(MOVE, input={"tokenId": str(token.pk), **given}).code == code


def test_a_long_history_costs_no_more_queries_than_a_short_one(
    papers: Workflow, django_assert_num_queries: Any
) -> None:
    short, long = services.create_token("papers"), services.create_token("papers")
    for _ in range(30):
        services.fire(str(long.pk), "touch")
    for token in (short, long):
        with django_assert_num_queries(3):
            nats_token(token)
