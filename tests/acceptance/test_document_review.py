"""The product's main journey on every storage: a document, an agent, a reply, a moved token, a booked cost, live events."""

from collections.abc import Iterator

import pytest

from tests.acceptance.graphql_client import Subscription, graphql
from tests.acceptance.review import COSTS, TOKEN, place_reviewer, send_for_review, wait_for
from tests.acceptance.running import Running
from tests.services import need_postgres

EVENTS = (
    'subscription { workflowEvents(workflowId: "document_review") { seq eventType workflowId tokenId data timestamp } }'
)
TOKEN_EVENTS = "subscription ($id: String!) { tokenUpdates(tokenId: $id) { seq eventType tokenId place timestamp } }"


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def product(request: pytest.FixtureRequest) -> Iterator[Running]:
    if request.param == "postgres":
        need_postgres()
    with Running(storage=request.param) as running:
        yield running


def test_an_agent_reviews_a_document(product: Running) -> None:
    control = product.control_url
    place_reviewer(control)
    with Subscription(control, EVENTS) as live:
        token = send_for_review(control, "Ship it on Friday.")
        done = wait_for(lambda: graphql(control, TOKEN, id=token), lambda seen: seen["token"]["place"] == "approved")
        events = [event for event in live.wait(4) if event["tokenId"] == token]

    assert "Ship it on Friday." in done["token"]["data"]["review"]
    assert done["token"]["data"]["title"] == "Plan", "the agent's answer is merged, nothing is lost"
    (execution,) = done["tokenExecutions"]
    assert execution["status"] == "COMPLETED"
    assert execution["placeId"] == "review"
    assert execution["inputData"] == {"document": "Ship it on Friday."}

    moves = [(step["transition"], step["fromPlace"], step["toPlace"]) for step in done["token"]["history"]]
    assert ("submit", "draft", "review") in moves
    assert moves[-1] == ("approve", "review", "approved")

    assert [event["seq"] for event in events] == sorted({event["seq"] for event in events}), "in order, none twice"
    assert len(events) == len(done["token"]["history"]), "the subscription saw every event"

    costs = wait_for(lambda: graphql(control, COSTS)["costAnalytics"], lambda seen: seen["totalCost"] > 0, timeout=5)
    (row,) = costs["modelBreakdown"]
    assert (row["model"], row["requests"]) == ("gpt-4", 1)
    assert row["cost"] == pytest.approx(row["inputTokens"] * 0.00003 + row["outputTokens"] * 0.00006)
    assert costs["totalCost"] == pytest.approx(row["cost"])


def test_two_fires_at_once_one_wins(product: Running) -> None:
    """Two clients fire one token at the same moment: one moves it, the other is told why not."""
    from concurrent.futures import ThreadPoolExecutor

    from tests.acceptance.graphql_client import GraphQLRefused
    from tests.acceptance.review import CREATE_TOKEN, FIRE

    control = product.control_url

    def fire(token: str) -> str:
        try:
            graphql(control, FIRE, token=token, transition="submit")
        except GraphQLRefused as refused:
            return refused.code
        return "won"

    with ThreadPoolExecutor(8) as pool:
        for _ in range(5):
            token = graphql(control, CREATE_TOKEN, content="x")["createToken"]["id"]
            outcomes = sorted(pool.map(fire, [token] * 8))
            assert outcomes.count("won") == 1, outcomes
            assert set(outcomes) <= {"won", "TOKEN_CONFLICT", "NOT_ENABLED"}, outcomes
            history = graphql(control, TOKEN, id=token)["token"]["history"]
            assert [step["transition"] for step in history].count("submit") == 1
