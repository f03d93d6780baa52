"""A small cast: one workflow with every kind of step, and threads with connections of their own."""

import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
import yaml
from django.db import connection

from tests.apps.workflows.allowing import PYTHON, Allow
from tests.apps.workflows.web import Web, web_server
from workflows import actions, services
from workflows.models import Token, Workflow

REVIEW: dict[str, Any] = {
    "id": "papers",
    "name": "Papers",
    "places": ["draft", "review", "legal", "ready", "approved"],
    "initialPlace": "draft",
    "transitions": [
        {"id": "submit", "fromPlaces": ["draft"], "toPlace": "review"},
        {"id": "approve", "fromPlaces": ["review"], "toPlace": "approved"},
        {
            "id": "approve_good",
            "fromPlaces": ["review"],
            "toPlace": "approved",
            "conditions": [{"type": "FieldGreaterThan", "field": "score", "value": 5}],
        },
        {"id": "split", "inputs": ["draft"], "outputs": ["review", "legal"]},
        {"id": "join", "inputs": ["review", "legal"], "outputs": ["ready"]},
        {"id": "touch", "fromPlaces": ["draft"], "toPlace": "draft"},
        {"id": "discard", "inputs": ["draft"], "outputs": []},
    ],
}


@pytest.fixture
def papers() -> Workflow:
    return services.create_workflow(REVIEW)


@pytest.fixture
def allow(tmp_path: Path, settings: Any) -> Allow:
    """Allows functions by these names; `python` is short for a command."""

    def write(**functions: dict[str, Any]) -> None:
        for each in functions.values():
            if "python" in each:
                each["command"] = [PYTHON, "-c", each.pop("python")]
        file = tmp_path / f"{uuid.uuid4()}.yaml"
        file.write_text(yaml.safe_dump({"functions": functions}))
        settings.FUNCTIONS_FILE = str(file)

    return write


@pytest.fixture
def web() -> Iterator[Web]:
    with web_server() as server:
        yield server


@pytest.fixture
def reviewed(papers: Workflow) -> Token:
    """A token in `review`, for which one effect is waiting."""
    services.attach_action("review", "check", "rules-1", workflow_id="papers", max_attempts=3)
    token = services.create_token("papers", data={"title": "A"})
    return services.fire(str(token.pk), "submit")


@pytest.fixture
def handle() -> Any:
    """Registers handlers for one test."""
    kinds: list[str] = []

    def register(kind: str, handler: actions.Handler) -> None:
        kinds.append(kind)
        actions.register(kind, handler)

    yield register
    for kind in kinds:
        actions._handlers.pop(kind, None)


def together(count: int, act: Callable[[int], Any]) -> list[Any]:
    """What `act` returns or raises in `count` threads that start at the same moment, each on its own connection."""
    start = Barrier(count)

    def run(number: int) -> Any:
        connection.ensure_connection()
        start.wait()
        try:
            return act(number)
        except Exception as error:  # noqa: BLE001 - the outcome, whatever it is, is what the test looks at
            return error
        finally:
            connection.close()

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))
