"""A case that a program, a person and a webhook work on, in the real product: asked for, done, and told."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from standardwebhooks import Webhook

from tests.acceptance.graphql_client import GraphQLRefused, Subscription, graphql
from tests.acceptance.review import wait_for
from tests.acceptance.running import Running
from tests.apps.workflows.web import Web, web_server
from tests.services import need_postgres

ROOT = Path(__file__).resolve().parents[2]
SECRET = "whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
PYTHON = shutil.which("python3", path="/usr/bin:/usr/local/bin") or sys.executable
ADD_UP = "import json, sys; lines = json.load(sys.stdin)['lines']; print(json.dumps({'sum': sum(l['price'] for l in lines)}))"
FUNCTIONS = {"functions": {"add_up": {"command": [PYTHON, "-c", ADD_UP], "output_schema": {"required": ["sum"]}}}}
ORDER: dict[str, Any] = {
    "id": "order",
    "name": "Order",
    "places": ["new", "priced", "approved", "paid"],
    "initialPlace": "new",
    "transitions": [
        {
            "id": "price",
            "kind": "function",
            "fromPlaces": ["new"],
            "toPlace": "priced",
            "work": {"function": "add_up", "input": {"lines": "data.lines"}},
        },
        {
            "id": "approve",
            "kind": "human",
            "fromPlaces": ["priced"],
            "toPlace": "approved",
            "work": {
                "title": "Approve the order",
                "assignee": "anna",
                "form": {"required": ["yes"], "properties": {"yes": {"type": "boolean"}}},
            },
        },
        {
            "id": "pay",
            "kind": "signal",
            "fromPlaces": ["approved"],
            "toPlace": "paid",
            "work": {"signal": "paid", "correlation": {"number": "data.number"}},
        },
    ],
}
CREATE = "mutation C($input: WorkflowDefinitionInput!) { createWorkflow(input: $input) { id } }"
TASKS = 'query { tasks(filter: {user: "anna", states: ["open"]}) { id data tokenId } }'
COMPLETE = (
    "mutation C($id: String!, $user: String!) { completeTask(taskId: $id, user: $user, data: {yes: true}) { state } }"
)
TOKEN = "query T($id: String!) { token(id: $id) { place data caseId } }"
LOG = "query L($id: String!) { case(id: $id) { log { position } } }"
EVENTS = 'subscription { workflowEvents(workflowId: "order") { eventType transition } }'


@pytest.fixture(params=["sqlite", "postgres"])
def product(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Running]:
    if request.param == "postgres":
        need_postgres()
    file = tmp_path / "functions.yaml"
    file.write_text(yaml.safe_dump(FUNCTIONS))
    with Running(request.param, env={"FUNCTIONS_FILE": str(file), "EFFECT_LEASE_SECONDS": "3"}) as running:
        yield running


@pytest.fixture
def web() -> Iterator[Web]:
    with web_server() as server:
        yield server


def test_a_program_a_person_and_a_webhook_work_on_one_case(product: Running, web: Web) -> None:
    control = product.control_url
    graphql(control, CREATE, input=ORDER)
    manage = [sys.executable, "manage.py", "webhook"]
    made = run([*manage, "receive", "orders", "--workflow", "order", "--secret", SECRET], product)
    entrance = made.split("Post to ")[1].split(" ")[0]
    paid = run([*manage, "receive", "bank", "--workflow", "order", "--signal", "paid", "--secret", SECRET], product)
    bank = paid.split("Post to ")[1].split(" ")[0]
    run([*manage, "send", "crm", web.url("/crm"), "--private-address", "--secret", SECRET], product)

    with Subscription(control, EVENTS) as live:
        body = {"number": 7, "lines": [{"price": 12}, {"price": 30}]}
        token = post(control + entrance, "msg-1", body)["tokenId"]
        assert post(control + entrance, "msg-1", body) == {"tokenId": token, "moved": 0, "duplicate": True}

        seen = wait_for(lambda: graphql(control, TASKS), lambda found: len(found["tasks"]) == 1)
        (task,) = seen["tasks"]
        assert (task["tokenId"], task["data"]["sum"]) == (token, 42)
        os.kill(product.pid("worker"), signal.SIGKILL)  # a task waits in the database, not in a worker
        with pytest.raises(GraphQLRefused) as refused:
            graphql(control, COMPLETE, id=task["id"], user="eve")
        assert refused.value.code == "TASK_NOT_YOURS"
        assert graphql(control, COMPLETE, id=task["id"], user="anna")["completeTask"] == {"state": "completed"}

        assert post(control + bank, "msg-2", {"number": 8})["moved"] == 0
        assert post(control + bank, "msg-3", {"number": 7})["moved"] == 1
        done = graphql(control, TOKEN, id=token)["token"]
        assert (done["place"], done["data"]["yes"], done["data"]["sum"]) == ("paid", True, 42)
        kinds = {event["eventType"] for event in live.wait(8)}
        assert {"token_created", "transition_fired", "task_created", "task_completed"} <= kinds

    log = graphql(control, LOG, id=done["caseId"])["case"]["log"]
    until = time.monotonic() + 60
    while {told(request)["position"] for request in web.seen} != {entry["position"] for entry in log}:
        assert time.monotonic() < until, [told(request) for request in web.seen]
        time.sleep(0.1)
    for request in web.seen:
        Webhook(SECRET).verify(request["body"], request["headers"])
    ids = {(told(request)["position"], request["headers"]["webhook-id"]) for request in web.seen}
    assert len(ids) == len(log), "what is told twice has the same id"


def told(request: dict[str, Any]) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(request["body"])["data"]
    return data


def run(command: list[str], product: Running) -> str:
    done = subprocess.run(command, cwd=ROOT, env=product.environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def post(url: str, message_id: str, body: dict[str, Any]) -> Any:
    """A message signed by the specification's own library."""
    raw, now = json.dumps(body), datetime.now(UTC)
    signature = Webhook(SECRET).sign(message_id, now, raw)
    headers = {"webhook-id": message_id, "webhook-timestamp": str(int(now.timestamp())), "webhook-signature": signature}
    reply = httpx.post(url, content=raw, headers=headers)
    assert reply.status_code == 200, reply.text
    return reply.json()
