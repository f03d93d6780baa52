"""`kill -9` at the worst moment: nothing is lost, nothing happens twice, and what can go on serving does."""

import contextlib
import os
import signal
import time
from collections.abc import Iterator

import httpx
import pytest

from tests.acceptance.graphql_client import GraphQLRefused, graphql
from tests.acceptance.review import COSTS, TOKEN, place_reviewer, send_for_review, wait_for
from tests.acceptance.running import Running
from tests.services import need_postgres

SLOW = "sandbox?delay=3"
"""The sandbox answers after three seconds."""
CALLS = "{ costAnalytics { providerBreakdown { provider requests } } }"


@pytest.fixture(params=["memory", "postgres"])
def product(request: pytest.FixtureRequest) -> Iterator[Running]:
    if request.param == "postgres":
        need_postgres()
    with Running(storage=request.param, env={"EFFECT_LEASE_SECONDS": "3"}) as running:
        yield running


def chat(gateway_url: str, content: str = "Hi") -> httpx.Response:
    body = {"model": "gpt-4", "messages": [{"role": "user", "content": content}]}
    return httpx.post(f"{gateway_url}/v1/chat/completions", json=body, timeout=30)


def booked(control_url: str) -> int:
    """Calls in the ledger; 0 while control is away."""
    with contextlib.suppress(httpx.TransportError, GraphQLRefused):
        rows = graphql(control_url, CALLS)["costAnalytics"]["providerBreakdown"]
        return sum(int(row["requests"]) for row in rows)
    return 0


def test_worker_killed_in_the_middle_of_a_review(product: Running) -> None:
    control = product.control_url
    place_reviewer(control, model=SLOW)
    token = send_for_review(control, "Kill me if you can.")
    wait_for(
        lambda: graphql(control, TOKEN, id=token)["tokenExecutions"],
        lambda seen: bool(seen) and seen[0]["status"] == "RUNNING",
    )
    time.sleep(0.5)
    os.kill(product.pid("worker"), signal.SIGKILL)

    done = wait_for(
        lambda: graphql(control, TOKEN, id=token), lambda seen: seen["token"]["place"] == "approved", timeout=60
    )
    assert "Kill me if you can." in done["token"]["data"]["review"]
    assert [execution["status"] for execution in done["tokenExecutions"]] == ["COMPLETED"]
    time.sleep(4)  # longer than the lease and the first call's delay: a second result would have come by now
    later = graphql(control, TOKEN, id=token)
    assert later == done, "the result is there once, and the token moved once"
    moves = [step["transition"] for step in later["token"]["history"]]
    assert moves.count("approve") == 1


def test_control_killed_the_gateway_serves_on_and_catches_up(product: Running) -> None:
    control = product.control_url
    assert chat(product.gateway_url).status_code == 200
    wait_for(lambda: booked(control), lambda seen: seen == 1)
    os.kill(product.pid("control"), signal.SIGKILL)
    served = [chat(product.gateway_url, f"while control is away {n}").status_code for n in range(20)]
    assert served == [200] * 20
    wait_for(lambda: booked(control), lambda seen: seen >= 21, timeout=30)
    time.sleep(1)
    assert booked(control) == 21, "each finished call is booked exactly once"


def test_gateway_killed_what_it_answered_is_booked_once(product: Running) -> None:
    control = product.control_url
    os.kill(product.pid("control"), signal.SIGSTOP)  # nothing can be acknowledged: all of it must come from the journal
    answered = sum(chat(product.gateway_url, f"call {n}").status_code == 200 for n in range(25))
    assert answered == 25
    os.kill(product.pid("gateway"), signal.SIGKILL)
    os.kill(product.pid("control"), signal.SIGCONT)
    wait_for(lambda: booked(control), lambda seen: seen >= 25, timeout=30)
    time.sleep(1)
    assert booked(control) == 25
    total = graphql(control, COSTS)["costAnalytics"]["modelBreakdown"]
    assert [(row["model"], row["requests"]) for row in total] == [("gpt-4", 25)]
    assert wait_for(lambda: _alive(product.gateway_url), bool), "a crashed gateway comes back"


def _alive(gateway_url: str) -> bool:
    with contextlib.suppress(httpx.TransportError):
        return chat(gateway_url).status_code == 200
    return False
